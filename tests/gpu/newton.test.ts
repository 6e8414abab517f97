import { afterEach, describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { initialize } from '../../src/nn/init.js';
import { batchNorm, dropout, layerNorm, linear, relu, softplus, tanh } from '../../src/nn/layers.js';
import { mse } from '../../src/nn/losses.js';
import { sequential } from '../../src/nn/model.js';
import { createMinimizer } from '../../src/optim/create-minimizer.js';
import { gaussNewton, newtonCg } from '../../src/optim/minimizers.gen.js';
import { problems } from '../../src/problems/rows.gen.js';
import { type ReferenceBent, referenceNetwork, referenceNewton } from '../../src/reference/index.js';
import type { Program } from '../../src/train/program.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { lbfgsCases, problemProgram, runOut } from '../support/lbfgs.js';
import { objectiveOf } from '../support/newton.js';
import { collect, losses, noise, replicasOf } from '../support/train.js';

/* Newton's method in a trust region: on problems and networks, against float64, and to the bit against itself. */

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});
async function program(...[rule, each]: [Parameters<typeof problemProgram>[1], Parameters<typeof problemProgram>[2]]) {
  const one = await problemProgram(await testDevice(), rule, each);
  made.push(one);
  return one;
}
async function trainer(options: Omit<TrainerOptions, 'sampling'>) {
  const one = await createTrainer(await testDevice(), { sampling: 'full', submitMs: 500, ...options });
  made.push(one);
  return one as Trainer;
}
const numbersOf = async (own: Pick<Program, 'state'> | Trainer) => {
  const { count, scalars } = await own.state();
  const [value, gradMax, products] = ['value', 'gradMax', 'products'].map((name) => scalars![name]![0]!);
  return { count, value: value!, gradMax: gradMax!, products: products! };
};

/** Those that are unlike: every problem is a kernel to compile. float64 goes through them all. */
const CHOSEN = ['Rosenbrock (2)', 'Rosenbrock (100)', 'Freudenstein-Roth', 'Powell singular', 'Wood', 'penalty I (10)'];

describe.each(Object.entries(lbfgsCases).filter(([name]) => CHOSEN.includes(name)))('%s', (_, own) => {
  it('ends where float64 does, in as many iterations and products, up to a quarter', async () => {
    const one = await program(newtonCg(), own);
    const results = await runOut(one, 2000);
    const { count, value, gradMax, products } = await numbersOf(one);
    const wanted = referenceNewton(objectiveOf(own), own.start ?? own.problem.start, { ulp: 2 ** -23 });
    // Far from 0, f32 cannot tell the last gains.
    expect(one.updater.stopped).toBe(own.value > 1 ? 'flat' : 'gradient');
    expect(gradMax).toBeLessThanOrEqual(own.value > 1 ? 1e-4 : 1e-5);
    expect(Math.abs(value - wanted.value)).toBeLessThanOrEqual(1e-2 * wanted.value + 1e-7);
    expect(count).toBeLessThanOrEqual(1.25 * wanted.iterations + 2);
    expect(products).toBeLessThanOrEqual(1.25 * wanted.products + 4);
    // A step each, one behind each refused point, and one for the last.
    const refused = results.filter(({ skipped }) => skipped).length;
    expect(results.length).toBe(products + refused + (own.value > 1 ? 0 : 1));
  });
});

it('leaves a saddle by negative curvature', async () => {
  const one = await program(newtonCg(), { problem: problems.saddle(), start: [1, 1e-3] });
  await runOut(one, 12);
  const { x } = await one.readParameters();
  expect(Math.abs(x![1]!)).toBeGreaterThan(1);
});

const data = noise(60, 5, 3);
const classifier = sequential({ input: 5, layers: [linear(6), tanh(), linear(3)], init: 'pytorch' });
const curve = arrays({
  x: randomFloats(50 * 2, 7),
  y: Array.from({ length: 50 }, (_, i) => [Math.sin(3 * randomFloats(100, 7)[2 * i]!)]),
});
const fit = sequential({ input: 2, layers: [linear(8), softplus(), linear(1)], loss: mse(), init: 'pytorch' });

describe('on networks', () => {
  const CASES = [
    ['logistic regression', sequential({ input: 5, layers: [linear(3)] }), data, newtonCg(), { l2: 1e-3 }],
    ['a classifier', classifier, data, newtonCg(), { l2: 1e-3 }],
    ['a fit', fit, curve, newtonCg(), { l2: 1e-5 }],
    ['a fit by Gauss-Newton', fit, curve, gaussNewton({ products: 40 }), { l2: 1e-5 }],
  ] as const;
  it.each(CASES)('%s: as float64', async (_, model, own, rule, penalty) => {
    const one = await trainer({ model, data: own, rule, penalty, seed: 3 });
    await collect(one, { steps: 3000 });
    const { count, value, gradMax } = await numbersOf(one);
    expect(one.stopped?.reason).toBe('gradient');
    expect(gradMax).toBeLessThanOrEqual(1e-5);

    const network = referenceNetwork(model, own.targets.kind);
    const targets = own.targets.kind === 'classes' ? own.targets.labels : own.targets.values;
    const start = initialize(model, 3);
    const shapes = start.map(({ length }) => length);
    const split = (x: ArrayLike<number>) => {
      const rest = Array.from(x);
      return shapes.map((length) => rest.splice(0, length));
    };
    // Matrices are penalised, biases are not.
    const decay = shapes.flatMap((length, i) =>
      new Array<number>(length).fill(network.shapes[i]!.length > 1 ? penalty.l2 : 0),
    );
    const objective: ReferenceBent = (x) => {
      const { loss, gradients } = network.lossAndGradients(split(x), own.x, targets, own.samples);
      const flat = (tensors: readonly Float64Array[]) => Float64Array.from(tensors.flatMap((tensor) => [...tensor]));
      return {
        value: loss + x.reduce((sum, w, i) => sum + decay[i]! * w * w, 0),
        gradient: flat(gradients).map((g, i) => g + 2 * decay[i]! * x[i]!),
        product: (v) =>
          flat(
            network.hessianProduct(split(x), own.x, targets, own.samples, split(v), {
              gaussNewton: rule.row.name === 'gaussNewton',
            }),
          ).map((hv, i) => hv + 2 * decay[i]! * v[i]!),
      };
    };
    const from = Float64Array.from(start.flatMap((tensor) => [...tensor]));
    const { products } = rule.hyper as { readonly products: number };
    const wanted = referenceNewton(objective, from, { products, ulp: 2 ** -23 });
    expect(wanted.stopped).toBe('gradient');
    expect(Math.abs(value / wanted.value - 1)).toBeLessThan(2e-2);
    // Paths through flat valleys part by roundings.
    expect(count).toBeLessThanOrEqual(1.5 * wanted.iterations + 3);
  });

  it('gives the same bits however steps are submitted, and from a checkpoint', async () => {
    const options = { model: classifier, data, rule: newtonCg(), seed: 4 };
    const [one, slow, half] = [
      await trainer(options),
      await trainer({ ...options, submitMs: 1e-6 }),
      await trainer(options),
    ];
    const wanted = losses(await collect(one, { steps: 40 }));
    expect(losses(await collect(slow, { steps: 40 }))).toEqual(wanted);
    const first = losses(await collect(half, { steps: 17 }));
    const rest = await trainer(options);
    await rest.restore(await half.checkpoint());
    expect([...first, ...losses(await collect(rest, { steps: 23 }))]).toEqual(wanted);
    expect(await rest.readParameters()).toEqual(await one.readParameters());
  });

  it('takes arenas in parts', async () => {
    const wide = noise(40, 150, 3);
    const model = sequential({ input: 150, layers: [linear(4), tanh(), linear(3)], init: 'pytorch' });
    const own = { model, data: wide, rows: 40, sampling: 'full', replicas: [{ seed: 1, rule: newtonCg() }] } as const;
    const runs = [];
    for (const maxArenaBytes of [2 ** 20, 4 * 64 * 4]) {
      const all = await replicasOf(await testDevice(), { ...own, maxArenaBytes });
      made.push(all);
      runs.push({ spans: all.program.space.spans.length, losses: (await all.run(12)).map(({ loss }) => loss) });
    }
    const [one, parts] = runs;
    expect([one!.spans, parts!.spans]).toEqual([1, 4]);
    // Sums in another order.
    for (const [i, loss] of one!.losses.entries()) expect(parts!.losses[i]! / loss).toBeCloseTo(1, 4);
    expect(parts!.losses.at(-1)).toBeLessThan(0.8 * parts!.losses[0]!);
  });

  it('leaves frozen tensors alone, goes on when asked for less, and says where it ended', async () => {
    const one = await trainer({
      model: classifier,
      data,
      rule: newtonCg({ toleranceGrad: 1e-2 }),
      groups: [{ tensors: ['0.weight'], frozen: true }],
      penalty: { l2: 1e-3 },
    });
    const before = await one.readParameters();
    const reports = await collect(one, { steps: 500 });
    expect(one.stopped?.reason).toBe('gradient');
    expect(reports.length).toBeLessThan(500);
    const loose = await numbersOf(one);
    expect(loose.gradMax).toBeLessThanOrEqual(1e-2);
    one.set({ toleranceGrad: 1e-5 } as never);
    await collect(one, { steps: 500 });
    expect((await numbersOf(one)).gradMax).toBeLessThanOrEqual(1e-5);
    const after = await one.readParameters();
    expect(after['0.weight']).toEqual(before['0.weight']);
    expect(after['0.bias']).not.toEqual(before['0.bias']);
    expect(() => one.set({ products: 3 } as never)).toThrow(/products is 20/);
  });
});

describe('refuses, and says why', () => {
  const refusal = (options: Partial<TrainerOptions>) =>
    trainer({ model: classifier, data, rule: newtonCg(), ...options }).then(
      () => 'nothing',
      ({ message }) => message as string,
    );
  const net = (layer: unknown) => sequential({ input: 5, layers: [linear(4), layer, linear(3)] as never });

  it('in a trainer', async () => {
    expect(await refusal({ sampling: 'shuffle' })).toMatch(/newtonCg: .*sampling is 'shuffle'.*Pass sampling: 'full'/);
    expect(await refusal({ model: net(layerNorm()) })).toMatch(/newtonCg .*layers\[1\] \(layer-norm\)/);
    expect(await refusal({ model: net(batchNorm()) })).toMatch(/running_mean/);
    expect(await refusal({ model: net(dropout()) })).toMatch(/dropout/);
    expect(await refusal({ clip: { globalNorm: 1 } })).toMatch(/clip/);
    expect(await refusal({ model: net(relu()) })).toBe('nothing');
  });

  it('on a caller’s objective, and a problem that is no loss', async () => {
    const device = await testDevice();
    const param = device.createBuffer({ size: 256, usage: 0x80 | 0x4 | 0x8 });
    const tensors = [{ name: 'x', shape: [2], param: { buffer: param } }];
    await expect(createMinimizer(device, newtonCg(), tensors, { evaluate: () => {} })).rejects.toThrow(
      /newtonCg needs products with the Hessian/,
    );
    param.destroy();
    await expect(program(gaussNewton(), { problem: problems.beale() })).rejects.toThrow(/no Gauss-Newton matrix/);
  });
});
