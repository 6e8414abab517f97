import { DownhillError } from '../../gpu/errors.js';
import { integer, number, pair } from '../../gpu/fields.js';
import { sophiaShader } from '../../shaders/optim/sophia.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';

/**
 * Sophia-G: a running mean of the gradient, divided by an estimate of the curvature and clipped to 1, so that no weight moves
 * by more than `lr`.
 *
 *   p -= lr·weightDecay·p
 *   m = β₁m + (1-β₁)g;  p -= lr·clip(m / (rho·batchSize·h + 1e-15), 1)
 *   in front of every 10th step or so:  h = β₂h + (1-β₂)ĝ²
 *
 * ĝ is the gradient of the mean loss over `batchSize` samples (or tokens) whose labels are drawn from the model's own
 * probabilities (Gauss-Newton-Bartlett); between two of them h stays. While h is 0 the step is the sign of m.
 *
 * A trainer draws them on the GPU for the batch of that step, keyed by seed and step, at its first step and every `updateInterval`-th
 * one after it (with `accumulate`, of updates), whatever becomes of that step; `batchSize` is its own, so leave it out. A drawn label
 * counts what the data's does (class weights; label smoothing changes nothing), so that batchSize·E[ĝ²] is the diagonal of the
 * Gauss-Newton matrix of the loss, penalties apart. The loss must be one to draw from: softmax or binary cross-entropy, or
 * mean squared error, whose targets are normal numbers. Activations of a batch are there twice.
 *
 * On your own buffers fill those of the gradient with ĝ, then call `optimizer.updateHessian(encoder)`, as often as you like:
 * `updateInterval` is not read there.
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
    'every updateInterval steps, of a gradient ĝ of labels drawn from the model: h = β₂h + (1-β₂)ĝ²',
  ],
  paper: 'https://arxiv.org/abs/2305.14342',
  use: 'Language models, and nets whose loss is a likelihood: a second gradient at every tenth step.',
  shader: sophiaShader,
  fields: {
    lr: number('learning rate: the most a weight moves per step', 1e-4, { min: 0 }),
    betas: pair('decay of the averages of g and of the curvature', [0.965, 0.99], { min: 0, below: 1 }),
    rho: number('share of the curvature in the divisor: a larger one clips less', 0.04, { min: 0 }),
    batchSize: {
      ...number(
        'samples, or tokens, whose mean loss the gradient of drawn labels is of: a trainer’s are its batch',
        5120,
        {
          min: 1,
        },
      ),
      flag: 'curvature-batch',
    },
    updateInterval: integer('steps of a trainer from one gradient of drawn labels to the next', 10, { min: 1 }),
    ...common({ weightDecay: 0.1, decoupled: true }),
  },
  slots: () => ['exp_avg', 'hessian'],
  derive: (_, { lr, betas, rho, batchSize }) => ({ lr, beta1_c: 1 - betas[0], rho_b: rho * batchSize }),
  curvature: {
    slot: 'hessian',
    weight: ({ betas }) => 1 - (betas[1] as number),
    interval: ({ updateInterval }) => updateInterval,
    samples: 'batchSize',
  },
  checkTogether(settings) {
    const intervals = new Set(settings.map(({ updateInterval }) => updateInterval));
    if (intervals.size <= 1) return;
    throw new DownhillError(
      'OPTION-RANGE',
      `sophia: the curvature of all tensors is taken in at once, but updateInterval is ${[...intervals].join(' and ')}.`,
      'Let all groups have the same one.',
    );
  },
  check({ betas }) {
    if (typeof betas[1] !== 'function') return;
    throw new DownhillError(
      'HYPER-TYPE',
      'sophia: betas[1] is a schedule, but the curvature is averaged apart from the updates that a schedule counts.',
      'Pass a number, 0.99 say, and change it with set.',
    );
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = { scalars: ['beta1_c = 1 - betas[0]', 'rho_b = rho * batchSize'] };
