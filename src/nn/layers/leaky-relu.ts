import { number } from '../../gpu/fields.js';
import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

type LeakyReluSettings = { readonly negativeSlope: number };

/** Options of {@link leakyRelu}. */
export interface LeakyReluOptions {
  /** Slope below 0, at least 0. Default 0.01. */
  readonly negativeSlope?: number;
}

const row = elementwise<'leaky-relu', LeakyReluSettings>({
  name: 'leaky-relu',
  title: 'Leaky ReLU',
  kernel: 'leaky-relu',
  fields: { negativeSlope: number('slope below 0', 0.01, { min: 0 }) },
  alpha: ({ negativeSlope }) => negativeSlope,
  gain: ({ negativeSlope }) => Math.sqrt(2 / (1 + negativeSlope ** 2)),
});

/**
 * The positive part, and a little of the negative one, as torch.nn.LeakyReLU; its slope at 0 is that below 0.
 *
 *     y = x where x > 0, else negativeSlope · x
 *
 * Gain of initial weights: sqrt(2 / (1 + negativeSlope²)).
 *
 * @example leakyRelu({ negativeSlope: 0.1 })
 *
 * Paper: Maas, Hannun, Ng 2013, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
 */
export const leakyRelu = factoryOf<typeof row, LeakyReluOptions>(row);
