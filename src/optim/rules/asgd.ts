import { number } from '../../gpu/fields.js';
import { asgdShader } from '../../shaders/optim/asgd.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';

/**
 * Averaged stochastic gradient descent: a decaying rate, and beside the parameters the mean of those visited.
 *
 *   g += weightDecay·p;  η = lr / (1 + lambd·lr·(t-1))^alpha;  μ = 1/max(1, t - 1 - t0)
 *   p = (1 - lambd·η)·p - η·g;  ax += μ·(p - ax)
 *
 * State: one value per parameter, `ax`: the parameter itself up to update t0 + 2, then the mean of what it is from there
 * on; take the weights from it at the end. Defaults as PyTorch's: `lambd` shrinks the parameters even where the gradient
 * is 0.
 *
 * @example asgd({ lr: 0.01, t0: 10_000 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Polyak & Juditsky 1992, Acceleration of stochastic approximation by averaging.
 */
export const asgd = defineRule({
  name: 'asgd',
  title: 'ASGD',
  formula: [
    'η = lr / (1 + lambd·lr·(t-1))^alpha; μ = 1/max(1, t - 1 - t0)',
    'p = (1 - lambd·η)·p - η·g; ax += μ·(p - ax)',
  ],
  paper: 'https://doi.org/10.1137/0330046',
  use: 'When the end of the run is noise around the minimum: the mean of the weights lies closer to it than any of them.',
  shader: asgdShader,
  fields: {
    lr: number('learning rate at the first update', 1e-2, { min: 0 }),
    lambd: number('decay of the rate and of the parameters', 1e-4, { min: 0 }),
    alpha: number('power of the decay of the rate', 0.75, { min: 0 }),
    t0: number('updates before the averaging starts', 1e6, { min: 0 }),
    ...common(),
  },
  slots: () => ['ax'],
  derive: (t, { lr, lambd, alpha, t0 }) => {
    const eta = lr / (1 + lambd * lr * (t - 1)) ** alpha;
    return { eta, shrink: lambd * eta, mu: 1 / Math.max(1, t - 1 - t0) };
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: ['eta = lr / (1 + lambd * lr * (t - 1))^alpha', 'shrink = lambd * eta', 'mu = 1 / max(1, t - 1 - t0)'],
};
