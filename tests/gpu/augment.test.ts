import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../../src/data/batching.js';
import { arrays, type Dataset } from '../../src/data/index.js';
import { initialize } from '../../src/nn/init.js';
import { linear, tanh } from '../../src/nn/layers.js';
import type { LossFunction } from '../../src/nn/loss.js';
import { huber, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { sequential } from '../../src/nn/model.js';
import { sgd } from '../../src/optim/rules.gen.js';
import { referenceAugment, referenceNetwork } from '../../src/reference/index.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { AugmentOptions, TrainerOptions } from '../../src/train/types.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { collect, losses, replicasOf } from '../support/train.js';

/*
 * Mixup and cutout in training, against the same batches augmented and trained on in float64. A wrong partner, λ, square or
 * target would be off by far more than the tolerance: ten roundings a step on numbers near 1.
 */

const [HEIGHT, WIDTH, OUTPUTS, SAMPLES, ROWS, STEPS] = [5, 7, 3, 21, 8, 7];
const image = [HEIGHT, WIDTH] as const;
const features = HEIGHT * WIDTH;
const bytes = Uint8Array.from(randomFloats(SAMPLES * features, 81), (v) => Math.floor((v + 1) * 127.9));
const floats = randomFloats(SAMPLES * features, 82);
const labels = Uint8Array.from({ length: SAMPLES }, (_, i) => (i * 5) % OUTPUTS);
const oneHot = Array.from(labels, (label) => [0, 1, 2].map((j) => (j === label ? 1 : 0)));
const soft = oneHot.map((row) => row.map((t) => 0.125 + t * 0.625));
const values = randomFloats(SAMPLES * OUTPUTS, 83);

const both = { mixup: { alpha: 0.7 }, cutout: { size: 3 } };
const smooth = softmaxCrossEntropy({ labelSmoothing: 0.1 });
const CASES: readonly [string, Dataset, LossFunction, AugmentOptions][] = [
  ['bytes and labels', arrays({ x: bytes, y: labels, classes: OUTPUTS, image }), smooth, both],
  ['floats and probabilities', arrays({ x: floats, y: soft, probabilities: true, image }), smooth, both],
  ['values, mixup alone', arrays({ x: floats, y: values, features }), huber(), { mixup: {} }],
  [
    'class weights, cutout alone',
    arrays({ x: bytes, y: labels, classes: OUTPUTS, image }),
    softmaxCrossEntropy({ classWeights: [1, 2, 5] }),
    { cutout: { size: 4 } },
  ],
];

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});
const modelOf = (loss: LossFunction) =>
  sequential({ input: features, layers: [linear(6), tanh(), linear(OUTPUTS)], loss });
const rule = sgd({ lr: 0.1 });

async function trainerOf(
  data: Dataset,
  loss: LossFunction,
  augment: AugmentOptions | undefined,
  more: Partial<TrainerOptions> = {},
) {
  const options = { model: modelOf(loss), rule, data, batchSize: ROWS, seed: 4, ...(augment && { augment }) };
  const trainer = await createTrainer(await testDevice(), { ...options, ...more });
  made.push(trainer);
  return trainer;
}

/** Losses and parameters of the same training in float64. */
function reference(data: Dataset, loss: LossFunction, { mixup, cutout }: AugmentOptions, seed: number) {
  const model = modelOf(loss);
  const { kind } = data.targets;
  const mixed = mixup && kind === 'classes';
  const network = referenceNetwork(model, mixed ? 'probabilities' : kind);
  const parameters = initialize(model, seed).map((tensor) => Float64Array.from(tensor));
  const targets: ArrayLike<number> = data.targets.kind === 'classes' ? labels : data.targets.values;
  const all = mixed ? oneHot.flat() : Array.from(targets);
  const per = all.length / SAMPLES;
  const plan = { samples: SAMPLES, rows: ROWS, stepsPerEpoch: Math.ceil(SAMPLES / ROWS), sampling: 'shuffle' } as const;
  return Array.from({ length: STEPS }, (_, step) => {
    const { indices, valid } = batchOf(plan, seed, step);
    const picked = [...indices.subarray(0, valid)];
    const scale = data.scale as number;
    const x = picked.flatMap((i) => [...data.x.subarray(i * features, (i + 1) * features)].map((v) => v * scale));
    const y = picked.flatMap((i) => all.slice(i * per, (i + 1) * per));
    const batch = referenceAugment(
      { rows: valid, x, targets: y },
      { seed, step },
      {
        ...(mixup && { mixup: { alpha: mixup.alpha ?? 0.2 } }),
        ...(cutout && { cutout: { size: cutout.size, image } }),
      },
    );
    const pass = network.lossAndGradients(parameters, batch.x, batch.targets, valid);
    for (const [i, gradient] of pass.gradients.entries())
      for (const [j, g] of gradient.entries()) parameters[i]![j]! -= 0.1 * g;
    return pass.loss;
  });
}

describe.each(CASES)('%s', (_, data, loss, augment) => {
  it('trains as float64 does, short last batches too', async () => {
    const actual = losses(await collect(await trainerOf(data, loss, augment), { steps: STEPS }));
    const expected = reference(data, loss, augment, 4);
    for (const [step, each] of actual.entries())
      expect(Math.abs(each - expected[step]!)).toBeLessThanOrEqual(1e-5 * Math.max(expected[step]!, 1));
  });
});

it('remembers nothing: the same bits in one run, in two, and in a replica beside another', async () => {
  const [, data, loss, augment] = CASES[0]!;
  const whole = losses(await collect(await trainerOf(data, loss, augment), { steps: STEPS }));
  const trainer = await trainerOf(data, loss, augment);
  const parts = [...(await collect(trainer, { steps: 3 })), ...(await collect(trainer, { steps: STEPS - 3 }))];
  expect(losses(parts)).toEqual(whole);
  const seeds = [9, 4];
  const replicas = await replicasOf(await testDevice(), {
    ...{ model: modelOf(loss), data, rows: ROWS, augment },
    replicas: seeds.map((seed) => ({ seed, rule })),
  });
  made.push(replicas);
  const results = await replicas.run(STEPS);
  expect(results.filter((_, i) => i % 2 === 1).map(({ loss: own }) => own)).toEqual(whole);
  expect(results.filter((_, i) => i % 2 === 0).map(({ loss: own }) => own)).not.toEqual(whole);
});

it('goes on from a checkpoint to the same bits, with a penalty too', async () => {
  const [, data, loss, augment] = CASES[0]!;
  const options = {
    model: modelOf(loss),
    rule,
    data,
    batchSize: ROWS,
    seed: 4,
    augment,
    penalty: { l1: 1e-3, l2: 1e-2 },
  };
  const make = async () => {
    const trainer = await createTrainer(await testDevice(), options);
    made.push(trainer);
    return trainer;
  };
  const whole = losses(await collect(await make(), { steps: STEPS }));
  const first = await make();
  const before = losses(await collect(first, { steps: 4 }));
  const second = await make();
  await second.restore(await first.checkpoint());
  expect([...before, ...losses(await collect(second, { steps: STEPS - 4 }))]).toEqual(whole);
});

it('gives the same bits where the rows of each batch are sent', async () => {
  const [, data, loss, augment] = CASES[1]!;
  const kept = losses(await collect(await trainerOf(data, loss, augment), { steps: STEPS }));
  const sent = losses(await collect(await trainerOf(data, loss, augment, { stream: true }), { steps: STEPS }));
  expect(sent).toEqual(kept);
});

it('leaves a batch of one row as it is', async () => {
  const one = async (augment?: AugmentOptions) => {
    const model = modelOf(softmaxCrossEntropy());
    const options = { model, rule, data: CASES[0]![1], batchSize: 1, ...(augment && { augment }) };
    const trainer = await createTrainer(await testDevice(), options);
    made.push(trainer);
    return losses(await collect(trainer, { steps: 3 }));
  };
  const [plain, mixed] = [await one(), await one({ mixup: { alpha: 1 } })];
  // A label, and the same as probabilities: other loops.
  for (const [i, loss] of mixed.entries()) expect(loss).toBeCloseTo(plain[i]!, 5);
});

it('is off by default, and no part of an evaluation', async () => {
  const [, data, loss, augment] = CASES[0]!;
  const [plain, none, on] = [
    await trainerOf(data, loss, undefined),
    await trainerOf(data, loss, {}),
    await trainerOf(data, loss, augment),
  ];
  expect(none.describe()).toEqual(plain.describe());
  expect(await on.evaluate(data)).toEqual(await plain.evaluate(data));
  // Whole steps read the data set's rows as they are: one more dispatch layer by layer.
  const layers = { plan: { 'forward-0': 'dense+activation/tile' } };
  const [alone, before] = [
    await trainerOf(data, loss, undefined, layers),
    await trainerOf(data, loss, augment, layers),
  ];
  expect(before.describe().dispatches).toBe(alone.describe().dispatches + 1);
});

it.each<[string, unknown, Dataset, string]>([
  ['an unknown augmentation', { flip: true }, CASES[0]![1], 'OPTION-UNKNOWN'],
  ['an alpha of 0', { mixup: { alpha: 0 } }, CASES[0]![1], 'OPTION-RANGE'],
  ['a square of no size', { cutout: {} }, CASES[0]![1], 'OPTION-TYPE'],
  ['a square larger than the image', { cutout: { size: 8 } }, CASES[0]![1], 'OPTION-RANGE'],
  [
    'squares of what is no image',
    { cutout: { size: 2 } },
    arrays({ x: floats, y: labels, classes: 3, features }),
    'SHAPE-MISMATCH',
  ],
])('refuses %s', async (_, augment, data, code) => {
  const options = { model: modelOf(smooth), rule, data, augment } as Parameters<typeof createTrainer>[1];
  await expect(createTrainer(await testDevice(), options)).rejects.toThrow(expect.objectContaining({ code }));
});
