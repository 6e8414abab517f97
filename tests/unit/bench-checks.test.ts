import { describe, expect, it } from 'vitest';
import type { GemmTask } from '../../harness/bench/contract.js';
import { compareLosses } from '../../harness/bench/scenarios/check-step.js';
import { checkProduct } from '../../harness/bench/scenarios/gemm.js';
import { uniform } from '../../harness/common/random.js';

/* The checks that decide whether a contender's time counts, on numbers that are right and on ones that are wrong. */

describe('losses', () => {
  it('must be all there and all close', () => {
    expect(compareLosses([2, 1.5], [2, 1.5]).ok).toBe(true);
    expect(compareLosses([2.00001, 1.5], [2, 1.5]).ok).toBe(true);
    expect(compareLosses([2.001, 1.5], [2, 1.5]).ok).toBe(false);
    expect(compareLosses([2], [2, 1.5]).ok).toBe(false);
  });

  it.each([[[Number.NaN, 1.5]], [[2, Number.NaN]], [[Number.POSITIVE_INFINITY, 1.5]]])('refuse %j', (losses) => {
    expect(compareLosses(losses, [2, 1.5]).ok).toBe(false);
  });
});

describe('products', () => {
  const task: GemmTask = { op: 'forward', rows: 5, inputs: 7, outputs: 6, a: uniform(35, 1), b: uniform(42, 2) };
  const right = () =>
    Float32Array.from({ length: 30 }, (_, place) => {
      const [row, column] = [Math.floor(place / 6), place % 6];
      return Array.from({ length: 7 }, (_, i) => task.a[7 * row + i]! * task.b[6 * i + column]!).reduce(
        (a, b) => a + b,
      );
    });

  it('pass where they are right, and only there', () => {
    expect(checkProduct(right(), task, 0).ok).toBe(true);
    for (const wrong of [0, Number.NaN, 1e30]) {
      const result = right();
      result[29] = wrong;
      expect(checkProduct(result, task, 0).ok).toBe(false);
    }
    expect(checkProduct(right().subarray(1), task, 0).ok).toBe(false);
    // The transposed operands' product has the right size and other numbers.
    const turned = { ...task, op: 'input-gradient', inputs: 6, outputs: 7 } as const;
    expect(checkProduct(right(), turned, 0).ok).toBe(false);
  });
});
