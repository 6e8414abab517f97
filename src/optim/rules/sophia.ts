import { DownhillError } from '../../gpu/errors.js';
import { number, pair } from '../../gpu/fields.js';
import { sophiaShader } from '../../shaders/optim/sophia.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';

/**
 * Sophia-G: a running mean of the gradient, divided by an estimate of the curvature and clipped to 1, so that no weight moves
 * by more than `lr`.
 *
 *   p -= lr·weightDecay·p
 *   m = β₁m + (1-β₁)g;  p -= lr·clip(m / (rho·batchSize·h + 1e-15), 1)
 *   every 10 steps or so:  h = β₂h + (1-β₂)ĝ²
 *
 * ĝ is the gradient of the mean loss over `batchSize` samples (or tokens) whose labels are drawn from the model's own
 * probabilities (Gauss-Newton-Bartlett). Fill the gradient buffers with it, then call `optimizer.updateHessian(encoder)`; between
 * two such calls h stays. Until the first h is 0 and the step is the sign of m. A trainer does not draw labels: this rule is for
 * `createOptimizer`, and `createTrainer` refuses it.
 *
 * State: two values per parameter. Defaults as the authors', `batchSize` being their `bs`. The decay is decoupled. Take `rho` so
 * that between a tenth and a half of the weights are not clipped. `betas[1]` is no schedule.
 *
 * @example sophia({ lr: 4e-4, rho: 0.04, batchSize: 480 * 1024 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Liu et al. 2023, Sophia: a scalable stochastic second-order optimizer for language model pre-training, https://arxiv.org/abs/2305.14342.
 */
export const sophia = defineRule({
  name: 'sophia',
  title: 'Sophia-G',
  formula: [
    'm = β₁m + (1-β₁)g; p -= lr·clip(m / (rho·batchSize·h + 1e-15), 1)',
    'updateHessian, of a gradient ĝ of labels drawn from the model: h = β₂h + (1-β₂)ĝ²',
  ],
  paper: 'https://arxiv.org/abs/2305.14342',
  use: 'Language models on your own buffers, where every tenth step may take a second gradient. Not for a trainer.',
  shader: sophiaShader,
  fields: {
    lr: number('learning rate: the most a weight moves per step', 1e-4, { min: 0 }),
    betas: pair('decay of the averages of g and of the curvature', [0.965, 0.99], { min: 0, below: 1 }),
    rho: number('share of the curvature in the divisor: a larger one clips less', 0.04, { min: 0 }),
    batchSize: number('samples, or tokens, whose mean loss the gradient of drawn labels is of', 5120, { min: 1 }),
    ...common({ weightDecay: 0.1, decoupled: true }),
  },
  slots: () => ['exp_avg', 'hessian'],
  derive: (_, { lr, betas, rho, batchSize }) => ({ lr, beta1_c: 1 - betas[0], rho_b: rho * batchSize }),
  curvature: { slot: 'hessian', weight: ({ betas }) => 1 - (betas[1] as number) },
  check({ betas }) {
    if (typeof betas[1] !== 'function') return;
    throw new DownhillError(
      'HYPER-TYPE',
      'sophia: betas[1] is a schedule, but the curvature is averaged by updateHessian, which counts no updates.',
      'Pass a number, 0.99 say, and change it with set.',
    );
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = { scalars: ['beta1_c = 1 - betas[0]', 'rho_b = rho * batchSize'] };
