import { expect, test } from 'vitest';
import { LIMIT, LossHistory, lastOf } from '../../app/runs/history.js';
import { type About, Run } from '../../app/runs/run.js';
import { randomFloats } from '../support/numbers.js';

/* What a run keeps of its losses. */

const about = (stepsPerEpoch: number): About => ({
  view: 'train',
  name: 'Adam',
  caption: 'Adam',
  settings: {},
  link: '#',
  adapter: 'none',
  batchSize: 10,
  stepsPerEpoch,
  totalSteps: 1e6,
});

test('the loss is the mean of the last k raw losses, and the loss itself where k is 1', () => {
  const history = new LossHistory(4);
  expect(history.loss).toBeNull();
  for (const [i, loss] of [8, 4, 2, 1, 0.5, 0.25].entries()) history.push(i + 1, loss);
  expect(history.loss).toBe((2 + 1 + 0.5 + 0.25) / 4);
  history.push(7, Number.NaN);
  expect(history.loss).toBeNaN(); // no figure of a run that has none

  const whole = new LossHistory(lastOf(1));
  for (let step = 1; step <= 300; step++) {
    whole.push(step, 1 / step);
    expect(whole.loss).toBe(1 / step);
  }
  expect(whole.smooth).toEqual(whole.mean); // nothing noisy, nothing smoothed
  expect([lastOf(1), lastOf(20), lastOf(800)]).toEqual([1, 20, 50]);
});

test('the smoothed line is centred: it starts and ends with the loss, and a straight course stays where it is', () => {
  const history = new LossHistory(50);
  for (let step = 1; step <= 1000; step++) history.push(step, 3 - step / 500);
  const { smooth } = history;
  expect(smooth[0]).toBe(3 - 1 / 500);
  expect(smooth.at(-1)).toBeCloseTo(1, 12);
  for (const [i, value] of smooth.entries()) expect(value).toBeCloseTo(3 - (i + 1) / 500, 10);
});

test('a million steps fill no more than 2,048 points, which hold every loss between their lowest and highest', () => {
  const run = new Run(about(800));
  const noise = randomFloats(1000, 1);
  const spikes = new Set([77_777, 500_001]);
  let sum = 0;
  let most = 0;
  for (let step = 1; step <= 1e6; step++) {
    const loss = spikes.has(step) ? 50 : 1 + Math.abs(noise[step % 1000]!);
    sum += loss;
    run.push(step, loss, step / 1000);
    if (step % 100 === 0) run.test({ step, loss, accuracy: 0.5, seconds: step / 1000 });
    if (step % 1000 === 0) run.mark(step, 'lr');
    most = Math.max(most, run.history.points, run.tests.length, run.marks.length);
  }
  expect(most).toBeLessThanOrEqual(LIMIT);
  const { steps, low, high, mean, seconds, stride, points } = run.history;
  expect(points).toBeGreaterThan(LIMIT / 2 - 1);
  expect(steps.at(-1)).toBe(1e6);
  expect(seconds.at(-1)).toBe(1000);
  expect(high.filter((value) => value === 50)).toHaveLength(2); // however far it is merged, a spike is seen
  expect(Math.max(...low.map(Number))).toBeLessThan(2);
  expect(run.tests.at(-1)?.step).toBe(1e6);
  // Every point but the last stands for as many steps: the mean of the means is the mean.
  const whole = mean.slice(0, -1).reduce((total: number, value) => total + value! * stride, 0);
  const rest = 1e6 - (points - 1) * stride;
  expect((whole + mean.at(-1)! * rest) / 1e6).toBeCloseTo(sum / 1e6, 9);
});

test('a loss that is not finite is a gap, and huge ones do not overflow', () => {
  const history = new LossHistory(2);
  for (const [i, loss] of [1e308, Number.NaN, 1e308, Number.POSITIVE_INFINITY].entries()) history.push(i + 1, loss);
  expect(history.mean).toEqual([1e308, null, 1e308, null]);
  expect(history.smooth).toEqual([1e308, null, 1e308, null]);
  for (let step = 5; step <= 3 * LIMIT; step++) history.push(step, 1e308);
  expect(history.mean[0]).toBe(1e308);
  expect(history.loss).toBe(1e308);
});

test('a history is the same after it was kept and read again', () => {
  const history = new LossHistory(50);
  for (let step = 1; step <= 5000; step++) history.push(step, 1 / step, step);
  const again = LossHistory.from(structuredClone(history.data()));
  for (const one of [history, again]) one.push(5001, 2, 5001);
  expect(again.data()).toEqual(history.data());
  expect(again.smooth).toEqual(history.smooth);
});
