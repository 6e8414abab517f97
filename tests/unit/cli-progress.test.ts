import { describe, expect, it } from 'vitest';
import { duration, lossText, percent, rateText } from '../../harness/common/format.js';
import { fitted } from '../../harness/common/progress.js';
import type { JobEvent } from '../../harness/train/events.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { progressParts, TrainProgress } from '../../harness/train/progress.js';
import { JsonReporter, TextReporter } from '../../harness/train/reporter.js';
import type { AdapterReport, PlanReport } from '../../src/index.js';
import { fakeIo, jsonLines } from '../support/cli.js';

const steps = (from: number, to: number, loss = 0.5) =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ step: from + i, epoch: 0, loss, lr: 0.001 }));

describe('numbers', () => {
  it('read well', () => {
    expect([0.05, 9.94, 9.96, 59.4, 65, 3599.6, 7800].map(duration)).toEqual([
      '0.1 s',
      '9.9 s',
      '10 s',
      '59 s',
      '1 min 05 s',
      '1 h 00 min',
      '2 h 10 min',
    ]);
    expect([0, 0.12345, 12.3456, 1e-5, 2e6, Number.NaN].map(lossText)).toEqual([
      '0.0000',
      '0.1235',
      '12.3456',
      '1.00e-5',
      '2.00e+6',
      'NaN',
    ]);
    expect(percent(0.97306)).toBe('97.31 %');
    expect([0.123, 3.21, 1234.5].map(rateText)).toEqual(['0.12 steps/s', '3.2 steps/s', '1,235 steps/s']);
  });
});

describe('the progress line', () => {
  const state = { step: 612, total: 1250, loss: 0.2134, rate: 310 };

  it('has a bar where there is room, and never reaches the last column', () => {
    expect(fitted(progressParts(state), 100)).toEqual({
      bar: 24,
      text: '  612/1,250  loss 0.2134  310 steps/s  2.1 s left',
    });
    for (let columns = 1; columns <= 120; columns++) {
      const { bar, text } = fitted(progressParts(state), columns);
      expect(2 + bar + (bar > 0 ? 2 : 0) + text.length).toBeLessThanOrEqual(Math.max(columns - 1, 2));
    }
  });

  it('shows the learning rate where it changes', () => {
    expect(fitted(progressParts({ ...state, lr: 0.0009871 }), 100).text).toMatch(
      /loss 0.2134 {2}lr 9.87e-4 {2}310 steps/,
    );
    const io = fakeIo();
    const progress = new TrainProgress(io, 40, () => 0, true);
    progress.add(steps(1, 10));
    expect(io.out()).toBe('  10/40  loss 0.5000  lr 1.00e-3\n');
  });

  it('gives up the bar first, then the parts from the right', () => {
    expect(fitted(progressParts(state), 50)).toEqual({ bar: 0, text: '  612/1,250  loss 0.2134  310 steps/s' });
    expect(fitted(progressParts(state), 32)).toEqual({ bar: 0, text: '  612/1,250  loss 0.2134' });
    expect(fitted(progressParts(state), 14)).toEqual({ bar: 0, text: '  612/1,250' });
  });

  it('is redrawn at most ten times a second, in place', () => {
    const io = fakeIo(80);
    let now = 0;
    const progress = new TrainProgress(io, 1000, () => now);
    for (let step = 1; step <= 1000; step++) {
      now += 5;
      progress.add(steps(step, step));
    }
    progress.end();
    const drawn = io.out().split('\r').slice(1);
    expect(drawn.length).toBeGreaterThan(45);
    expect(drawn.length).toBeLessThanOrEqual(52);
    expect(io.out().match(/\n/g)).toHaveLength(1);
    expect(drawn.at(-1)).toMatch(/1,000\/1,000 {2}loss 0\.5000 {2}200 steps\/s\S*\n$/);
  });

  it('counts the rate from the first read-back: before it, drivers compile', () => {
    const io = fakeIo();
    let now = 0;
    const progress = new TrainProgress(io, 40, () => now);
    now = 10_000;
    progress.add(steps(1, 10));
    now = 11_000;
    progress.add(steps(11, 20));
    expect(io.out()).toBe('  10/40  loss 0.5000\n  20/40  loss 0.5000  10 steps/s  2.0 s left\n');
  });

  it('is plain lines without a terminal: each tenth of the way, or five seconds', () => {
    const lines = (milliseconds: number) => {
      const io = fakeIo();
      let now = 0;
      const progress = new TrainProgress(io, 1000, () => now);
      for (let step = 1; step <= 1000; step++) {
        now += milliseconds;
        progress.add(steps(step, step));
      }
      progress.end();
      expect(io.out()).not.toContain('\r');
      expect(io.out()).not.toContain('\x1b');
      return io.out().trim().split('\n').length;
    };
    expect(lines(1)).toBe(10);
    expect(lines(1000)).toBe(200);
  });
});

const adapter = { name: 'llvmpipe (CPU adapter)', cpu: true } as AdapterReport;
const plan = { label: 'train', dispatches: 17, parameters: 109_810, passes: [], bytes: {} } as unknown as PlanReport;
const events: JobEvent[] = [
  { type: 'runtime', versions: { downhill: '0.1.0' } },
  { type: 'adapter', adapter },
  {
    type: 'plan',
    plan,
    data: { train: 8000, test: 2000, features: 784, classes: 10 },
    batchSize: 64,
    steps: 10,
    stepsPerEpoch: 125,
  },
  { type: 'steps', steps: steps(1, 5) },
  { type: 'steps', steps: [{ step: 6, epoch: 0, loss: Number.NaN, lr: 0.001 }] },
];
const result = { step: 6, loss: 0.1, accuracy: 0.9731, trainSeconds: 2, stepsPerSecond: 3, interrupted: true };
const { config } = parseTrain(['--optimizer', 'adam', '--amsgrad']) as TrainCommand;

describe('what is said', () => {
  it('as text: adapter and plan, progress, result, folder', () => {
    const io = fakeIo();
    const reporter = new TextReporter(io, config);
    for (const event of events) reporter.event(event);
    reporter.stopping();
    reporter.event({ type: 'result', result });
    reporter.done(result, 'runs/x');
    const text = io.out();
    expect(text).toMatch(/adapter +llvmpipe \(CPU adapter\)/);
    expect(text).toMatch(/784-100-100-100-100-10, 109,810 parameters, 17 dispatches per step/);
    expect(text).toMatch(/Adam: lr 0\.001, betas 0\.9,0\.999, eps 1e-8, amsgrad, weight-decay 0\n/);
    expect(text).toMatch(/8,000 to train, 2,000 to test/);
    expect(text.replace(/\s+/g, ' ')).toContain('64, shuffled; 125 iterations per epoch; 10 steps, 0.1 epochs');
    expect(text).toMatch(/The loss is not finite since step 6\./);
    expect(text).toMatch(/Ctrl\+C again/);
    expect(text).toMatch(/accuracy 97\.31 %, loss 0\.1000/);
    expect(text).toMatch(/stopped after 6 steps in 2\.0 s, 3\.0 steps\/s/);
    expect(text).toMatch(/runs\/x/);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('as text: the schedule, where there is one', () => {
    const io = fakeIo();
    const reporter = new TextReporter(io, config);
    const schedule =
      "warmup(oneCycle(0.001, { steps: 950, pctStart: 0.3, divFactor: 25, finalDivFactor: 10000, anneal: 'cos' }), { steps: 50 })";
    for (const event of events) reporter.event(event.type === 'plan' ? { ...event, schedule } : event);
    expect(io.out()).toMatch(/schedule +warmup\(oneCycle\(0\.001, \{ steps: 950,/);
    expect(io.out()).toMatch(/lr 1\.00e-3/);
    for (const line of io.out().split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('as text: some of the validations, and the best one in any case', () => {
    const io = fakeIo();
    const validated = parseTrain(['--validation', '0.1', '--validate-every', '1', '--steps', '41']) as TrainCommand;
    const reporter = new TextReporter(io, validated.config);
    for (const event of events) if (event.type === 'plan') reporter.event({ ...event, steps: 41 });
    const all = steps(1, 41).map((step, i) => ({
      ...step,
      validation: { step: i + 1, loss: 1 / (i + 1), best: i < 40 },
    }));
    reporter.event({ type: 'steps', steps: all });
    reporter.event({ type: 'result', result });
    const said = [...io.out().matchAll(/validation +loss .* after (\d+) steps, best so far/g)].map(([, step]) => step);
    expect(said).toEqual([...Array.from({ length: 13 }, (_, i) => String(3 * (i + 1))), '40']);
  });

  it('as JSON: one object per line, one line per step', () => {
    const io = fakeIo();
    const reporter = new JsonReporter(io, config);
    const evaluated = [{ type: 'phase', phase: 'evaluate' } as const, { type: 'result', result } as const];
    for (const event of [...events, ...evaluated]) reporter.event(event);
    reporter.done(result, 'runs/x');
    const lines = jsonLines(io.out());
    expect(lines.map(({ type }) => type)).toEqual(['runtime', 'adapter', 'plan', ...Array(6).fill('step'), 'result']);
    expect(lines[3]).toEqual({ type: 'step', step: 1, epoch: 0, loss: 0.5, lr: 0.001 });
    expect(lines[8]).toMatchObject({ step: 6, loss: null });
    expect(lines[9]).toEqual({ type: 'result', ...result, folder: 'runs/x' });
  });
});
