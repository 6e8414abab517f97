import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type FtrlHyper = CommonHyper & {
  readonly lr: number;
  readonly initialAccumulatorValue: number;
  readonly l1: number;
  /** Half the paper's λ₂. */
  readonly l2: number;
  readonly l2Shrinkage: number;
  readonly beta: number;
};

/**
 * FTRL-proximal, as keras.optimizers.Ftrl with learning_rate_power -0.5, the paper's root.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     N = n + g²                                  n = initialAccumulatorValue before t = 1
 *     z = z + g + 2 · l2Shrinkage · p - (sqrt(N) - sqrt(n)) / lr · p
 *     q = (beta + sqrt(N)) / lr + 2 · l2
 *     p = |z| ≤ l1 ? 0 : (sign(z) · l1 - z) / q   the old p matters only through z; 0 too where q = 0
 *
 * McMahan et al. 2013, "Ad click prediction: a view from the trenches", algorithm 1, with λ₂ = 2 · l2; l2Shrinkage is
 * TensorFlow's.
 */
export const ftrl: ReferenceRule<FtrlHyper> = {
  defaults: {
    lr: 1e-3,
    initialAccumulatorValue: 0.1,
    l1: 0,
    l2: 0,
    l2Shrinkage: 0,
    beta: 0,
    ...commonDefaults,
  },

  slots(hyper = {}) {
    complete('ftrl', this.defaults, hyper);
    return ['accumulator', 'linear'];
  },

  initial(slot, hyper = {}) {
    return slot === 'accumulator' ? complete('ftrl', this.defaults, hyper).initialAccumulatorValue : 0;
  },

  // It computes the parameter anew from its sums at every update: z, √n, their product, penalties, quotient are 8 more roundings
  // of its own size, which do not add up over the steps.
  roundings: (steps) => 1 + 8 / steps,

  // √n' - √n is a difference of close numbers where g² is small beside n, and is divided by lr.
  lostBits: { linear: 6 },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('ftrl', this.defaults, hyper);
    const { lr, l1, l2, l2Shrinkage, beta } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const squares = state.accumulator!;
    const linear = state.linear!;
    const gradient = prepare(param, grad, full);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const before = Math.sqrt(squares[i]!);
      squares[i] = squares[i]! + g * g;
      const after = Math.sqrt(squares[i]!);
      const z = linear[i]! + g + 2 * l2Shrinkage * param[i]! - ((after - before) / lr) * param[i]!;
      linear[i] = z;
      const curvature = (beta + after) / lr + 2 * l2;
      param[i] = Math.abs(z) <= l1 || curvature === 0 ? 0 : (Math.sign(z) * l1 - z) / curvature;
    }
  },
};
