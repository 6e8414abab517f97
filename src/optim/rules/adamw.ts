import { defineRule, number } from '../rule.js';
import { adam } from './adam.js';

const { row } = adam;

/**
 * AdamW: Adam with the decay taken off the weights themselves, not put into the gradient.
 *
 *   p -= lr·weightDecay·p;  then Adam's update with g alone
 *
 * State: as Adam's. Defaults and order as PyTorch's: the decay comes first, and scales with `lr`.
 *
 * @example adamw({ lr: 1e-3, weightDecay: 0.01 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101.
 */
export const adamw = defineRule({
  ...row,
  name: 'adamw',
  title: 'AdamW',
  formula: ['p -= lr·weightDecay·p', ...row.formula.slice(1)],
  paper: 'https://arxiv.org/abs/1711.05101',
  fields: { ...row.fields, weightDecay: number('decoupled weight decay, scaled by lr', 1e-2, { min: 0 }) },
  derive: (t, hyper) => ({ ...row.derive(t, hyper), l2: 0, decay: hyper.lr * hyper.weightDecay }),
});
