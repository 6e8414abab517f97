import { describe, expect, it } from 'vitest';
import { minimizers } from '../../src/optim/minimizers.gen.js';
import type { Rule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import {
  minimize,
  minimizeAll,
  noisyQuadratic,
  ownProblem,
  problems,
  ravine,
  rosenbrock,
  saddle,
  stepsBelow,
  stepsBeyond,
  type Trajectory,
} from '../../src/trajectory/index.js';
import { likeDevice, testDevice } from '../support/gpu.js';

/* Whole ways on the GPU, against those in float64. */

const six = (lr: number): Rule[] => [
  rules.sgd({ lr }),
  rules.sgd({ lr, momentum: 0.9 }),
  rules.sgd({ lr, momentum: 0.9, nesterov: true }),
  rules.adagrad({ lr: 0.5 }),
  rules.rmsprop({ lr: 0.02 }),
  rules.adam({ lr: 0.1 }),
];

/** Rates below 2/λmax on the way from the customary start, so that no rule's way magnifies roundings. */
const RATES: Readonly<Record<keyof typeof problems, number>> = {
  ...{ ravine: 0.5, saddle: 0.01, monkeySaddle: 0.01, localMinima: 0.02, beale: 0.002, rosenbrock: 0.0005 },
  ...{ himmelblau: 0.005, styblinskiTang: 0.01, rastrigin: 0.001, ackley: 0.01, sixHumpCamel: 0.02, booth: 0.03 },
  ...{ quadratic: 0.5, noisyQuadratic: 0.1, logisticRegression: 1, freudensteinRoth: 1e-5, helicalValley: 1e-4 },
  ...{ powellSingular: 1e-4, wood: 1e-5, biggsExp6: 0.01, variablyDimensioned: 1e-8, trigonometric: 0.01 },
  ...{ penaltyI: 1e-4 },
};
const STEPS = 60;
/** Steps that are compared, where a way meets what parts neighbours: a ridge between valleys, a fall without an end. */
const HORIZONS: Readonly<Record<string, number>> = { localMinima: 20, monkeySaddle: 20 };

/**
 * In half units of the largest coordinate and value of the way: measured up to 12 and 61 (the camel's value is a tenth of its terms).
 * A rate that is off by 1e-5 is 1e-5·2^24 = 168 of them.
 */
const [POINTS, VALUES] = [32, 128];

function farthest(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const size = Math.max(...Array.from(expected, Math.abs));
  return Math.max(...Array.from(expected, (value, i) => Math.abs(actual[i]! - value))) / (size * 2 ** -24);
}

describe.each(Object.entries(RATES))('%s', (name, lr) => {
  it('goes the way of float64, all rules', async () => {
    const problem = problems[name as keyof typeof problems]();
    const runs = six(lr).map((rule, i) => ({ rule, seed: i }));
    const [actual, expected] = await Promise.all(
      [await testDevice(), 'cpu' as const].map((where) => minimizeAll(where, problem, runs, { steps: STEPS })),
    );
    const horizon = HORIZONS[name] ?? STEPS;
    for (const [i, way] of actual!.entries()) {
      const other = expected![i]!;
      expect(way.steps).toBe(STEPS);
      expect([way.points.length, way.values.length]).toEqual([(STEPS + 1) * problem.n, STEPS + 1]);
      expect(way.lr).toEqual(other.lr);
      const points = ({ points: all }: Trajectory) => all.subarray(0, (horizon + 1) * problem.n);
      expect(farthest(points(way), points(other)), `rule ${i}`).toBeLessThan(POINTS);
      const values = ({ values: all }: Trajectory) => all.subarray(0, horizon + 1);
      expect(farthest(values(way), values(other)), `rule ${i}`).toBeLessThan(VALUES);
    }
  });
});

it('the six rules leave the saddle after as many steps as in float64, or one more or less', async () => {
  const runs = six(0.01).map(({ row, hyper }) => ({ rule: { row, hyper: { ...hyper, lr: 0.01 } } }));
  const ways = await minimizeAll(await testDevice(), saddle(), runs, { steps: 1300 });
  const counts = ways.map((way) => stepsBeyond(way, 1, 1)!);
  for (const [i, expected] of [349, 72, 67, 1263, 17, 77].entries())
    expect(Math.abs(counts[i]! - expected)).toBeLessThanOrEqual(1);
});

it('several starts, rates and seeds are replicas, with the bits of each alone', async () => {
  const device = await testDevice();
  const problem = noisyQuadratic();
  const runs = [
    { rule: rules.adam({ lr: 0.1 }), start: [-7, 2], seed: 3 },
    { rule: rules.adam({ lr: 0.02, betas: [0.5, 0.9] }), start: [1, 1], seed: 4 },
    { rule: rules.sgd({ lr: 0.1 }), start: [4, -2], seed: 3 },
    { rule: rules.adam({ lr: (count) => 0.1 / (1 + count) }), start: [-7, 2], seed: 3 },
  ];
  const together = await minimizeAll(device, problem, runs, { steps: 40 });
  for (const [i, { rule, ...run }] of runs.entries()) {
    const alone = await minimize(device, problem, rule, { ...run, steps: 40 });
    expect(together[i]!.points).toEqual(alone.points);
    expect(together[i]!.values).toEqual(alone.values);
    expect(together[i]!.lr).toEqual(alone.lr);
    expect(together[i]!.rule).toBe(rule);
  }
  expect(together[0]!.points).not.toEqual(together[3]!.points);
});

it('takes many steps to a submit, and reads the way once', async () => {
  const device = await testDevice();
  const submits: number[] = [];
  const queue = new Proxy(device.queue, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (key === 'submit') submits.push(submits.length);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const counted = new Proxy(device, {
    get(target, key) {
      if (key === 'queue') return queue;
      const value = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const way = await minimize(counted, rosenbrock(), rules.adam({ lr: 0.1 }), { steps: 2000 });
  expect(stepsBelow(way, 1e-3).stays).toBeLessThan(2000);
  expect(submits.length).toBeLessThan(60);
});

it('takes minimizers, whose rounds are the steps, and says why they ended', async () => {
  const device = await testDevice();
  for (const rule of [minimizers.lbfgs(), minimizers.newtonCg()]) {
    const way = await minimize(device, rosenbrock(), rule, { steps: 100 });
    expect([way.stopped, way.steps < 60]).toEqual(['gradient', true]);
    expect(way.values).toHaveLength(way.steps + 1);
    expect(way.values[0]).toBeCloseTo(24.2, 4);
    expect(way.values.at(-1)).toBeLessThan(1e-9);
    expect(Math.abs(way.points.at(-1)! - 1)).toBeLessThan(1e-4);
  }
});

it('goes where no number is left, as float64 does', async () => {
  const way = await minimize(await testDevice(), ravine(), rules.sgd({ lr: 100 }), { steps: 40 });
  expect(way.values.at(-1)).toBeNaN();
  expect(way.steps).toBe(40);
});

it("refuses a function of one's own, which has no kernel", async () => {
  const own = ownProblem({ start: [1], value: (x) => x[0]! ** 2, gradient: (x) => [2 * x[0]!] });
  const run = minimize(await testDevice(), own, rules.sgd());
  await expect(run).rejects.toMatchObject({ name: 'DownhillError', code: 'OPTION-RANGE' });
});

it('refuses what the device cannot hold before it makes anything', async () => {
  const device = await testDevice();
  const small = likeDevice(device, { limits: { maxStorageBufferBindingSize: 2 ** 16 } });
  const made: GPUBufferDescriptor[] = [];
  const watched = new Proxy(small, {
    get(target, key) {
      if (key !== 'createBuffer') return Reflect.get(target, key);
      return (descriptor: GPUBufferDescriptor) => {
        made.push(descriptor);
        return target.createBuffer(descriptor);
      };
    },
  });
  const run = minimize(watched, rosenbrock({ n: 100 }), rules.sgd(), { steps: 1000 });
  await expect(run).rejects.toMatchObject({ name: 'DownhillError', code: 'LIMIT-BINDING' });
  expect(made).toEqual([]);
});
