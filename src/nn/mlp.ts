import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkOptions } from '../gpu/fields.js';

/** Activations of the hidden layers. `gelu` is x·Φ(x) in its exact (erf) form, as PyTorch's default. */
export const ACTIVATIONS = ['linear', 'relu', 'leaky-relu', 'tanh', 'sigmoid', 'gelu', 'silu'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export const LOSSES = ['softmax-cross-entropy', 'mse'] as const;
export type Loss = (typeof LOSSES)[number];

export const INITS = [
  'he-normal',
  'he-uniform',
  'xavier-normal',
  'xavier-uniform',
  'lecun-normal',
  'pytorch',
  'zeros',
] as const;
export type Init = (typeof INITS)[number];

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

/** A multilayer perceptron, as plain data. */
export interface Mlp extends Required<MlpOptions> {
  readonly kind: 'mlp';
}

/** Widest layer: a row of weights stays addressable in 32 bits. */
const MAX_WIDTH = 2 ** 24;

/**
 * Describes a fully connected network: y_l = act(y_{l-1} · W_l + b_l), W_l of shape [in, out], the last layer linear.
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
  for (const [i, width] of sizes.entries()) {
    if (typeof width !== 'number' || !Number.isInteger(width) || width < 1 || width > MAX_WIDTH) {
      throw new DownhillError(
        'SHAPE-INVALID',
        `sizes[${i}] must be an integer from 1 to ${MAX_WIDTH}, got ${show(width)}.`,
        'Give every layer a positive whole width.',
      );
    }
  }
  return Object.freeze({
    kind: 'mlp',
    sizes: Object.freeze([...sizes]),
    activation: checkChoice('activation', options.activation ?? 'relu', ACTIVATIONS),
    init: checkChoice('init', options.init ?? 'he-normal', INITS),
    loss: checkChoice('loss', options.loss ?? 'softmax-cross-entropy', LOSSES),
  });
}

/** One tensor of a network. */
export interface TensorSpec {
  /** PyTorch's name in a Sequential of Linear and activation modules: '0.weight', '0.bias', '2.weight' … */
  readonly name: string;
  /** Weights are [in, out] on the GPU. */
  readonly shape: readonly number[];
  readonly layer: number;
  readonly role: 'weight' | 'bias';
}

/** The tensors of a network in PyTorch's order: weight and bias of each layer. */
export function tensorsOf(model: Mlp): TensorSpec[] {
  const tensors: TensorSpec[] = [];
  for (let layer = 0; layer + 1 < model.sizes.length; layer++) {
    const [fanIn, fanOut] = [model.sizes[layer]!, model.sizes[layer + 1]!];
    tensors.push({ name: `${2 * layer}.weight`, shape: [fanIn, fanOut], layer, role: 'weight' });
    tensors.push({ name: `${2 * layer}.bias`, shape: [fanOut], layer, role: 'bias' });
  }
  return tensors;
}
