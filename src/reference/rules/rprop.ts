import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type RpropHyper = CommonHyper & {
  /** The first step size of every parameter. */
  readonly lr: number;
  /** Factors of the step size when the gradient's sign turns, and when it stays. */
  readonly etas: readonly [number, number];
  readonly stepSizes: readonly [number, number];
};

/**
 * Resilient backpropagation, as torch.optim.Rprop.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     step = step · (etas[1] if g · prev > 0, etas[0] if g · prev < 0, else 1), clamped to stepSizes; lr before t = 1
 *     g = 0 if g · prev < 0
 *     p = p - sign(g) · step
 *     prev = g
 *
 * The sign of g · prev is that of the real product, which float64 and even more f32 may round to 0.
 *
 * Riedmiller, Braun 1993, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm"; without
 * its stepping back where the sign turns: the variant called iRprop- by Igel, Hüsken 2000.
 */
export const rprop: ReferenceRule<RpropHyper> = {
  defaults: { lr: 1e-2, etas: [0.5, 1.2], stepSizes: [1e-6, 50], ...commonDefaults },

  slots(hyper = {}) {
    complete('rprop', this.defaults, hyper);
    return ['prev', 'step_size'];
  },

  initial(slot, hyper = {}) {
    return slot === 'step_size' ? complete('rprop', this.defaults, hyper).lr : 0;
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('rprop', this.defaults, hyper);
    const { etas, stepSizes } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const prev = state.prev!;
    const step = state.step_size!;
    const gradient = prepare(param, grad, full);
    for (let i = 0; i < param.length; i++) {
      let g = gradient[i]!;
      let size = step[i]!;
      if (g !== 0 && prev[i] !== 0) {
        const stays = g > 0 === prev[i]! > 0;
        size *= stays ? etas[1] : etas[0];
        if (!stays) g = 0;
      }
      size = Math.min(Math.max(size, stepSizes[0]), stepSizes[1]);
      step[i] = size;
      prev[i] = g;
      if (g !== 0) param[i] = param[i]! - (g > 0 ? size : -size);
    }
  },
};
