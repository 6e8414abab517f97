import { expect, it } from 'vitest';
import { referenceDescent } from '../../src/reference/descent.js';
import type { ReferenceObjective } from '../../src/reference/lbfgs.js';
import { lbfgsCases } from '../support/lbfgs.js';
import { objectiveOf } from '../support/newton.js';

/* Gradient descent with a line search in float64: it never climbs, takes the lengths it says, and tells why it ended. */

it.each(Object.entries(lbfgsCases))('%s: every step falls by its share', (_, own) => {
  const objective = objectiveOf(own);
  const start = Float64Array.from(own.start ?? own.problem.start);
  let before: { x: Float64Array; value: number; gradient: ArrayLike<number> } = { x: start, ...objective(start) };
  const { rounds } = referenceDescent(objective, start, { rounds: 50 });
  expect(rounds.length).toBeGreaterThan(0);
  for (const { x, value, step } of rounds) {
    const square = Array.from(before.gradient).reduce((sum, each) => sum + each ** 2, 0);
    expect(value).toBeLessThanOrEqual(before.value - 1e-4 * step * square);
    expect([...x]).toEqual(Array.from(before.x, (each, i) => each - step * before.gradient[i]!));
    before = { x, ...objective(x) };
  }
});

it('ends where the gradient is 0, as soon as a length fits', () => {
  const bowl: ReferenceObjective = ([x]) => ({ value: x! ** 2, gradient: [2 * x!] });
  // From 3 by 1, 1/2: a half is exact.
  expect(referenceDescent(bowl, [3])).toMatchObject({ stopped: 'gradient', rounds: [{ x: Float64Array.of(0) }] });
  expect(referenceDescent(bowl, [3], { rounds: 1 }).stopped).toBeUndefined();
});

it('says why it goes no further', () => {
  const climbing: ReferenceObjective = ([x]) => ({ value: -x!, gradient: [1] });
  expect(referenceDescent(climbing, [0])).toMatchObject({ stopped: 'linesearch', rounds: [] });
  const none: ReferenceObjective = () => ({ value: Number.NaN, gradient: [1] });
  expect(referenceDescent(none, [0]).stopped).toBe('nonfinite');
  // Beyond the wall it has no value: the search stays before it.
  const wall: ReferenceObjective = ([x]) => ({ value: Math.log(x!), gradient: [1 / x!] });
  expect(referenceDescent(wall, [1], { rounds: 5 }).rounds.every(({ x }) => x[0]! > 0)).toBe(true);
});
