import { number } from '../../gpu/fields.js';
import { signumShader } from '../../shaders/optim/signum.gen.js';
import { common, defineRule, on, type RuleText } from '../rule.js';

/**
 * Signum: every weight moves by `lr`, against the sign of a running mean of the gradient; with momentum 0 this is signSGD.
 *
 *   g += weightDecay·p;  b = momentum·b + (1-momentum)·g
 *   p -= lr·sign(b)
 *
 * State: one value per parameter with momentum, none without. Momentum as the authors'; they used rates from 1e-4 to
 * 1e-2. sign(0) is 0; numbers below 2^-126 may count as 0. Where b cancels to its last place, f32 may take the other sign.
 *
 * @example signum({ lr: 1e-4, momentum: 0.9 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Bernstein et al. 2018, signSGD: compressed optimisation for non-convex problems, https://arxiv.org/abs/1802.04434.
 */
export const signum = defineRule({
  name: 'signum',
  title: 'Signum',
  formula: ['b = momentum·b + (1 - momentum)·g', 'p -= lr·sign(b)'],
  paper: 'https://arxiv.org/abs/1802.04434',
  use: 'Noisy or badly scaled gradients: their size does not matter. Momentum 0 is signSGD; lower the rate over the run.',
  shader: signumShader,
  fields: {
    lr: number('learning rate: what a weight moves per step', 1e-3, { min: 0 }),
    momentum: number('decay of the average of g; 0 is signSGD', 0.9, { min: 0, below: 1 }),
    ...common(),
  },
  slots: ({ momentum }) => (on(momentum) ? ['momentum_buffer'] : []),
  encodings: { momentum_buffer: 'signed' },
  derive: (_, { lr, momentum }) => ({ lr, momentum_c: 1 - momentum }),
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: ['momentum_c = 1 - momentum'],
  slots: { momentum_buffer: 'momentum != 0' },
};
