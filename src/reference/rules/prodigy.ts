import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type ProdigyHyper = CommonHyper & {
  readonly lr: number;
  readonly betas: readonly [number, number];
  /** 0: the root of the second of betas. */
  readonly beta3: number;
  readonly eps: number;
  readonly d0: number;
  readonly dCoef: number;
  readonly growthRate: number;
  readonly useBiasCorrection: boolean;
  readonly safeguardWarmup: boolean;
};

/** Moments, s and r are kept with d in units of this: a constant factor that the estimate is free of. */
const UNIT = 2 ** -20;

/**
 * Prodigy, all tensors at once.
 *
 *     r = beta3 · r + d · dlr · sum g · (p0 - p),  dlr = d · lr (times Adam's bias correction, where that is on)
 *     m = beta1 · m + (1 - beta1) · d · g;  v = beta2 · v + (1 - beta2) · d² · g²
 *     s = beta3 · s + d · dlr · g, with the safeguard d · d · g
 *     estimate = dCoef · r / sum |s|;  while d = d0, d = max(d, estimate)
 *     dMax = max(dMax, estimate);  d' = min(dMax, d · growthRate)
 *     p = p - dlr · weightDecay · p - dlr · m / (sqrt(v) + d' · eps), dlr that of the old d
 *
 * Mishchenko, Defazio 2023, algorithm 4, and the authors' prodigyopt, where r and s have a factor 1 / d0. Where all of s is 0 nothing
 * moves; nor does anything at a rate of 0. `delta` is p0 - p. What all tensors share is in the state of each, `d`: d, what it is in this
 * step (0 where nothing moves), r, dMax.
 */
export const prodigy: ReferenceRule<ProdigyHyper> = {
  defaults: {
    lr: 1,
    betas: [0.9, 0.999],
    beta3: 0,
    eps: 1e-8,
    d0: 1e-6,
    dCoef: 1,
    growthRate: 1e30,
    useBiasCorrection: false,
    safeguardWarmup: false,
    ...commonDefaults,
    decoupledWeightDecay: true,
  },

  slots(hyper = {}) {
    complete('prodigy', this.defaults, hyper);
    return ['exp_avg', 'exp_avg_sq', 's', 'delta'];
  },

  lengths(shape): Record<string, number> {
    const elements = shape.reduce((product, size) => product * size, 1);
    return { exp_avg: elements, exp_avg_sq: elements, s: elements, delta: elements, d: 4 };
  },

  update(param, grad, state, t, hyper = {}) {
    checkUpdate(param, grad, state, t, this.slots(hyper));
    this.step!([{ shape: [param.length], param, grad, state }], t, hyper);
  },

  step(tensors, t, hyper = {}) {
    const full = complete('prodigy', this.defaults, hyper);
    const { lr, betas, eps, d0, dCoef, growthRate, weightDecay, decoupledWeightDecay } = full;
    if (tensors.length === 0) return;
    const [beta1, beta2] = betas;
    const beta3 = full.beta3 === 0 ? Math.sqrt(beta2) : full.beta3;
    const [before, , r, most] = tensors[0]!.state.d!;
    const d = before || d0;
    const rate = lr * (full.useBiasCorrection ? Math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t) : 1);
    const q = d / UNIT;
    let [dot, sum] = [0, 0];
    for (const { param, grad, state } of lr === 0 ? [] : tensors) {
      const { exp_avg: m, exp_avg_sq: v, s, delta } = state as Record<string, Float64Array>;
      const g = prepare(param, grad, { ...full, weightDecay: decoupledWeightDecay ? 0 : weightDecay });
      for (let i = 0; i < param.length; i++) {
        dot += g[i]! * delta![i]!;
        m![i] = beta1 * m![i]! + (1 - beta1) * q * g[i]!;
        v![i] = beta2 * v![i]! + (1 - beta2) * q * q * g[i]! * g[i]!;
        s![i] = beta3 * s![i]! + q * q * (full.safeguardWarmup ? 1 : rate) * g[i]!;
        sum += Math.abs(s![i]!);
      }
    }
    if (sum === 0) {
      for (const { state } of tensors) state.d!.set([d, 0, r!, most || d0]);
      return;
    }
    const numerator = beta3 * r! + q * q * rate * dot;
    const estimate = (dCoef * numerator) / sum;
    const grown = d === d0 ? Math.max(d, estimate) : d;
    const dMax = Math.max(most || d0, estimate);
    const next = Math.min(dMax, grown * growthRate);
    for (const { param, state } of tensors) {
      state.d!.set([next, d, numerator, dMax]);
      for (let i = 0; i < param.length; i++) {
        const decay = decoupledWeightDecay ? weightDecay * param[i]! : 0;
        const direction = state.exp_avg![i]! / (Math.sqrt(state.exp_avg_sq![i]!) + (next / UNIT) * eps);
        const change = d * rate * (direction + decay);
        param[i] = param[i]! - change;
        state.delta![i] = state.delta![i]! + change;
      }
    }
  },
};
