import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkOptions } from '../gpu/fields.js';
import { checkWidth } from './layer.js';
import { activations, linear } from './layers.js';
import { losses } from './losses.js';
import { INITS, type Init, type Model, sequential } from './model.js';

/** Activations of the hidden layers. `gelu` is x·Φ(x) in its exact (erf) form, as PyTorch's default. */
export type Activation = keyof typeof activations;
export const ACTIVATIONS = Object.keys(activations) as readonly Activation[];

export type Loss = keyof typeof losses;
export const LOSSES = Object.keys(losses) as readonly Loss[];

/** Options of {@link mlp}. */
export interface MlpOptions {
  /** Widths from input to output, at least two: `[784, 100, 10]` has one hidden layer of 100. */
  readonly sizes: readonly number[];
  /** Of every hidden layer; the output layer is linear. Default 'relu'. */
  readonly activation?: Activation;
  /** Distribution of the initial weights; biases start at 0 ('pytorch': both uniform in ±1/√fan_in). Default 'he-normal'. */
  readonly init?: Init;
  /** Default 'softmax-cross-entropy'. */
  readonly loss?: Loss;
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
 * @example mlp({ sizes: [784, 100, 100, 10], activation: 'relu', loss: 'softmax-cross-entropy' })
 * @throws DownhillError SHAPE-INVALID for an empty model or a width that is not a positive integer; OPTION-* else.
 */
export function mlp(options: MlpOptions): Mlp {
  checkOptions('mlp', options, ['sizes', 'activation', 'init', 'loss']);
  const { sizes } = options;
  if (!Array.isArray(sizes) || sizes.length < 2) {
    throw new DownhillError(
      'SHAPE-INVALID',
      `mlp needs at least an input and an output width, got ${show(sizes)}.`,
      'Pass sizes such as [784, 100, 10].',
    );
  }
  for (const [i, width] of sizes.entries()) checkWidth(`sizes[${i}]`, width);
  const activation = checkChoice('activation', options.activation ?? 'relu', ACTIVATIONS);
  const [input, ...widths] = sizes as [number, ...number[]];
  const layers = widths.flatMap((width, i) => [...(i > 0 ? [activations[activation]()] : []), linear(width)]);
  const init = checkChoice('init', options.init ?? 'he-normal', INITS);
  const loss = losses[checkChoice('loss', options.loss ?? 'softmax-cross-entropy', LOSSES)]();
  return Object.freeze({
    ...sequential({ input, layers, init, loss }),
    sizes: Object.freeze([...sizes]),
    activation,
  });
}
