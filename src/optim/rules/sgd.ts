import { DownhillError } from '../../gpu/errors.js';
import { sgdShader } from '../../shaders/optim/sgd.gen.js';
import { defineRule, flag, number } from '../rule.js';

/**
 * Stochastic gradient descent, with momentum and Nesterov's look-ahead, in PyTorch's form:
 *
 *   d = g + weightDecay·p;  b = momentum·b + (1 - dampening)·d  (first update: b = d)
 *   p -= lr·b,  or with `nesterov`  p -= lr·(d + momentum·b)
 *
 * State: one value per parameter with momentum, none without. Defaults as PyTorch's.
 *
 * @example sgd({ lr: 0.1, momentum: 0.9, nesterov: true })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Sutskever et al. 2013, On the importance of initialization and momentum in deep learning.
 */
export const sgd = defineRule({
  name: 'sgd',
  title: 'SGD',
  formula: [
    'd = g + weightDecay·p',
    'b = momentum·b + (1 - dampening)·d, first b = d',
    'p -= lr·b, or lr·(d + momentum·b) with nesterov',
  ],
  paper: 'https://proceedings.mlr.press/v28/sutskever13.html',
  shader: sgdShader,
  fields: {
    lr: number('learning rate', 1e-3, { min: 0 }),
    momentum: number('momentum factor', 0, { min: 0, below: 1 }),
    dampening: number('dampening of the momentum', 0, { min: 0, max: 1 }),
    weightDecay: number('L2 penalty, added to the gradient', 0, { min: 0 }),
    nesterov: flag("Nesterov's momentum"),
    maximize: flag('climb instead of descend'),
  },
  slots: (hyper) => (hyper.momentum > 0 ? ['momentum_buffer'] : []),
  derive: (t, hyper) => ({
    lr: hyper.lr,
    momentum: hyper.momentum,
    grad_weight: t === 1 || hyper.momentum === 0 ? 1 : 1 - hyper.dampening,
    weight_decay: hyper.weightDecay,
    nesterov: hyper.nesterov ? 1 : 0,
  }),
  check: (hyper) => {
    if (hyper.nesterov && (hyper.momentum === 0 || hyper.dampening !== 0)) {
      throw new DownhillError(
        'HYPER-RANGE',
        `nesterov needs a momentum above 0 and no dampening, got momentum ${hyper.momentum} and dampening ${hyper.dampening}.`,
        'Set momentum (0.9 is usual) and leave dampening at 0, or turn nesterov off.',
      );
    }
  },
});
