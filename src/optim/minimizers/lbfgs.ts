import { choice, flag, integer, number } from '../../gpu/fields.js';
import { convention } from '../rule.js';
import { defineMinimizer } from './row.js';

/**
 * L-BFGS: a quasi-Newton method that knows the curvature from the last steps, all of it on the GPU. For full batches and small problems.
 *
 *   d = -H·g, of the pairs s = x' - x, y = g' - g;  x += t·d, t by a line search
 *
 * A step of the trainer is a round: value and gradient at `trials` step lengths at once (as replicas), of which it takes the best that
 * lowers the loss enough for its length (Armijo, 1e-4) and at which the slope is flat enough (strong Wolfe, 0.9). Most rounds take
 * one; one that takes none is reported as `skipped`, and the next one tries shorter steps. No step waits for the host. It ends by
 * itself, and `trainer.stopped` says why: 'gradient', max |g| ≤ `toleranceGrad`; 'flat', steps no longer change the loss by what
 * float32 can hold, twice in a row; 'linesearch', no length lowers it, also without history; 'nonfinite', the first loss or gradient
 * is not finite. Weights are those of the last step taken.
 *
 * Options have PyTorch's names. Its defaults are history 100 (`history_size`), no line search, tolerances 1e-7 and 1e-9 and lr 1; here
 * `toleranceGrad` is 1e-5, since float32 seldom gets below, and `toleranceChange` 0, since 1e-9 ends before the minimum where the loss
 * is small. A pair is kept where s·y > 1e-6·|s|·|y|, where PyTorch has s·y > 1e-10, which depends on scale. `convention: 'optax'`: the
 * first step is min(1, 1/|g|₂), not min(1, 1/|g|₁), and it does not end at a small gradient.
 *
 * State: 2·history + 4 values per parameter, and 2 for each trial. Mini-batches are refused: differences of their gradients are noise
 * more than curvature. `stochastic: true` allows them: each pair is of one batch, with Powell's damping, and nothing is called
 * converged.
 *
 * @example lbfgs({ history: 10, trials: 4 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Liu & Nocedal 1989, On the limited memory BFGS method for large scale optimization, https://doi.org/10.1007/BF01589116.
 */
export const lbfgs = defineMinimizer({
  name: 'lbfgs',
  title: 'L-BFGS',
  formula: ["d = -H·g, of pairs s = x' - x, y = g' - g", 'x += t·d, t by a line search of several lengths at once'],
  paper: 'https://doi.org/10.1007/BF01589116',
  use: 'Full batches of up to some ten thousand samples, and problems of few parameters: a tenth of the gradients that Adam takes.',
  fields: {
    lr: number('length of the step that is tried first, as a share of the direction', 1, { above: 0, fixed: true }),
    history: integer('pairs that the curvature is known by', 10, { min: 1, max: 100 }),
    lineSearch: choice(
      'what a step must fulfil: both Wolfe conditions where a trial does, else the first; the first; nothing',
      ['strong-wolfe', 'armijo', 'none'],
    ),
    trials: integer('step lengths that are looked at together; 1 without a line search', 4, { min: 1, max: 8 }),
    toleranceGrad: number('largest |g| of an element at which it ends', 1e-5, { min: 0, fixed: true }),
    toleranceChange: number('change of the loss, or of all weights, at which it ends', 0, { min: 0, fixed: true }),
    stochastic: flag('take mini-batches: pairs of one batch, damped', false),
    convention: convention('optax'),
  },
  conventions: { optax: { toleranceGrad: 0 } },
  minimizer: () => import('./lbfgs-rounds.js'),
});
