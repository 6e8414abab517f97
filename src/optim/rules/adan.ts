import { DownhillError } from '../../gpu/errors.js';
import { flag, number, triple } from '../../gpu/fields.js';
import { adanShader } from '../../shaders/optim/adan.gen.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

/**
 * Adan: Adam with Nesterov's look-ahead, estimated from the difference of one gradient to the last.
 *
 *   d = g - previous g  (first update: 0)
 *   m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)d;  n = β₃n + (1-β₃)(g + β₂d)²
 *   p -= lr·(m̂ + β₂v̂) / (√(n̂ + epsRoot) + eps),  m̂ = m/(1-β₁ᵗ),  v̂ = v/(1-β₂ᵗ),  n̂ = n/(1-β₃ᵗ)
 *   p /= 1 + lr·weightDecay,  or with `noProx`  p -= lr·weightDecay·p  before all this
 *
 * State: four values per parameter. Formula and defaults as the authors' code, where a β is 1 - that of the paper.
 * `convention: 'optax'`: 1-β₂ in place of the two single β₂ (in n and in the step), `noProx`, `epsRoot` 1e-8.
 *
 * @example adan({ lr: 1e-3, betas: [0.98, 0.92, 0.99], weightDecay: 0.02 })
 * @throws DownhillError HYPER-RANGE (also `noProx` without `decoupledWeightDecay`), HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Xie et al. 2022, Adan: adaptive Nesterov momentum algorithm, https://arxiv.org/abs/2208.06677.
 */
export const adan = defineRule({
  name: 'adan',
  title: 'Adan',
  formula: [
    'd = g - previous g, first 0; m = β₁m + (1-β₁)g; v = β₂v + (1-β₂)d; n = β₃n + (1-β₃)(g + β₂d)²',
    'p -= lr·(m/(1-β₁ᵗ) + β₂v/(1-β₂ᵗ)) / (√(n/(1-β₃ᵗ) + epsRoot) + eps)',
    'p /= 1 + lr·weightDecay; noProx: p -= lr·weightDecay·p before the step',
  ],
  paper: 'https://arxiv.org/abs/2208.06677',
  use: 'Large batches and few epochs on vision and language models; stands rates 5 to 10 times those of Adam.',
  shader: adanShader,
  fields: {
    lr: number('learning rate', 1e-3, { min: 0 }),
    betas: triple('decay of the averages of g, of its difference and of the square', [0.98, 0.92, 0.99], {
      min: 0,
      below: 1,
    }),
    eps: number('added to the denominator', 1e-8, { min: 2 ** -126 }),
    epsRoot: number('added under the root', 0, { min: 0 }),
    noProx: flag('decoupled decay before the step, as AdamW, instead of a division after it'),
    convention: convention('optax'),
    ...common({ decoupled: true }),
  },
  conventions: { optax: { noProx: true, epsRoot: 1e-8 } },
  slots: () => ['exp_avg', 'exp_avg_sq', 'exp_avg_diff', 'previous_grad'],
  encodings: { exp_avg: 'signed', exp_avg_sq: 'positive', exp_avg_diff: 'signed', previous_grad: 'signed-16' },
  derive: (t, { lr, betas: [beta1, beta2, beta3], eps, epsRoot, ...hyper }) => {
    // (p - step) / (1 + a) is p·(1 - a/(1+a)) - step/(1+a): a decay that comes first, and a shorter step.
    const decay = hyper.decoupledWeightDecay ? lr * hyper.weightDecay : 0;
    const shrink = hyper.noProx ? 1 : 1 / (1 + decay);
    const mix = hyper.convention === 'optax' ? 1 - beta2 : beta2;
    return {
      decay: decay * shrink,
      step_size: (lr * shrink) / (1 - beta1 ** t),
      step_size_diff: (lr * mix * shrink) / (1 - beta2 ** t),
      beta1_c: 1 - beta1,
      beta2_c: 1 - beta2,
      beta3_c: 1 - beta3,
      mix,
      n_scale: 1 / Math.sqrt(1 - beta3 ** t),
      eps,
      eps_root: epsRoot * (1 - beta3 ** t),
      initial: t === 1 ? 1 : 0,
    };
  },
  check: ({ noProx, decoupledWeightDecay, convention }) => {
    if (noProx && !decoupledWeightDecay && convention !== 'optax') {
      throw new DownhillError(
        'HYPER-RANGE',
        'noProx chooses a form of the decoupled decay, but decoupledWeightDecay is false.',
        'Leave noProx out, or set decoupledWeightDecay to true.',
      );
    }
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    'loss = decoupledWeightDecay ? lr * weightDecay : 0',
    'shrink = noProx ? 1 : 1 / (1 + loss)',
    'decay = loss * shrink',
    "mix = convention == 'optax' ? 1 - betas[1] : betas[1]",
    'step_size = lr * shrink / (1 - betas[0]^t)',
    'step_size_diff = lr * mix * shrink / (1 - betas[1]^t)',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    'beta3_c = 1 - betas[2]',
    'n_scale = 1 / sqrt(1 - betas[2]^t)',
    'eps_root = epsRoot * (1 - betas[2]^t)',
    'initial = t == 1 ? 1 : 0',
  ],
};
