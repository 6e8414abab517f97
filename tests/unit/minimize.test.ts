import { describe, expect, it } from 'vitest';
import { minimizers } from '../../src/optim/minimizers.gen.js';
import { type Rule, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import {
  beale,
  booth,
  curvaturesOf,
  functionOf,
  hessianOf,
  minimize,
  minimizeAll,
  noisyQuadratic,
  ownProblem,
  problems,
  quadratic,
  ravine,
  resolveProblem,
  rosenbrock,
  saddle,
  stepsBelow,
  stepsBeyond,
} from '../../src/trajectory/index.js';

/* Ways in float64, without a GPU: exact targets, steps of other people's forms of the rules, and what is refused. */

/** The lecture's six, in PyTorch's forms and with its constants. */
const six = (lr: number): Record<string, Rule> => ({
  sgd: rules.sgd({ lr }),
  momentum: rules.sgd({ lr, momentum: 0.9 }),
  nesterov: rules.sgd({ lr, momentum: 0.9, nesterov: true }),
  adagrad: rules.adagrad({ lr }),
  rmsprop: rules.rmsprop({ lr }),
  adam: rules.adam({ lr }),
});

describe('the ravine', () => {
  const best = 2 / (2 + 1 / 32);
  const last = (points: ArrayLike<number>) => [points[points.length - 2]!, points[points.length - 1]!];

  it('has condition number 64 and is stable below rate 1', () => {
    expect(curvaturesOf(ravine())).toEqual({ eigenvalues: [2, 1 / 32], condition: 64, stableBelow: 1 });
  });

  it('leaves 63/65 of the distance at every step of the best rate, 0.98462', async () => {
    expect(best).toBeCloseTo(0.98462, 5);
    const { points, lr } = await minimize('cpu', ravine(), rules.sgd({ lr: best }), { start: [1, 1], steps: 50 });
    const factor = (63 / 65) ** 50;
    const [x, y] = last(points);
    expect(x).toBeCloseTo(factor, 13);
    expect(y).toBeCloseTo(factor, 13);
    expect([...lr]).toEqual(new Array(50).fill(best));
  });

  it('diverges at rate 1 and above along y, and nowhere below', async () => {
    const rates = [0.999, 1, 1.001];
    const runs = rates.map((lr) => ({ rule: rules.sgd({ lr }), start: [0, 1] }));
    const ways = await minimizeAll('cpu', ravine(), runs, { steps: 100 });
    const ends = ways.map(({ points }) => Math.abs(points.at(-1)!));
    expect(ends[0]).toBeLessThan(1);
    expect(ends[1]).toBe(1);
    expect(ends[2]).toBeGreaterThan(1.2);
  });

  it('shrinks by 7/9 at every step of the best heavy ball', async () => {
    const [momentum, steps] = [(7 / 9) ** 2, 60];
    const root = Math.sqrt(2) + Math.sqrt(1 / 32);
    const rate = 4 / root ** 2;
    expect(rate).toBeCloseTo(1.5802, 4);
    const rule = rules.sgd({ lr: rate, momentum });
    const { points } = await minimize('cpu', ravine(), rule, { start: [1, 1], steps });
    const size = (step: number) => Math.hypot(points[2 * step]!, points[2 * step + 1]!);
    // Both roots of the recursion have this size; a double root adds a factor that grows with the steps.
    const factor = (size(steps) / size(steps / 2) / (steps / (steps / 2))) ** (2 / steps);
    expect(Math.abs(factor - 7 / 9)).toBeLessThan(0.005);
  });
});

it('the six rules leave the saddle after as many steps as elsewhere, exactly', async () => {
  const runs = Object.values(six(0.01)).map((rule) => ({ rule }));
  const ways = await minimizeAll('cpu', saddle(), runs, { steps: 1300 });
  expect(ways.map((way) => stepsBeyond(way, 1, 1))).toEqual([349, 72, 67, 1263, 17, 77]);
  expect(curvaturesOf(saddle())).toEqual({ eigenvalues: [2, -2], condition: undefined, stableBelow: 1 });
});

describe('steps until f < 1e-3 at the best rate of a grid of eighths of a decade, as measured elsewhere', () => {
  const rate = (i: number) => 10 ** (i / 8 - 4);
  const all = Array.from({ length: 41 }, (_, i) => i);
  /** Of Rosenbrock's long ways, the best rates and their neighbours. */
  const near = [10, 12, 9, 34, 26, 33].map((i) => [i - 1, i, i + 1]);
  it.each([
    ['the ravine', ravine(), [141, 24, 15, 5, 4, 14], 250, undefined],
    ['Beale', beale(), [183, 46, 46, 130, 100, 70], 250, undefined],
    ['Rosenbrock', rosenbrock(), [3660, 164, 425, 10, 10, 182], 3700, near],
  ] as const)('%s', async (_, problem, expected, steps, rates) => {
    for (const [k, name] of Object.keys(six(1)).entries()) {
      const runs = (rates?.[k] ?? all).map((i) => ({ rule: six(rate(i))[name]! }));
      const ways = await minimizeAll('cpu', problem, runs, { steps });
      const best = Math.min(...ways.map((way) => stepsBelow(way, 1e-3).first ?? Number.POSITIVE_INFINITY));
      expect(best, name).toBe(expected[k]);
    }
  });
});

/** Rules of labels, of several points a step, and of matrices. */
function refusesVectors({ row }: Rule): boolean {
  if (row.curvature || row.minimizer) return true;
  try {
    row.checkTensors?.('test', [{ name: 'x', shape: [4] }]);
    return false;
  } catch {
    return true;
  }
}

it('every rule that a vector can have goes its way on the CPU; the others say why not', async () => {
  for (const name of Object.keys(rules)) {
    const rule = resolveRule(rules, name);
    const run = minimize('cpu', quadratic({ spectrum: [1, 2, 3, 4] }), rule, { steps: 3 });
    if (refusesVectors(rule)) await expect(run).rejects.toMatchObject({ code: 'OPTION-RANGE' });
    else {
      const { points, values, steps } = await run.catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`);
      });
      expect([points.length, values.length, steps]).toEqual([16, 4, 3]);
      expect(points.every(Number.isFinite), name).toBe(true);
    }
  }
});

it('schedules are followed, and their rates told', async () => {
  const lr = (count: number) => 0.1 / (count + 1);
  const way = await minimize('cpu', booth(), rules.sgd({ lr }), { steps: 4 });
  expect([...way.lr]).toEqual([0.1, 0.05, 0.1 / 3, 0.025]);
});

it('noise is that of the seed, and settles SGD at its floor', async () => {
  const problem = noisyQuadratic();
  const go = (seed: number) => minimize('cpu', problem, rules.sgd({ lr: 0.1 }), { start: [0, 0], steps: 4000, seed });
  const [one, same, other] = [await go(1), await go(1), await go(2)];
  expect(one.points).toEqual(same.points);
  expect(one.points).not.toEqual(other.points);
  // Σ lr·sigma²/(2(2 - lr·h)); x forgets in 320 steps, so that the mean of 4,000 has a deviation of some tenths of it.
  const floor = [1 / 32, 2].reduce((sum, h) => sum + 0.1 / (2 * (2 - 0.1 * h)), 0);
  const mean = [...one.values].reduce((sum, value) => sum + value, 0) / one.values.length;
  expect(Math.abs(mean / floor - 1)).toBeLessThan(0.3);
});

it('tells when a way is below a tolerance for the first time, and from when on it stays there', async () => {
  const way = { ...(await minimize('cpu', booth(), rules.sgd({ lr: 0.01 }), { steps: 5 })) };
  const values = (...all: number[]) => ({ ...way, values: Float64Array.from(all) });
  expect(stepsBelow(values(5, 0.5, 3, 0.2, 0.1, 0.1), 1)).toEqual({ first: 1, stays: 3 });
  expect(stepsBelow(values(0.5, 0.5), 1)).toEqual({ first: 0, stays: 0 });
  expect(stepsBelow(values(5, 0.5, 3), 1)).toEqual({ first: 1, stays: undefined });
  expect(stepsBelow(values(5, Number.NaN), 1)).toEqual({ first: undefined, stays: undefined });
});

it('gives functions and Hessians in float64', () => {
  const { value, gradient } = functionOf(rosenbrock());
  expect(value([1, 1])).toBe(0);
  expect([...gradient([1, 1])].map(Math.abs)).toEqual([0, 0]);
  expect([...hessianOf(rosenbrock(), [1, 1])]).toEqual([802, -400, -400, 200]);
  expect(curvaturesOf(rosenbrock()).condition).toBeCloseTo(2508.01, 2);
  expect(curvaturesOf(beale()).eigenvalues.map((each) => Number(each.toPrecision(4)))).toEqual([48.98, 0.3015]);
});

describe("a function of one's own", () => {
  const value = ([x, y]: Iterable<number>) => 100 * (y! - x! ** 2) ** 2 + (1 - x!) ** 2;
  const gradient = ([x, y]: Iterable<number>) => {
    const r = 200 * (y! - x! ** 2);
    return [-2 * x! * r - 2 * (1 - x!), r];
  };
  const own = { start: [-1.2, 1], value, gradient };

  it('goes the ways of the same problem of the library', async () => {
    for (const rule of [rules.adam({ lr: 0.1 }), minimizers.lbfgs() as unknown as Rule]) {
      const [mine, theirs] = await Promise.all(
        [ownProblem(own), rosenbrock()].map((problem) => minimize('cpu', problem, rule, { steps: 40 })),
      );
      expect(mine!.steps).toBe(theirs!.steps);
      for (let i = 0; i < 40; i++) expect(mine!.points[i]!).toBeCloseTo(theirs!.points[i]!, 8);
    }
  });

  it('has products by differences of gradients, where it brings none', () => {
    const { product } = functionOf(ownProblem(own));
    const exact = functionOf(rosenbrock()).product([-1.2, 1], [0.3, -2]);
    expect(product([-1.2, 1], [0.3, -2]).every((each, i) => Math.abs(each / exact[i]! - 1) < 1e-8)).toBe(true);
    expect([...product([-1.2, 1], [0, 0])]).toEqual([0, 0]);
    const { condition } = curvaturesOf(ownProblem({ ...own, minima: [{ x: [1, 1], value: 0 }] }));
    expect(condition! / 2508.01).toBeCloseTo(1, 4);
  });

  it('is refused where it is none, or not finite at its start', () => {
    const refused = (code: string, change: object) =>
      expect(() => ownProblem({ ...own, ...change })).toThrow(expect.objectContaining({ name: 'DownhillError', code }));
    refused('OPTION-TYPE', { value: 3 });
    refused('OPTION-TYPE', { product: 'none' });
    refused('OPTION-TYPE', { start: [] });
    refused('OPTION-TYPE', { start: 3 });
    refused('OPTION-UNKNOWN', { hessian: () => 1 });
    refused('OPTION-RANGE', { start: [Number.NaN, 1] });
    refused('SHAPE-MISMATCH', { gradient: () => [1] });
    refused('OPTION-RANGE', { value: () => 1 / 0 });
    refused('OPTION-RANGE', { gradient: () => [0, Number.NaN] });
  });
});

describe('refuses, before any work,', () => {
  const rule = rules.sgd();
  const refused = async (code: string, work: () => unknown) => {
    await expect((async () => work())()).rejects.toMatchObject({ name: 'DownhillError', code });
  };

  it('problems that are none, and suggests', async () => {
    await refused('PROBLEM-UNKNOWN', () => resolveProblem(problems, 'rosenbrok'));
    expect(() => resolveProblem(problems, 'rosenbrok')).toThrow(/Did you mean 'rosenbrock'/);
    await refused('OPTION-TYPE', () => minimize('cpu', {} as never, rule));
    await refused('OPTION-TYPE', () => minimize('cpu', rosenbrock as never, rule));
    await refused('OPTION-UNKNOWN', () => rosenbrock({ m: 3 } as never));
    await refused('OPTION-UNKNOWN', () => beale({ n: 3 } as never));
  });

  it('dimensions out of range', async () => {
    for (const n of [0, -2, 3, 2.5, 2 ** 21, Number.NaN]) await refused('OPTION-RANGE', () => rosenbrock({ n }));
    await refused('OPTION-TYPE', () => rosenbrock({ n: '2' } as never));
    await refused('OPTION-RANGE', () => quadratic({ spectrum: [] }));
    await refused('OPTION-RANGE', () => quadratic({ spectrum: [1, Number.NaN] }));
    await refused('OPTION-TYPE', () => quadratic({ spectrum: 3 } as never));
  });

  it('starts of another length, and what is no number', async () => {
    await refused('SHAPE-MISMATCH', () => minimize('cpu', ravine(), rule, { start: [1] }));
    await refused('SHAPE-MISMATCH', () => minimize('cpu', ravine(), rule, { start: new Float32Array(3) }));
    await refused('OPTION-RANGE', () => minimize('cpu', ravine(), rule, { start: [1, Number.NaN] }));
    await refused('OPTION-RANGE', () => minimize('cpu', ravine(), rule, { start: [1, 1e39] }));
    await refused('OPTION-TYPE', () => minimize('cpu', ravine(), rule, { start: ['1', 2] as never }));
    await refused('OPTION-TYPE', () => minimize('cpu', ravine(), rule, { start: 3 as never }));
  });

  it('steps, seeds, rules and places that are none', async () => {
    for (const steps of [0, -1, 1.5, Number.NaN, 2 ** 30])
      await refused('OPTION-RANGE', () => minimize('cpu', ravine(), rule, { steps }));
    await refused('OPTION-RANGE', () => minimize('cpu', ravine(), rule, { seed: -1 }));
    await refused('OPTION-UNKNOWN', () => minimize('cpu', ravine(), rule, { step: 3 } as never));
    await refused('OPTION-TYPE', () => minimize('cpu', ravine(), rules.sgd as never));
    await refused('OPTION-TYPE', () => minimize('gpu' as never, ravine(), rule));
    await refused('OPTION-TYPE', () => minimizeAll('cpu', ravine(), rule as never));
    await refused('OPTION-RANGE', () => minimize('cpu', ravine(), rules.sophia()));
    await refused('OPTION-RANGE', () => curvaturesOf(rosenbrock({ n: 4 })));
    await refused('OPTION-TYPE', () => functionOf({} as never));
  });

  it('points and vectors that are not of the problem', async () => {
    const { value, gradient, product } = functionOf(ravine());
    await refused('SHAPE-MISMATCH', () => value([1, 2, 3]));
    await refused('SHAPE-MISMATCH', () => gradient([1]));
    await refused('SHAPE-MISMATCH', () => product([1, 2], [1, 2, 3]));
    expect(value([Number.NaN, 0])).toBeNaN();
  });
});
