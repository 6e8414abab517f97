import { number, pair } from '../../gpu/fields.js';
import { lionShader } from '../../shaders/optim/lion.gen.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

/**
 * Lion: every weight moves by `lr`, in the direction of a running mean of the gradient with the newest one mixed in.
 *
 *   p -= lr·weightDecay·p
 *   p -= lr·sign(β₁m + (1-β₁)g);  m = β₂m + (1-β₂)g
 *
 * State: one value per parameter. Defaults as the authors'; `convention: 'keras'` has lr 1e-3. The decay is decoupled, as in
 * every framework. sign(0) is 0; numbers below 2^-126 may count as 0. Where the sum cancels to its last place, f32 may take the other sign.
 *
 * @example lion({ lr: 1e-4, weightDecay: 0.1 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Chen et al. 2023, Symbolic discovery of optimization algorithms, https://arxiv.org/abs/2302.06675.
 */
export const lion = defineRule({
  name: 'lion',
  title: 'Lion',
  formula: ['p -= lr·sign(β₁m + (1-β₁)g)', 'm = β₂m + (1-β₂)g'],
  paper: 'https://arxiv.org/abs/2302.06675',
  use: 'Large batches with half of Adam’s state. Take 3 to 10 times less than Adam’s rate, and that much more decay.',
  shader: lionShader,
  fields: {
    lr: number('learning rate: what a weight moves per step', 1e-4, { min: 0 }),
    betas: pair('share of the average in the direction, and decay of the average', [0.9, 0.99], { min: 0, below: 1 }),
    ...common({ decoupled: true }),
    convention: convention('keras'),
  },
  conventions: { keras: { lr: 1e-3 } },
  slots: () => ['exp_avg'],
  encodings: { exp_avg: 'signed' },
  derive: (_, { lr, betas }) => ({ lr, beta1: betas[0], beta1_c: 1 - betas[0], beta2_c: 1 - betas[1] }),
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: ['beta1 = betas[0]', 'beta1_c = 1 - betas[0]', 'beta2_c = 1 - betas[1]'],
};
