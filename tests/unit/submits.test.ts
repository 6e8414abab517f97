import { expect, it } from 'vitest';
import { fittingSteps, MAX_STEPS, usualSubmitMs } from '../../src/train/scheduler.js';

it('leaves a page its frames, and submits more where there is none', () => {
  expect(usualSubmitMs()).toBe(250);
  expect(usualSubmitMs({ document: {} })).toBe(50);
  expect(usualSubmitMs({ WorkerGlobalScope: class {} })).toBe(50);
});

/** Steps of submits one after the other, where a step takes so long from the first on. */
function sizes(stepMs: number, submitMs: number, submits = 8): number[] {
  const found = [1];
  while (found.length < submits) found.push(fittingSteps(stepMs, submitMs, found.at(-1)!));
  return found;
}

it('grows from one step to what fits the time, four times at most from one submit to the next', () => {
  expect(sizes(1, 50)).toEqual([1, 4, 16, 50, 50, 50, 50, 50]);
  expect(sizes(7, 250)).toEqual([1, 4, 16, 35, 35, 35, 35, 35]);
  expect(sizes(1e-3, 50).at(-1)).toBe(MAX_STEPS);
});

it('falls at once where steps take longer, and grows again', () => {
  expect(fittingSteps(25, 50, 50)).toBe(2);
  expect(sizes(1, 50, 4).concat(fittingSteps(25, 50, 50), fittingSteps(1, 50, 2))).toEqual([1, 4, 16, 50, 2, 8]);
});

it('is one step where none fits, and no submit of more than half a second whatever is asked for', () => {
  expect(sizes(700, 50)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  expect(fittingSteps(10, 1e6, 100)).toBe(50);
  expect(fittingSteps(400, 1e6, 100)).toBe(1);
});
