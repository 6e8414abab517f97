import { flag, number, pair } from '../../gpu/fields.js';
import { adafactorApplyShader } from '../../shaders/optim/adafactor/apply.gen.js';
import { adafactorFactorsShader } from '../../shaders/optim/adafactor/factors.gen.js';
import { adafactorNormsShader } from '../../shaders/optim/adafactor/norms.gen.js';
import { adafactorScaleShader } from '../../shaders/optim/adafactor/scale.gen.js';
import { adafactorSquaresShader } from '../../shaders/optim/adafactor/squares.gen.js';
import { planFactors, tileCount } from '../factored.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

const SMALLEST = 2 ** -126;

/**
 * Adafactor: Adam's second moment of a matrix as one number per row and one per column, and steps relative to the weights.
 *
 *   w = t^beta2Decay;  R += w·(mean of g² over the row - R);  C += w·(mean of g² over the column - C)
 *   V = R·C / max(mean of R, eps₁), of tensors with less than two axes V += w·(g² - V)
 *   u = g / √max(V, eps₁²);  u = u / max(1, RMS(u)/d)
 *   p -= max(eps₂, RMS(p))·ρ·u,  ρ = min(lr, 1/√t)
 *
 * That is PyTorch's form. `convention: 'paper'`: eps₁ (1e-30) is added to g² and nothing is held above it. `relativeStep: false`:
 * ρ = lr. `scaleParameter: false`: without max(eps₂, RMS(p)). There is no first moment. The last two axes of a tensor are factored
 * (PyTorch, Tensor2Tensor), which for matrices is the same in both orders of axes: rows and columns only change their names.
 *
 * State: for a matrix [n, m] n + m numbers, for other tensors one value per parameter. Five passes: six dispatches a step,
 * however many tensors there are; none of them stores u. Decay is decoupled, with lr and not with ρ, as PyTorch's, and RMS(p) that
 * before it. Clipping by RMS(u) is the rule's own: `clip` of an optimizer comes before, on g.
 *
 * @example adafactor({ lr: 1e-2 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Shazeer & Stern 2018, Adafactor: adaptive learning rates with sublinear memory cost, https://arxiv.org/abs/1804.04235.
 */
export const adafactor = defineRule({
  name: 'adafactor',
  title: 'Adafactor',
  formula: [
    'w = t^beta2Decay; R += w·(mean of g² over the row - R); C += w·(mean of g² over the column - C)',
    'V = R·C / max(mean of R, eps₁); with less than two axes V += w·(g² - V)',
    'u = g / √max(V, eps₁²); p -= max(eps₂, RMS(p))·min(lr, 1/√t)·u / max(1, RMS(u)/d)',
    'paper: g² + eps₁ in place of g², and no max(…, eps₁)',
  ],
  paper: 'https://arxiv.org/abs/1804.04235',
  use: 'Models whose optimizer state does not fit: of a large matrix it keeps next to nothing. Steps follow the size of the weights.',
  shader: adafactorApplyShader,
  fields: {
    lr: number('learning rate: the most that ρ is', 1e-2, { min: 0 }),
    beta2Decay: number('exponent of t in the weight of what is new', -0.8, { max: 0 }),
    eps: pair('what g² is kept above (its root; paper: added to g²), and RMS(p)', [2 ** -23, 1e-3], { min: SMALLEST }),
    d: number('most that RMS(u) may be', 1, { min: SMALLEST }),
    relativeStep: flag('let ρ fall as 1/√t', true),
    scaleParameter: flag('multiply the step by RMS(p)', true),
    ...common({ decoupled: true }),
    convention: convention('paper'),
  },
  conventions: { paper: { eps: [1e-30, 1e-3] } },
  slots: () => [],
  kept: { what: '`row_var`, `col_var` of matrices; `variance` of other tensors, 4 bytes', bytes: 0, moved: 24 },
  derive: (t, { lr, beta2Decay, eps: [eps1, eps2], d, relativeStep, scaleParameter, convention }) => {
    const paper = convention === 'paper';
    return {
      rho: relativeStep ? Math.min(lr, 1 / Math.sqrt(t)) : lr,
      beta2_c: t ** beta2Decay,
      eps_mean: paper ? eps1 : 0,
      eps_row: paper ? 0 : eps1,
      least: paper ? SMALLEST : Math.max(eps1 ** 2, SMALLEST),
      eps_scale: eps2,
      d,
      scale_parameter: scaleParameter ? 1 : 0,
      step: 0,
    };
  },
  perTensor: true,
  passes: (step) => {
    const { param, grad, hyper, groups } = step;
    const {
      state,
      colVar,
      partial,
      rowRatio: row_ratio,
      matrices,
      matrixCount,
      tiles,
      sizes,
      shapes,
    } = planFactors(step);
    const moments = { row_ratio, ...colVar, shapes };
    const norms = step.sums('norms', adafactorNormsShader, { param, grad, ...moments });
    return [
      ...tiles.flatMap((table, i) =>
        table.length === 0
          ? []
          : [
              step.kernel(tiles.length > 1 ? `squares-${i}` : 'squares', {
                shader: adafactorSquaresShader,
                constants: {},
                buffers: { hyper, param: param.ranges[i]!, grad: grad.ranges[i]!, partial },
                tables: { tiles: table },
                groups: tileCount(table),
              }),
            ],
      ),
      step.kernel('factors', {
        shader: adafactorFactorsShader,
        constants: {},
        buffers: { hyper, partial, ...state, row_ratio },
        tables: { matrices },
        groups: matrixCount,
      }),
      ...norms.ops,
      step.kernel('scale', {
        shader: adafactorScaleShader,
        constants: {},
        buffers: { hyper, partial: norms.partial, begins: norms.begins, sizes },
        groups: groups.length,
      }),
      ...step.elementwise('apply', adafactorApplyShader, { param, grad, ...moments }),
    ];
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    "paper = convention == 'paper'",
    'rho = relativeStep ? min(lr, 1 / sqrt(t)) : lr',
    'beta2_c = t^beta2Decay',
    'eps_mean = paper ? eps[0] : 0',
    'eps_row = paper ? 0 : eps[0]',
    'least = paper ? 2^(-126) : max(eps[0]^2, 2^(-126))',
    'eps_scale = eps[1]',
    'scale_parameter = scaleParameter ? 1 : 0',
    'step = 0',
  ],
};
