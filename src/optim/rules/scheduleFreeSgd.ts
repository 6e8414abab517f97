import { number } from '../../gpu/fields.js';
import { scheduleFreeShader } from '../../shaders/optim/schedule_free.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';
import { averaged, averagedText, averaging, carryWeights, checkConstant, evaluationWeight } from '../schedule-free.js';

/**
 * Schedule-free SGD: a constant rate, and instead of its decay an average of the iterates, at which gradients are taken.
 *
 *   y = (1-momentum)·z + momentum·x, the parameter;  z -= γ·g(y);  x += c·(z - x)
 *
 * The parameter holds y. What is to be evaluated, saved and shipped is x: a trainer does so by itself; on your own buffers
 * `optimizer.eval(encoder)` puts x into them, `optimizer.train(encoder)` y again. c weighs the newest z by
 * t^r·(largest γ so far)^weightLrPower, γ = lr·min(1, t/warmupSteps). Rates are 10 to 50 times those of SGD with a schedule.
 *
 * State: one value per parameter, z. Defaults and formula as the authors'.
 * Batch norm's running statistics are those of y, as theirs are until they are computed anew. `momentum` is no schedule.
 *
 * @example scheduleFreeSgd({ lr: 1, warmupSteps: 500 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Defazio et al. 2024, The road less scheduled, https://arxiv.org/abs/2405.15682.
 */
export const scheduleFreeSgd = defineRule({
  name: 'scheduleFreeSgd',
  title: 'Schedule-free SGD',
  formula: [
    'γ = lr·min(1, t/warmupSteps); w = tʳ·(largest γ so far)^weightLrPower; c = w/Σw',
    'y += c·(z - y) - γ·(1 - momentum·(1-c))·g; z -= γ·g; first z = y = p',
    'evaluated: x = y + (1 - 1/momentum)·(z - y)',
  ],
  paper: 'https://arxiv.org/abs/2405.15682',
  use: 'Instead of SGD with a decaying rate where the length of the run is not known: it is near its best at any time.',
  shader: scheduleFreeShader,
  fields: {
    lr: number('learning rate', 1, { min: 0 }),
    momentum: number('where between z and x gradients are taken', 0.9, { above: 0, below: 1 }),
    ...averaging,
    ...common(),
  },
  slots: () => ['z'],
  carry: carryWeights,
  derive: (t, hyper, carry) => ({
    ...averaged(t, hyper, hyper.momentum, carry),
    ...{ divide: 0, beta2_c: 0, v_scale: 0, eps: 0 },
  }),
  evaluation: { slot: 'z', weight: ({ momentum }) => evaluationWeight(momentum) },
  check: ({ momentum }) => checkConstant('scheduleFreeSgd: momentum', momentum),
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = /* @__PURE__ */ averagedText('momentum', [
  'divide = 0',
  'beta2_c = 0',
  'v_scale = 0',
  'eps = 0',
]);
