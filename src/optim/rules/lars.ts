import { DownhillError } from '../../gpu/errors.js';
import { choice, flag, number } from '../../gpu/fields.js';
import { larsApplyShader } from '../../shaders/optim/lars/apply.gen.js';
import { larsNormsShader } from '../../shaders/optim/lars/norms.gen.js';
import { larsTrustShader } from '../../shaders/optim/lars/trust.gen.js';
import { common, defineRule, on, type RuleText } from '../rule.js';
import type { Vectors } from '../rule-passes.js';

/**
 * LARS: SGD with momentum whose every tensor has a rate in proportion to its own norm, for very large batches.
 *
 *   ratio = trustCoefficient·‖p‖ / (‖g‖ + weightDecay·‖p‖ + eps), per tensor; 1 where ‖p‖ or ‖g‖ is 0
 *   u = lr·ratio·(g + weightDecay·p)
 *   b = momentum·b + u;  p -= b,  or with `nesterov`  p -= u + momentum·b
 *
 * The rates are within the momentum: past gradients keep those they came with. `convention: 'optax'`: one norm below the ratio,
 * that of the sum, trustCoefficient·‖p‖ / (‖g + weightDecay·p‖ + eps). The same without decay.
 *
 * Biases and the parameters of normalisation are usually left without ratio and decay, optax' `weight_decay_mask` and
 * `trust_ratio_mask`: give them `adapt: false, weightDecay: 0` in their group, `{ tensors: '*.bias', adapt: false, weightDecay: 0 }` in
 * `groups` of a trainer, `group: { adapt: false, weightDecay: 0 }` beside the tensor in `createOptimizer`. Their rate is then lr
 * itself, some hundred times the others'.
 *
 * State: one value per parameter with momentum, none without. Defaults as optax', with the paper's momentum and coefficient. Three
 * passes: four dispatches a step. Decay is part of the ratio; with `decoupledWeightDecay` it stays out of it.
 *
 * @example lars({ lr: 10, weightDecay: 1e-4 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: You et al. 2017, Large batch training of convolutional networks, https://arxiv.org/abs/1708.03888.
 */
export const lars = defineRule({
  name: 'lars',
  title: 'LARS',
  formula: [
    'ratio = trustCoefficient·‖p‖ / (‖g‖ + weightDecay·‖p‖ + eps), per tensor; 1 where a norm is 0',
    'optax: ratio = trustCoefficient·‖p‖ / (‖g + weightDecay·p‖ + eps)',
    'u = lr·ratio·(g + weightDecay·p); b = momentum·b + u; p -= b, or u + momentum·b with nesterov; here g is without the decay',
  ],
  paper: 'https://arxiv.org/abs/1708.03888',
  use: 'Batches of thousands on vision networks, where SGD diverges at the rate they need. Warm the rate up.',
  shader: larsApplyShader,
  fields: {
    lr: number('learning rate', 1, { min: 0 }),
    momentum: number('momentum factor', 0.9, { min: 0, below: 1 }),
    nesterov: flag("Nesterov's momentum"),
    trustCoefficient: number('step of a tensor, relative to its norm', 1e-3, { min: 0 }),
    eps: number('added below the ratio', 0, { min: 0 }),
    adapt: flag('multiply the rate by the ratio; off for biases and normalisation', true),
    ...common(),
    convention: choice('whose ratio, where there is decay', ['paper', 'optax']),
  },
  slots: ({ momentum }) => (on(momentum) ? ['momentum_buffer'] : []),
  derive: (
    _,
    { lr, momentum, nesterov, trustCoefficient, eps, adapt, weightDecay, decoupledWeightDecay, convention },
  ) => ({
    lr,
    l2: 0, // the norm of g alone is wanted
    momentum,
    nesterov: nesterov ? 1 : 0,
    weight_decay: decoupledWeightDecay ? 0 : weightDecay,
    coefficient: trustCoefficient,
    eps,
    of_sum: convention === 'optax' ? 1 : 0,
    adapt: adapt ? 1 : 0,
    trust: 1,
  }),
  check: ({ nesterov, momentum }) => {
    if (!nesterov || momentum !== 0) return;
    throw new DownhillError(
      'HYPER-RANGE',
      `nesterov needs a momentum above 0, got ${momentum}.`,
      'Set momentum (0.9 is usual), or turn nesterov off.',
    );
  },
  perTensor: true,
  passes: (step) => {
    const { param, grad, hyper } = step;
    const { ops, partial, begins } = step.sums('norms', larsNormsShader, { param, grad });
    const remembers = step.has('momentum_buffer');
    const state: Vectors = remembers ? { momentum_buffer: step.slot('momentum_buffer') } : {};
    return [
      ...ops,
      step.kernel('trust', {
        shader: larsTrustShader,
        constants: {},
        buffers: { hyper, partial, begins },
        groups: step.groups.length,
      }),
      ...step.elementwise('apply', larsApplyShader, { param, grad, ...state }, { MOMENTUM_BUFFER: remembers }),
    ];
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    'l2 = 0',
    'nesterov = nesterov ? 1 : 0',
    'weight_decay = decoupledWeightDecay ? 0 : weightDecay',
    'coefficient = trustCoefficient',
    "of_sum = convention == 'optax' ? 1 : 0",
    'adapt = adapt ? 1 : 0',
    'trust = 1',
  ],
  slots: { momentum_buffer: 'momentum != 0' },
};
