import { common, defineRule } from '../rule.js';
import { adam } from './adam.js';

const { row } = adam;

/**
 * AdamW: Adam with the decay taken off the weights themselves, not put into the gradient.
 *
 *   p -= lr·weightDecay·p;  then Adam's update with g alone
 *
 * State: as Adam's. Defaults and order as PyTorch's: the decay comes first, and scales with `lr`. Conventions as Adam's,
 * with a decay of 4e-3 for Keras and 1e-4 for optax.
 *
 * @example adamw({ lr: 1e-3, weightDecay: 0.01 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101.
 */
export const adamw = defineRule({
  ...row,
  name: 'adamw',
  title: 'AdamW',
  formula: ['p -= lr·weightDecay·p', ...row.formula],
  paper: 'https://arxiv.org/abs/1711.05101',
  use: 'The usual choice for transformers and whenever weight decay matters.',
  fields: { ...row.fields, ...common({ weightDecay: 1e-2, decoupled: true }) },
  conventions: { keras: { eps: 1e-7, weightDecay: 4e-3 }, optax: { weightDecay: 1e-4 } },
});

/** As Adam’s. */
export { text } from './adam.js';
