import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type DadaptAdamHyper = CommonHyper & {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly d0: number;
  readonly growthRate: number;
  readonly useBiasCorrection: boolean;
};

/**
 * D-Adaptation of Adam, all tensors at once.
 *
 *     dlr = d · lr (times Adam's bias correction, where that is on);  b = sqrt(beta2)
 *     r = b · r + (1 - b) · sum dlr · g · s / (sqrt(v) + eps)
 *     m = beta1 · m + (1 - beta1) · dlr · g;  v = beta2 · v + (1 - beta2) · g²;  s = b · s + (1 - b) · dlr · g
 *     d = max(d, min(r / ((1 - b) · sum |s|), d · growthRate))
 *     p = p - dlr · weightDecay · p - m / (sqrt(v) + eps), dlr that of the old d
 *
 * Defazio, Mishchenko 2023, algorithm 5, and the authors' DAdaptAdam. Where all of s is 0 nothing moves; nor does anything at a
 * rate of 0. What all tensors share is in the state of each, `d`: d, what it is in this step (0 where nothing moves), r, and 0.
 */
export const dadaptAdam: ReferenceRule<DadaptAdamHyper> = {
  defaults: {
    lr: 1,
    betas: [0.9, 0.999],
    eps: 1e-8,
    d0: 1e-6,
    growthRate: 1e30,
    useBiasCorrection: false,
    ...commonDefaults,
  },

  slots(hyper = {}) {
    complete('dadaptAdam', this.defaults, hyper);
    return ['exp_avg', 'exp_avg_sq', 's'];
  },

  lengths(shape): Record<string, number> {
    const elements = shape.reduce((product, size) => product * size, 1);
    return { exp_avg: elements, exp_avg_sq: elements, s: elements, d: 4 };
  },

  update(param, grad, state, t, hyper = {}) {
    checkUpdate(param, grad, state, t, this.slots(hyper));
    this.step!([{ shape: [param.length], param, grad, state }], t, hyper);
  },

  step(tensors, t, hyper = {}) {
    const full = complete('dadaptAdam', this.defaults, hyper);
    const { lr, betas, eps, d0, growthRate, weightDecay, decoupledWeightDecay } = full;
    if (tensors.length === 0) return;
    const [beta1, beta2] = betas;
    const root = Math.sqrt(beta2);
    const [before, , last] = tensors[0]!.state.d!;
    const d = before || d0;
    const dlr = d * lr * (full.useBiasCorrection ? Math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t) : 1);
    let [dot, sum] = [0, 0];
    for (const { param, grad, state } of lr === 0 ? [] : tensors) {
      const g = prepare(param, grad, { ...full, weightDecay: decoupledWeightDecay ? 0 : weightDecay });
      for (let i = 0; i < param.length; i++) {
        dot += (dlr * g[i]! * state.s![i]!) / (Math.sqrt(state.exp_avg_sq![i]!) + eps);
        state.exp_avg![i] = beta1 * state.exp_avg![i]! + (1 - beta1) * dlr * g[i]!;
        state.exp_avg_sq![i] = beta2 * state.exp_avg_sq![i]! + (1 - beta2) * g[i]! * g[i]!;
        state.s![i] = root * state.s![i]! + (1 - root) * dlr * g[i]!;
        sum += Math.abs(state.s![i]!);
      }
    }
    if (sum === 0) {
      for (const { state } of tensors) state.d!.set([d, 0, last!, 0]);
      return;
    }
    const r = root * last! + (1 - root) * dot;
    const estimate = r / ((1 - root) * sum);
    const next = Math.max(d, Math.min(estimate, d * growthRate));
    for (const { param, state } of tensors) {
      state.d!.set([next, d, r, 0]);
      for (let i = 0; i < param.length; i++) {
        const shrunk = param[i]! * (1 - (decoupledWeightDecay ? dlr * weightDecay : 0));
        param[i] = shrunk - state.exp_avg![i]! / (Math.sqrt(state.exp_avg_sq![i]!) + eps);
      }
    }
  },
};
