import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkNumber, checkOptions } from '../gpu/fields.js';
import { checkWidth, type Layer } from './layer.js';
import { activations, batchNorm, dropout, layerNorm, linear } from './layers.js';
import type { LossFunction } from './loss.js';
import { losses } from './losses.js';
import { type Gain, type Init, type Model, sequential } from './model.js';

/** Activations of the hidden layers, with their default options. `gelu` is exact (erf), as PyTorch's default. */
export type Activation = keyof typeof activations;
export const ACTIVATIONS = Object.keys(activations) as readonly Activation[];
/** What `identity` was called at first: in the config.json of runs. */
const FORMER = 'linear';

const norms = { batch: batchNorm, layer: layerNorm } as const;
/** What normalises the hidden layers. */
export type Norm = keyof typeof norms;
export const NORMS = Object.keys(norms) as readonly Norm[];

export type Loss = keyof typeof losses;
export const LOSSES = Object.keys(losses) as readonly Loss[];

/** Options of {@link mlp}. */
export interface MlpOptions {
  /** Widths from input to output, at least two: `[784, 100, 10]` has one hidden layer of 100. */
  readonly sizes: readonly number[];
  /** Of every hidden layer; none behind the output layer. Default 'relu'; 'linear' is another name of 'identity'. */
  readonly activation?: Activation | 'linear';
  /** Normalises between every hidden layer and its activation: `batchNorm()` or `layerNorm()`. Default none. */
  readonly norm?: Norm;
  /** Share of every hidden layer's outputs that a training step drops, at least 0 and below 1. Default 0: no such layer. */
  readonly dropout?: number;
  /** Distribution of the initial weights; biases start at 0 ('pytorch': both uniform in ±1/√fan_in). Default 'he-normal'. */
  readonly init?: Init;
  /** Of the initial weights: a number, or 'auto' by the activation. Default √2 for 'he-normal' and 'he-uniform', else 1. */
  readonly gain?: Gain;
  /** By name, or with options: `softmaxCrossEntropy({ labelSmoothing: 0.1 })`. Default 'softmax-cross-entropy'. */
  readonly loss?: Loss | LossFunction;
}

/** A multilayer perceptron: a {@link Model} that knows what it was made of. */
export interface Mlp extends Model {
  readonly sizes: readonly number[];
  readonly activation: Activation;
}

/**
 * Describes a fully connected network: y_l = act(y_{l-1} · W_l + b_l), W_l of shape [in, out], the last layer linear. Short
 * for `sequential` with `linear` layers and an activation between each two.
 *
 * With `norm` and `dropout` a hidden layer is linear, norm, activation, dropout, in this order. The linear layer keeps its bias
 * before a batch norm, where it has no effect, as torchvision's MLP does: tensors and their names are those of the usual PyTorch
 * code. `sequential` with `linear(100, { bias: false })` leaves it out.
 *
 * @example mlp({ sizes: [784, 100, 100, 10], activation: 'relu', loss: 'softmax-cross-entropy' })
 * @throws DownhillError SHAPE-INVALID for an empty model or a width that is not a positive integer; OPTION-* else.
 */
export function mlp(options: MlpOptions): Mlp {
  checkOptions('mlp', options, ['sizes', 'activation', 'norm', 'dropout', 'init', 'gain', 'loss']);
  const { sizes, init, gain } = options;
  if (!Array.isArray(sizes) || sizes.length < 2) {
    throw new DownhillError(
      'SHAPE-INVALID',
      `mlp needs at least an input and an output width, got ${show(sizes)}.`,
      'Pass sizes such as [784, 100, 10].',
    );
  }
  for (const [i, width] of sizes.entries()) checkWidth(`sizes[${i}]`, width);
  const named = options.activation ?? 'relu';
  const activation = checkChoice('activation', named === FORMER ? 'identity' : named, ACTIVATIONS);
  const [input, ...widths] = sizes as [number, ...number[]];
  const between = hiddenLayers(activation, options);
  const layers = widths.flatMap((width, i) => [...(i > 0 ? between : []), linear(width)]);
  const { loss: given = 'softmax-cross-entropy' } = options;
  const made = typeof given === 'object' || typeof given === 'function'; // the latter is refused with the rest
  const loss = made ? given : losses[checkChoice('loss', given, LOSSES)]();
  return Object.freeze({
    ...sequential({ input, layers, loss, ...(init !== undefined && { init }), ...(gain !== undefined && { gain }) }),
    sizes: Object.freeze([...sizes]),
    activation,
  });
}

/** What stands between two linear layers. */
function hiddenLayers(activation: Activation, { norm, dropout: p = 0 }: MlpOptions): Layer[] {
  checkNumber('dropout', p, { min: 0, below: 1 }, { single: true });
  return [
    ...(norm === undefined ? [] : [norms[checkChoice('norm', norm, NORMS)]()]),
    activations[activation](),
    ...(p > 0 ? [dropout({ p })] : []),
  ];
}
