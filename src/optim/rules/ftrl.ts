import { number } from '../../gpu/fields.js';
import { ftrlShader } from '../../shaders/optim/ftrl.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';

/**
 * FTRL-proximal: every parameter is the minimum of all gradients so far with L1 and L2 penalties, so `l1` gives exact zeros.
 *
 *   g += weightDecay·p;  n' = n + g²  (before the first update n = initialAccumulatorValue)
 *   z += g + 2·l2Shrinkage·p - (√n' - √n)/lr · p
 *   p = 0 where |z| ≤ l1, elsewhere  (sign(z)·l1 - z) / ((beta + √n')/lr + 2·l2)
 *
 * State: two values per parameter. Parameters and defaults as Keras', whose l2 is half the paper's λ₂; PyTorch has no FTRL.
 * Keras' learning_rate_power is fixed at the paper's -0.5: WGSL's pow is too inexact for another.
 *
 * The parameter is computed from z and n alone, not moved from where it was. So the first update forgets most of the
 * start, and with a zero gradient it gives 0, unlike every other rule; start at 0. Without curvature (n = 0, beta = 0,
 * l2 = 0) the parameter is 0. `weightDecay` counts as gradient, in n too; decoupled, it acts only through the (√n' - √n)·p
 * term, as Keras' does: `l2` is the penalty to use. `lr` must not reach 0, nor may its schedule.
 *
 * @example ftrl({ lr: 0.1, l1: 1e-3, beta: 1, initialAccumulatorValue: 0 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: McMahan et al. 2013, Ad click prediction, https://research.google.com/pubs/archive/41159.pdf.
 */
export const ftrl = defineRule({
  name: 'ftrl',
  title: 'FTRL-proximal',
  formula: [
    "n' = n + g²; z += g + 2·l2Shrinkage·p - (√n' - √n)/lr · p; n = n'",
    'p = 0 where |z| ≤ l1, else (sign(z)·l1 - z) / ((beta + √n)/lr + 2·l2)',
  ],
  paper: 'https://research.google.com/pubs/archive/41159.pdf',
  use: 'Linear and logistic models with many rare features, where most weights are to be exactly 0. Start the weights at 0.',
  shader: ftrlShader,
  fields: {
    // It divides, in f32.
    lr: number('learning rate', 1e-3, { min: 2 ** -126 }),
    initialAccumulatorValue: number('what the sum of squares starts with', 0.1, { min: 0 }),
    l1: number('L1 penalty: makes weights exactly 0', 0, { min: 0 }),
    l2: number('L2 penalty: stabilizes, does not shrink further with time', 0, { min: 0 }),
    l2Shrinkage: number('L2 penalty added to the gradient, but not to the sum of squares', 0, { min: 0 }),
    beta: number('added to the root of the sum of squares', 0, { min: 0 }),
    ...common(),
  },
  slots: () => ['accumulator', 'linear'],
  // A schedule gives its value for the first update.
  initial: (slot, { initialAccumulatorValue: value }) =>
    slot === 'accumulator' ? (typeof value === 'function' ? value(0) : value) : 0,
  derive: (_, { lr, l1, l2, l2Shrinkage, beta }) => ({
    lr,
    l1,
    ridge: beta + 2 * l2 * lr,
    shrinkage: 2 * l2Shrinkage,
  }),
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: ['ridge = beta + 2 * l2 * lr', 'shrinkage = 2 * l2Shrinkage'],
  initial: { accumulator: 'initialAccumulatorValue' },
};
