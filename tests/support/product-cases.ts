import {
  activations,
  elu,
  gelu,
  geluTanh,
  identity,
  leakyRelu,
  linear,
  sigmoid,
  silu,
  softplus,
  tanh,
} from '../../src/nn/layers.js';
import type { LossFunction, TargetKind } from '../../src/nn/loss.js';
import { binaryCrossEntropy, huber, l1, mse, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { type Model, sequential } from '../../src/nn/model.js';
import { randomFloats } from './numbers.js';

/* Networks that have products of the Hessian with a vector: every layer and loss that has them. */

export interface ProductCase {
  readonly name: string;
  readonly model: Model;
  readonly kind: TargetKind;
  /** Whether the gradient has kinks, beside which a difference of gradients is no derivative. */
  readonly kinks?: boolean;
}

export const INPUT = 6;
export const OUTPUT = 4;

const net = (layers: readonly unknown[], loss: LossFunction = softmaxCrossEntropy()): Model =>
  sequential({ input: INPUT, layers: layers as never, init: 'pytorch', loss });
const weights = [0.5, 2, 1, 0.25];

export const PRODUCT_CASES: readonly ProductCase[] = [
  ...Object.values(activations).map((activation): ProductCase => {
    const layer = activation();
    const layers = [linear(7), layer, linear(5), layer, linear(OUTPUT)];
    return { name: layer.row.name, model: net(layers), kind: 'classes', kinks: /relu/.test(layer.row.name) };
  }),
  {
    name: 'activations with options, after one another',
    model: net([linear(7), elu({ alpha: 0.6 }), tanh(), leakyRelu({ negativeSlope: 0.3 }), linear(OUTPUT)]),
    kind: 'classes',
    kinks: true,
  },
  {
    name: 'an activation first and one last',
    model: net([silu(), linear(5), gelu(), linear(OUTPUT), sigmoid()], mse()),
    kind: 'values',
  },
  {
    name: 'no activation between layers, no biases',
    model: net([linear(5, { bias: false }), linear(7), identity(), linear(OUTPUT, { bias: false })], mse()),
    kind: 'values',
  },
  { name: 'one layer', model: net([linear(OUTPUT)]), kind: 'classes' },
  ...(
    [
      ['class weights and smoothing', softmaxCrossEntropy({ classWeights: weights, labelSmoothing: 0.2 }), 'classes'],
      ['probabilities with both', softmaxCrossEntropy({ classWeights: weights, labelSmoothing: 0.2 }), 'probabilities'],
      ['binary cross-entropy', binaryCrossEntropy(), 'values'],
      ['binary cross-entropy with weights', binaryCrossEntropy({ posWeight: weights }), 'values'],
      ['mse', mse(), 'values'],
      ['huber', huber({ delta: 0.4 }), 'values'],
      ['l1', l1(), 'values'],
    ] as const
  ).map(
    ([name, loss, kind]): ProductCase => ({
      name,
      model: net([linear(7), softplus(), linear(5), geluTanh(), linear(OUTPUT)], loss),
      kind,
      kinks: name === 'huber' || name === 'l1',
    }),
  ),
];

/** Samples and targets of a kind: labels, rows from 0 to 1, or rows that sum to 1. */
export function samplesFor({ model, kind }: ProductCase, samples: number) {
  const x = randomFloats(samples * model.input, 31);
  const values = randomFloats(samples * model.output, 32).map((value) => (value + 1) / 2);
  const labels = Uint32Array.from({ length: samples }, (_, i) => (i * 3) % model.output);
  for (let at = 0; kind === 'probabilities' && at < values.length; at += model.output) {
    const row = values.subarray(at, at + model.output);
    const sum = row.reduce((a, b) => a + b);
    for (const [j, value] of row.entries()) row[j] = value / sum;
  }
  return { x, values, labels, targets: kind === 'classes' ? labels : values };
}
