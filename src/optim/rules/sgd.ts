import { DownhillError } from '../../gpu/errors.js';
import { flag, number } from '../../gpu/fields.js';
import { sgdShader } from '../../shaders/optim/sgd.gen.js';
import { common, convention, defineRule, on, type RuleText } from '../rule.js';

const refuse = (message: string, fix: string): never => {
  throw new DownhillError('HYPER-RANGE', message, fix);
};

/**
 * Stochastic gradient descent, with momentum and Nesterov's look-ahead, in PyTorch's form:
 *
 *   g += weightDecay·p;  b = momentum·b + (1 - dampening)·g  (first update: b = g)
 *   p -= lr·b,  or with `nesterov`  p -= lr·(g + momentum·b)
 *
 * `ema`: b = momentum·b + (1 - momentum)·g, the exponentially weighted average, corrected: p -= lr·b/(1 - momentumᵗ).
 * `convention: 'keras'`: b = momentum·b + lr·g; p -= b, or momentum·b + lr·g with `nesterov`; Keras' velocity is -b. It
 * differs once the rate changes: past gradients keep the rate they came with. Its decay is decoupled.
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
    'b = momentum·b + (1 - dampening)·g, first b = g; p -= lr·b, or lr·(g + momentum·b) with nesterov',
    'ema: b = momentum·b + (1 - momentum)·g; p -= lr·b/(1 - momentumᵗ)',
    'keras: b = momentum·b + lr·g; p -= b, or momentum·b + lr·g with nesterov',
  ],
  paper: 'https://proceedings.mlr.press/v28/sutskever13.html',
  use: 'The baseline. With momentum 0.9 and a schedule it is hard to beat on vision networks; needs its rate tuned.',
  shader: sgdShader,
  fields: {
    lr: number('learning rate', 1e-3, { min: 0 }),
    momentum: number('momentum factor', 0, { min: 0, below: 1 }),
    dampening: number('dampening of the momentum', 0, { min: 0, max: 1 }),
    nesterov: flag("Nesterov's momentum"),
    ema: flag('momentum as an exponentially weighted average, corrected for its start at 0'),
    ...common(),
    convention: convention('keras'),
  },
  conventions: { keras: { lr: 1e-2, decoupledWeightDecay: true } },
  slots: (settings) => (on(settings.momentum) ? ['momentum_buffer'] : []),
  encodings: { momentum_buffer: 'signed' },
  derive: (t, { lr, momentum, dampening, nesterov, ema, convention }) => ({
    lr,
    momentum,
    nesterov: nesterov ? 1 : 0,
    ema: ema ? 1 : 0,
    ...(convention === 'keras'
      ? { grad_weight: lr, look_ahead: lr, step_size: 1 }
      : ema
        ? { grad_weight: 1 - momentum, look_ahead: 0, step_size: lr / (1 - momentum ** t) }
        : { grad_weight: t === 1 || momentum === 0 ? 1 : 1 - dampening, look_ahead: 1, step_size: lr }),
  }),
  check: ({ nesterov, momentum, dampening, ema, convention }) => {
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      refuse(
        `nesterov needs a momentum above 0 and no dampening, got momentum ${momentum} and dampening ${dampening}.`,
        'Set momentum (0.9 is usual) and leave dampening at 0, or turn nesterov off.',
      );
    }
    if (ema && (momentum === 0 || dampening !== 0 || nesterov || convention !== 'pytorch')) {
      refuse(
        `ema needs a momentum above 0 and goes with no other form of it, got momentum ${momentum}, dampening ${dampening}, nesterov ${nesterov}, convention ${convention}.`,
        'Set momentum (0.9 is usual) and leave dampening, nesterov and convention alone, or turn ema off.',
      );
    }
    if (convention === 'keras' && dampening !== 0) {
      refuse(`Keras' SGD has no dampening, got ${dampening}.`, "Leave dampening at 0, or take convention 'pytorch'.");
    }
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    "keras = convention == 'keras'",
    'first = t == 1 or momentum == 0',
    'grad_weight = keras ? lr : ema ? 1 - momentum : first ? 1 : 1 - dampening',
    'look_ahead = keras ? lr : ema ? 0 : 1',
    'step_size = keras ? 1 : ema ? lr / (1 - momentum^t) : lr',
    'nesterov = nesterov ? 1 : 0',
    'ema = ema ? 1 : 0',
  ],
  slots: { momentum_buffer: 'momentum != 0' },
};
