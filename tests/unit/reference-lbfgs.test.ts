import { describe, expect, it } from 'vitest';
import { givenOf } from '../../src/problems/given.js';
import { referenceLbfgs } from '../../src/reference/lbfgs.js';
import { referenceProblems } from '../../src/reference/problems.gen.js';
import { type LbfgsCase, lbfgsCases } from '../support/lbfgs.js';

/*
 * L-BFGS in float64 ends where it should, in about as many iterations as PyTorch 1.13.1 in float64 with strong_wolfe (history 10,
 * tolerances 1e-5 and 1e-15), as measured for shared/research/search-and-second-order.md, section 1.4.
 */

const TORCH: Readonly<Record<string, number>> = {
  'Rosenbrock (2)': 35,
  'Rosenbrock (10)': 34,
  'Rosenbrock (100)': 35,
  'Freudenstein-Roth': 20,
  Beale: 15,
  'helical valley': 30,
  'Powell singular': 28,
  Wood: 90,
  'Biggs EXP6': 40,
  'variably dimensioned (10)': 20,
  'trigonometric (10)': 26,
  'penalty I (10)': 46,
  'x²/64 + y²': 11,
};

/** A problem's value and gradient in float64. */
const objectiveOf = ({ problem }: LbfgsCase) => {
  const reference = referenceProblems[problem.row.name as keyof typeof referenceProblems];
  const given = givenOf(problem);
  return (x: Float64Array) => ({ value: reference.value(x, given), gradient: reference.gradient(x, given) });
};

describe.each(Object.entries(lbfgsCases))('%s', (name, own) => {
  it('ends at the minimum, in no more than 1.35 times the iterations of PyTorch', () => {
    const { iterations, rounds, evaluations, value, gradMax, stopped } = referenceLbfgs(
      objectiveOf(own),
      own.start ?? own.problem.start,
    );
    expect(stopped).toBe('gradient');
    expect(gradMax).toBeLessThanOrEqual(1e-5);
    expect(Math.abs(value - own.value)).toBeLessThanOrEqual(1e-4 * own.value + 1e-9);
    expect(iterations).toBeLessThanOrEqual(1.35 * (TORCH[name] ?? 33));
    expect(rounds.length).toBeLessThanOrEqual(1.4 * iterations);
    expect(evaluations).toBe(1 + 4 * (rounds.length - 1));
  });
});

describe('referenceLbfgs', () => {
  const ravine = objectiveOf(lbfgsCases['x²/64 + y²']!);

  it('takes any step without a line search, and the first of the length that a convention says', () => {
    const first = (convention: 'pytorch' | 'optax') =>
      referenceLbfgs(ravine, [-8, 1], { lineSearch: 'none', convention, rounds: 2 }).rounds[1]!.step;
    expect(first('pytorch')).toBeCloseTo(1 / (0.25 + 2), 12);
    expect(first('optax')).toBeCloseTo(1 / Math.hypot(0.25, 2), 12);
    expect(referenceLbfgs(ravine, [-8, 1], { lineSearch: 'none', convention: 'optax' }).value).toBeLessThan(1e-20);
  });

  it('says why it ended', () => {
    expect(referenceLbfgs(() => ({ value: Number.NaN, gradient: [1] }), [0]).stopped).toBe('nonfinite');
    expect(referenceLbfgs(ravine, [0, 0])).toMatchObject({ stopped: 'gradient', iterations: 0 });
    // A slope that leads nowhere.
    expect(referenceLbfgs(([x]) => ({ value: Math.abs(x!), gradient: [-1] }), [0]).stopped).toBe('linesearch');
    expect(referenceLbfgs(ravine, [-8, 1], { toleranceGrad: 0, toleranceChange: 1e-3 }).stopped).toBe('flat');
  });
});
