import { number, pair } from '../../gpu/fields.js';
import { scheduleFreeShader } from '../../shaders/optim/schedule_free.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';
import { averaged, averagedText, averaging, carryWeights, checkConstant, evaluationWeight } from '../schedule-free.js';

/**
 * Schedule-free AdamW: AdamW's step at a constant rate, and instead of its decay an average of the iterates, at which
 * gradients are taken.
 *
 *   y = (1-β₁)·z + β₁·x, the parameter;  v = β₂v + (1-β₂)g(y)²;  d = g/(√v̂ + eps) + weightDecay·y;  z -= γ·d;  x += c·(z - x)
 *
 * The parameter holds y. What is to be evaluated, saved and shipped is x: a trainer does so by itself; on your own buffers
 * `optimizer.eval(encoder)` puts x into them, `optimizer.train(encoder)` y again. c weighs the newest z by
 * t^r·(largest γ so far)^weightLrPower, γ = lr·min(1, t/warmupSteps). Rates are 1 to 10 times those of AdamW with a schedule.
 *
 * State: two values per parameter, z and v. Defaults and formula as the authors'; the decay is taken at y, behind the
 * division, or with `decoupledWeightDecay: false` before it. Batch norm's running statistics are those of y. `betas[0]` is no
 * schedule.
 *
 * @example scheduleFreeAdamw({ lr: 0.0025, warmupSteps: 500, weightDecay: 0.05 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Defazio et al. 2024, The road less scheduled, https://arxiv.org/abs/2405.15682.
 */
export const scheduleFreeAdamw = defineRule({
  name: 'scheduleFreeAdamw',
  title: 'Schedule-free AdamW',
  formula: [
    'γ = lr·min(1, t/warmupSteps); w = tʳ·(largest γ so far)^weightLrPower; c = w/Σw',
    'v = β₂v + (1-β₂)g²; d = g/(√(v/(1-β₂ᵗ)) + eps) + weightDecay·y',
    'y += c·(z - y) - γ·(1 - β₁·(1-c))·d; z -= γ·d; first z = y = p',
    'evaluated: x = y + (1 - 1/β₁)·(z - y)',
  ],
  paper: 'https://arxiv.org/abs/2405.15682',
  use: 'Instead of AdamW with a schedule where the length of the run is not known: it is near its best at any time.',
  shader: scheduleFreeShader,
  fields: {
    lr: number('learning rate', 2.5e-3, { min: 0 }),
    betas: pair('where between z and x gradients are taken; decay of the average of g²', [0.9, 0.999], {
      min: 0,
      below: 1,
    }),
    eps: number('added to the denominator', 1e-8, { min: 2 ** -126 }),
    ...averaging,
    ...common({ decoupled: true }),
  },
  slots: () => ['z', 'exp_avg_sq'],
  carry: carryWeights,
  derive: (t, hyper, carry) => ({
    ...averaged(t, hyper, hyper.betas[0], carry),
    divide: 1,
    beta2_c: 1 - hyper.betas[1],
    v_scale: 1 / Math.sqrt(1 - hyper.betas[1] ** t),
    eps: hyper.eps,
  }),
  evaluation: { slot: 'z', weight: ({ betas }) => evaluationWeight(betas[0]) },
  check: ({ betas }) => checkConstant('scheduleFreeAdamw: betas[0]', betas[0]),
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = /* @__PURE__ */ averagedText('betas[0]', [
  'divide = 1',
  'beta2_c = 1 - betas[1]',
  'v_scale = 1 / sqrt(1 - betas[1]^t)',
]);
