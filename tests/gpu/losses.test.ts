import { describe, expect, it } from 'vitest';
import { batchOf } from '../../src/data/batching.js';
import { arrays, type Dataset } from '../../src/data/index.js';
import { initialize } from '../../src/nn/init.js';
import { linear, tanh } from '../../src/nn/layers.js';
import type { LossFunction } from '../../src/nn/loss.js';
import { binaryCrossEntropy, huber, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { sequential } from '../../src/nn/model.js';
import { sgd } from '../../src/optim/rules.gen.js';
import { referenceNetwork } from '../../src/reference/index.js';
import { createTrainer } from '../../src/train/trainer.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { collect, losses } from '../support/train.js';

/* Losses with their options and kinds of targets, in training and evaluation, against float64. */

const [SAMPLES, FEATURES, OUTPUTS, ROWS, STEPS] = [37, 5, 3, 8, 7];
const x = randomFloats(SAMPLES * FEATURES, 71);
const labels = Uint8Array.from({ length: SAMPLES }, (_, i) => (i % 5 === 0 ? 1 : i % 7 === 0 ? 2 : 0));
const soft: number[][] = Array.from(labels, (label, i) =>
  [0, 1, 2].map((j) => (j === label ? 0.75 : (i + j) % 2 ? 0.25 : 0)),
);
for (const row of soft) row[2]! += 1 - row.reduce((a, b) => a + b);
const bits = Array.from(labels, (label, i) => [label === 1 ? 1 : 0, (i % 3) / 2, 0.125]);

const CASES: readonly [string, LossFunction, Dataset][] = [
  [
    'softmax cross-entropy with class weights and smoothing',
    softmaxCrossEntropy({ classWeights: [0.5, 4, 2], labelSmoothing: 0.1 }),
    arrays({ x, y: labels, classes: OUTPUTS }),
  ],
  [
    'softmax cross-entropy of probabilities with both',
    softmaxCrossEntropy({ classWeights: [0.5, 4, 2], labelSmoothing: 0.1 }),
    arrays({ x, y: soft, probabilities: true }),
  ],
  ['binary cross-entropy', binaryCrossEntropy({ posWeight: [3, 1, 0.5] }), arrays({ x, y: bits })],
  ['huber', huber({ delta: 0.5 }), arrays({ x, y: bits })],
];

const numbersOf = ({ targets }: Dataset): ArrayLike<number> =>
  targets.kind === 'classes' ? targets.labels : targets.values;

describe.each(CASES)('%s', (_, loss, data) => {
  it('trains and evaluates as float64', async () => {
    const model = sequential({ input: FEATURES, layers: [linear(6), tanh(), linear(OUTPUTS)], loss });
    const rule = sgd({ lr: 0.2 });
    const trainer = await createTrainer(await testDevice(), { model, rule, data, batchSize: ROWS, seed: 3 });
    const actual = losses(await collect(trainer, { steps: STEPS }));
    const evaluation = await trainer.evaluate(data, {
      metrics: loss.row.targets === 'classes' ? ['accuracy', 'confusion'] : ['mae'],
    });
    const probabilities = await trainer.predict(x);
    trainer.destroy();

    const network = referenceNetwork(model, data.targets.kind);
    const parameters = initialize(model, 3).map((tensor) => Float64Array.from(tensor));
    const plan = {
      samples: SAMPLES,
      rows: ROWS,
      stepsPerEpoch: Math.ceil(SAMPLES / ROWS),
      sampling: 'shuffle' as const,
    };
    const targets = numbersOf(data);
    const perSample = targets.length / SAMPLES;
    const pick = (from: ArrayLike<number>, width: number, samples: readonly number[]) =>
      samples.flatMap((sample) => Array.from({ length: width }, (_, j) => from[sample * width + j]!));
    for (let step = 0; step < STEPS; step++) {
      const { indices, valid } = batchOf(plan, 3, step);
      const samples = [...indices.subarray(0, valid)];
      const pass = network.lossAndGradients(
        parameters,
        pick(x, FEATURES, samples),
        pick(targets, perSample, samples),
        valid,
      );
      // Seven steps of float32 on numbers near 1, ten roundings each.
      expect(Math.abs(actual[step]! - pass.loss)).toBeLessThanOrEqual(1e-5 * Math.max(pass.loss, 1));
      for (const [i, gradient] of pass.gradients.entries())
        for (const [j, g] of gradient.entries()) parameters[i]![j]! -= 0.2 * g;
    }
    // Over all samples at once, weights included: not the mean of the chunks' means.
    const whole = network.lossAndGradients(parameters, x, targets, SAMPLES);
    expect(Math.abs(evaluation.loss - whole.loss)).toBeLessThanOrEqual(1e-5 * Math.max(whole.loss, 1));
    if (loss.row.counts === 'accuracy') {
      expect(evaluation.accuracy).toBeGreaterThan(0);
      expect(probabilities.every((p) => p >= 0 && p <= 1)).toBe(true);
    } else expect(evaluation.accuracy).toBeUndefined();
    const { accuracy, confusion, mae } = evaluation.metrics!;
    if (confusion) {
      expect(accuracy).toBe(evaluation.accuracy);
      expect(confusion.reduce((sum, row, i) => sum + row[i]!, 0) / SAMPLES).toBe(accuracy);
    } else {
      const said = loss.row.predict?.(Float32Array.from(whole.outputs), OUTPUTS) ?? whole.outputs;
      const expected = Array.from(targets, (t, i) => Math.abs(said[i]! - t)).reduce((a, b) => a + b) / targets.length;
      expect(mae).toBeCloseTo(expected, 5);
    }
  });
});

it('an evaluation of several chunks has the weighted mean of all samples', async () => {
  const samples = 1100;
  const many = randomFloats(samples * 2, 72);
  // The chunks' labels are unlike: only the last samples are of the heavy class.
  const y = Uint8Array.from({ length: samples }, (_, i) => (i > 1000 ? 1 : 0));
  const loss = softmaxCrossEntropy({ classWeights: [1, 50] });
  const model = sequential({ input: 2, layers: [linear(2)], loss });
  const data = arrays({ x: many, y, classes: 2 });
  const trainer = await createTrainer(await testDevice(), { model, rule: sgd({ lr: 0.1 }), data });
  const { loss: actual } = await trainer.evaluate(data);
  trainer.destroy();
  const parameters = initialize(model, 0).map((tensor) => Float64Array.from(tensor));
  const expected = referenceNetwork(model).lossAndGradients(parameters, many, y, samples).loss;
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-5 * expected);
});
