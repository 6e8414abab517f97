import { number } from '../../gpu/fields.js';
import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

type EluSettings = { readonly alpha: number };

/** Options of {@link elu}. */
export interface EluOptions {
  /** What -y tends to for small x, at least 0. Default 1. */
  readonly alpha?: number;
}

/** ∫ (exp(x) - 1)² φ(x) dx below 0: e²·Φ(-2) - 2·√e·Φ(-1) + 1/2. */
const NEGATIVE = 0.14494541749292378;

const row = elementwise<'elu', EluSettings>({
  name: 'elu',
  title: 'ELU',
  kernel: 'elu',
  fields: { alpha: number('what -y tends to for small x', 1, { min: 0 }) },
  alpha: ({ alpha }) => alpha,
  // 1/√E[y²] for x ~ N(0, 1), where PyTorch's calculate_gain has nothing: what its value is for relu.
  gain: ({ alpha }) => 1 / Math.sqrt(0.5 + NEGATIVE * alpha ** 2),
});

/**
 * The exponential linear unit, as torch.nn.ELU.
 *
 *     y = x where x > 0, else alpha · (exp(x) - 1)
 *
 * Gain of initial weights: 1.25 for alpha 1, for which a standard normal input keeps its mean square.
 *
 * @example elu({ alpha: 1 })
 *
 * Paper: Clevert, Unterthiner, Hochreiter 2015, "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)", https://arxiv.org/abs/1511.07289
 */
export const elu = factoryOf<typeof row, EluOptions>(row);
