import { describe, expect, it } from 'vitest';
import { recordFor } from '../../src/optim/rule.js';
import { adan as adanRule, lion as lionRule, yogi as yogiRule } from '../../src/optim/rules.gen.js';
import { type ReferenceRule, referenceRules, referenceState } from '../../src/reference/index.js';

/*
 * Lion, Signum, Adan, Yogi, AdaBelief, Sophia-G and the schedule-free rules: every number follows from the formula of the paper (where said, of the authors' code
 * or of another framework) by exact arithmetic outside this project (Python's Fraction; mpmath with 40 digits where there
 * is a root), on one element starting at p = 1.
 */

const { lion, signum, adan, yogi, adabelief, scheduleFreeSgd, scheduleFreeAdamw, sophia } = referenceRules;

/** Steps one element from p = 1, one update per gradient. */
function trace<H extends object>(rule: ReferenceRule<H>, gradients: number[], hyper: Partial<H>) {
  const param = Float64Array.of(1);
  const state = referenceState(rule, 1, hyper);
  return gradients.map((g, i) => {
    rule.update(param, Float64Array.of(g), state, i + 1, hyper);
    return [param[0]!, ...rule.slots(hyper).map((slot) => state[slot]![0]!)];
  });
}

/** 1 - 0.999^t loses three digits in float64, hence 1e-12 and not 1e-15. */
function expectTrace(actual: number[][], expected: number[][]) {
  expect(actual.length).toBe(expected.length);
  for (const [t, row] of expected.entries()) {
    expect(actual[t]!.length).toBe(row.length);
    for (const [i, value] of row.entries()) {
      expect(Math.abs(actual[t]![i]! - value), `t = ${t + 1}, column ${i}: ${actual[t]![i]}`).toBeLessThanOrEqual(
        1e-12 * Math.abs(value),
      );
    }
  }
}

const G = [1, -2, 0.5];

describe('schedule-free', () => {
  it('SGD: the authors’ update of y, by hand', () => {
    // y += c (z - y) - lr (1 - momentum (1 - c)) g, z -= lr g, with the z of before; c = 1, 1/2, 1/3.
    // t = 2: 0 + 3/4 · 2. t = 3: 3/2 + (1/2)/3 - (2/3)/2.
    expectTrace(trace(scheduleFreeSgd, G, { lr: 1, momentum: 0.5 }), [
      [0, 0],
      [1.5, 2],
      [4 / 3, 1.5],
    ]);
    // Of a rate that falls the largest so far counts: c stays 1/t. With weightLrPower 0 and r 1 it is t / (1 + … + t).
    const state: Record<string, Float64Array> = referenceState(scheduleFreeSgd, 1);
    state.weights = new Float64Array(2);
    const param = Float64Array.of(1);
    const falling = G.map((g, i) => {
      scheduleFreeSgd.update(param, Float64Array.of(g), state, i + 1, { lr: [1, 0.5, 0.25][i]!, momentum: 0.5 });
      return [param[0]!, state.z![0]!];
    });
    expectTrace(falling, [
      [0, 0],
      [0.75, 1],
      [0.75 + 0.25 / 3 - 0.25 / 3, 0.875],
    ]);
    expectTrace(trace(scheduleFreeSgd, G.slice(0, 2), { lr: 1, momentum: 0.5, r: 1, weightLrPower: 0 }), [
      [0, 0],
      [2 * (1 - 0.5 / 3), 2],
    ]);
  });

  it('AdamW: with warm-up, weights and decay, by hand', () => {
    const hyper = { lr: 0.1, betas: [0.5, 0.5] as const, eps: 0, warmupSteps: 2, r: 1 };
    // gamma = 0.05, 0.1; w = 0.05², 2 · 0.1²; c = 1, 8/9; v = 1/2, 9/4, corrected 1, 3.
    const d = -2 / Math.sqrt(3);
    expectTrace(trace(scheduleFreeAdamw, G.slice(0, 2), hyper), [
      [0.95, 0.95, 0.5],
      [0.95 - 0.1 * (17 / 18) * d, 0.95 - 0.1 * d, 2.25],
    ]);
    // The decay at y, behind the division; before it, g = 1 + 1/4 is 1 again.
    expectTrace(trace(scheduleFreeAdamw, [1], { ...hyper, weightDecay: 0.25 }), [[0.9375, 0.9375, 0.5]]);
    const coupled = { ...hyper, weightDecay: 0.25, decoupledWeightDecay: false };
    expectTrace(trace(scheduleFreeAdamw, [1], coupled), [[0.95, 0.95, 0.78125]]);
  });
});

describe('sophia', () => {
  it('divides the momentum by the curvature as it is then, and clips to 1', () => {
    const hyper = { lr: 0.25, betas: [0.5, 0.5] as const, rho: 0.5, batchSize: 2, weightDecay: 0 };
    const [param, state] = [Float64Array.of(1), referenceState(sophia, 1)];
    const rows = G.map((g, i) => {
      sophia.update(param, Float64Array.of(g), state, i + 1, hyper);
      const row = [param[0]!, state.exp_avg![0]!, state.hessian![0]!];
      sophia.curvature!(Float64Array.of([2, -1, 0][i]!), state, hyper);
      return row;
    });
    // h = 0: the sign of m = 1/2. m = 1/4 - 1, over h = 4/2: 3/8. m = -3/8 + 1/4, over h = 1 + 1/2: 1/12.
    expectTrace(rows, [
      [0.75, 0.5, 0],
      [0.84375, -0.75, 2],
      [0.84375 + 1 / 48, -0.125, 1.5],
    ]);
    expect(state.hessian![0]).toBe(0.75);
  });

  it('has the authors’ defaults', () => {
    // m = 0.035·2; the decay takes 1e-5 of p = 1 off, decoupled; h = 0.01·0.01²; over 0.04·5120·1e-6 + 1e-15 more than 1.
    const [param, state] = [Float64Array.of(1), referenceState(sophia, 1)];
    sophia.curvature!(Float64Array.of(0.01), state);
    sophia.update(param, Float64Array.of(2), state, 1);
    expectTrace([[param[0]!, state.exp_avg![0]!, state.hessian![0]!]], [[1 - 1e-5 - 1e-4, 0.07, 1e-6]]);
  });
});

describe('lion', () => {
  it('moves by lr along the sign of the old momentum with the gradient mixed in', () => {
    // c = 0.1; m = 0.01. c = 0.009 - 0.2 = -0.191; m = 0.0099 - 0.02 = -0.0101.
    // c = -0.00909 + 0.05 = 0.04091; m = -0.009999 + 0.005 = -0.004999. Without a gradient c = 0.9 m < 0, m = 0.99 m.
    expectTrace(trace(lion, [...G, 0], { lr: 0.1 }), [
      [0.9, 0.01],
      [1, -0.0101],
      [0.9, -0.004999],
      [1, -0.00494901],
    ]);
  });

  it('takes the sign of the mixture, not of the gradient or of the new momentum', () => {
    // betas 1/2: c = 1/2, m = 1/2. g = -1/16: c = 7/32 > 0 though g < 0. g = -1/4: c = 7/64 - 1/8 = -1/64.
    expectTrace(trace(lion, [1, -1 / 16, -1 / 4], { lr: 0.1, betas: [0.5, 0.5] }), [
      [0.9, 1 / 2],
      [0.8, 7 / 32],
      [0.9, -1 / 64],
    ]);
    // betas [1/2, 7/8]: m = 1/8, then g = -1/4: c = 1/16 - 1/8 < 0, whereas the new momentum, 7/64 - 2/64, is > 0.
    expectTrace(trace(lion, [1, -1 / 4], { lr: 0.1, betas: [0.5, 0.875] }), [
      [0.9, 1 / 8],
      [1, 5 / 64],
    ]);
  });

  it('stays where the mixture is 0', () => {
    // m = 1/2, then g = -1/2 leaves c = m = 0, and so does g = 0
    expectTrace(trace(lion, [1, -1 / 2, 0], { lr: 0.25, betas: [0.5, 0.5] }), [
      [0.75, 0.5],
      [0.75, 0],
      [0.75, 0],
    ]);
  });

  it('decays the parameter first, by lr · weightDecay', () => {
    // 0.95 p before each of the steps of the first test: 0.95 - 0.1; 0.8075 + 0.1; 0.862125 - 0.1
    expectTrace(trace(lion, G, { lr: 0.1, weightDecay: 0.5 }), [
      [17 / 20, 0.01],
      [363 / 400, -0.0101],
      [6097 / 8000, -0.004999],
    ]);
  });

  it('takes an L2 penalty instead, and maximizes', () => {
    // g = -1 + 1/2: c = -0.05, m = -0.005. g = 2 + 11/20 = 2.55: c = -0.0045 + 0.255, m = -0.00495 + 0.0255.
    // g = -1/2 + 1/2 = 0: c = 0.018495 still moves; m = 0.99 m.
    const hyper = { lr: 0.1, weightDecay: 0.5, decoupledWeightDecay: false, maximize: true };
    expectTrace(trace(lion, G, hyper), [
      [1.1, -0.005],
      [1, 0.02055],
      [0.9, 0.0203445],
    ]);
  });

  it("has the authors' defaults", () => {
    expect(lion.defaults).toEqual({
      lr: 1e-4,
      betas: [0.9, 0.99],
      convention: 'pytorch',
      weightDecay: 0,
      decoupledWeightDecay: true,
      maximize: false,
    });
  });

  it("has Keras' rate with its convention, and the same formula", () => {
    expect(trace(lion, G, { convention: 'keras' })).toEqual(trace(lion, G, { lr: 1e-3 }));
    expect(lionRule({ convention: 'keras' }).hyper).toMatchObject({ lr: 1e-3, betas: [0.9, 0.99], weightDecay: 0 });
    expect(lionRule().hyper.lr).toBe(1e-4);
  });
});

describe('signum', () => {
  it('moves by lr against the sign of the average', () => {
    // b = 0.1; 0.09 - 0.001 = 0.089, still > 0; 0.0801 - 0.2 = -0.1199; without a gradient 0.9 b < 0
    expectTrace(trace(signum, [1, -0.01, -2, 0], { lr: 0.1 }), [
      [0.9, 0.1],
      [0.8, 0.089],
      [0.9, -0.1199],
      [1, -0.10791],
    ]);
  });

  it('is signSGD without momentum: no state, and 0 stays', () => {
    expectTrace(trace(signum, [1, -0.01, -2, 0], { lr: 0.1, momentum: 0 }), [[0.9], [1], [1.1], [1.1]]);
    expect(signum.slots({ momentum: 0 })).toEqual([]);
    expect(signum.slots()).toEqual(['momentum_buffer']);
  });

  it('weight decay is L2, unless decoupled; maximize negates the gradient alone', () => {
    // g = 3/2, b = 0.15; g = -2 + 0.45, b = 0.135 - 0.155; g = 0.5 + 0.5, b = -0.018 + 0.1
    expectTrace(trace(signum, G, { lr: 0.1, weightDecay: 0.5 }), [
      [0.9, 0.15],
      [1, -0.02],
      [0.9, 0.082],
    ]);
    // g = -1/2, b = -0.05; g = 2.55, b = -0.045 + 0.255; g = -0.5 + 0.5, b = 0.9 b
    expectTrace(trace(signum, G, { lr: 0.1, weightDecay: 0.5, maximize: true }), [
      [1.1, -0.05],
      [1, 0.21],
      [0.9, 0.189],
    ]);
    // 0.95 p, then the step: 0.95 - 0.1; 0.8075 + 0.1; 0.862125 + 0.1 (b = 0.1, -0.11, -0.049)
    expectTrace(trace(signum, G, { lr: 0.1, weightDecay: 0.5, decoupledWeightDecay: true }), [
      [17 / 20, 0.1],
      [363 / 400, -0.11],
      [7697 / 8000, -0.049],
    ]);
  });
});

/** m, n, v and the gradient kept, which no decay of the weights themselves touches. */
const ADAN_STATE = [
  [0.02, 0.01, 0, 1],
  [-0.0204, 0.236476, -0.24, -2],
  [-0.009992, 0.31251124, -0.0208, 0.5],
];
const withState = (params: number[], state = ADAN_STATE) => params.map((p, t) => [p, ...state[t]!]);

describe('adan', () => {
  it("follows the authors' code", () => {
    // t = 1: d = 0, m = 0.02, n = 0.01: p = 1 - 0.1 · 1 / (1 + 1e-8).
    // t = 2: d = -3, m = 0.0196 - 0.04, v = 0.08 · -3, n = 0.0099 + 0.01 (2 + 0.92 · 3)² = 0.236476;
    //        p += 0.1 · (0.0204 / 0.0396 + 0.92 · 0.24 / 0.1536) / (sqrt(0.236476 / 0.0199) + 1e-8).
    // t = 3: d = 2.5, v = -0.2208 + 0.2, n = 0.99 n + 0.01 (0.5 + 2.3)²; 1 - 0.98³ = 0.058808, 1 - 0.92³ = 0.221312.
    const params = [0.900000001, 0.9566445005721903, 0.9645481637308482];
    expectTrace(trace(adan, G, { lr: 0.1 }), withState(params));
  });

  it('divides by 1 + lr · weightDecay after the step', () => {
    // the steps of the first test, each result divided by 1.05
    const params = [0.857142858095238, 0.8702736739689794, 0.8363593686929879];
    expectTrace(trace(adan, G, { lr: 0.1, weightDecay: 0.5 }), withState(params));
  });

  it('multiplies by 1 - lr · weightDecay before it with noProx', () => {
    const params = [0.850000001, 0.8641445005221903, 0.8288409386547386];
    expectTrace(trace(adan, G, { lr: 0.1, weightDecay: 0.5, noProx: true }), withState(params));
  });

  it("mixes with 1 - beta2 and adds 1e-8 under the root in optax' convention", () => {
    // n = 0.0099 + 0.01 (2 + 0.08 · 3)² = 0.060076, then 0.99 n + 0.01 (0.5 + 0.2)²; t = 1: 1 / (sqrt(1 + 1e-8) + 1e-8)
    const state = ADAN_STATE.map(([m, , v, g], t) => [m!, [0.01, 0.060076, 0.06437524][t]!, v!, g!]);
    const params = [0.8500000015, 0.8443433256908957, 0.8141778343371333];
    const hyper = { lr: 0.1, weightDecay: 0.5, convention: 'optax' };
    expectTrace(trace(adan, G, hyper), withState(params, state));
    expectTrace(trace(adan, G, { ...hyper, noProx: true, epsRoot: 1e-8 }), withState(params, state));
  });

  it('takes an L2 penalty instead, which the kept gradient contains', () => {
    expectTrace(trace(adan, G, { lr: 0.1, weightDecay: 0.5, decoupledWeightDecay: false }), [
      [0.9000000006666666, 0.03, 0.0225, 0, 1.5],
      [0.9460114423944194, -0.0015999999933333333, 0.2120223599442432, -0.24399999997333333, -1.5499999996666667],
      [0.9395937144148343, 0.017892114430477526, 0.3184177610889008, -0.022639542306356557, 0.9730057211972096],
    ]);
  });

  it('maximize mirrors the steps', () => {
    const state = ADAN_STATE.map(([m, n, v, g]) => [-m!, n!, -v!, -g!]);
    const params = [1.099999999, 1.0433554994278098, 1.0354518362691518];
    expectTrace(trace(adan, G, { lr: 0.1, maximize: true }), withState(params, state));
  });

  it('has host scalars in which decay and a shorter step are the division', () => {
    // a = lr · weightDecay = 0.05: p / 1.05 = p - p · 0.05 / 1.05; the step of t = 2 is 0.1 / 1.05 / (1 - 0.98²)
    const prox = recordFor(adanRule({ lr: 0.1, weightDecay: 0.5 }), 1);
    expect(prox.decay).toBeCloseTo(0.05 / 1.05, 15);
    expect(prox.step_size).toBeCloseTo(0.1 / 1.05 / 0.0396, 12);
    expect(prox.step_size_diff).toBeCloseTo((0.1 * 0.92) / 1.05 / 0.1536, 12);
    const plain = recordFor(adanRule({ lr: 0.1, weightDecay: 0.5, noProx: true }), 1);
    expect(plain.decay).toBeCloseTo(0.05, 15);
    expect(plain.step_size).toBeCloseTo(0.1 / 0.0396, 12);
    const l2 = recordFor(adanRule({ lr: 0.1, weightDecay: 0.5, decoupledWeightDecay: false }), 1);
    expect(l2).toMatchObject({ decay: 0, l2: 0.5 });
    expect(l2.step_size).toBeCloseTo(0.1 / 0.0396, 12);
  });

  it('refuses noProx where the decay is not decoupled', () => {
    expect(() => adanRule({ noProx: true, decoupledWeightDecay: false })).toThrow(
      expect.objectContaining({ name: 'DownhillError', code: 'HYPER-RANGE' }),
    );
    expect(adanRule({ convention: 'optax', decoupledWeightDecay: false }).hyper.noProx).toBe(true);
  });
});

/** m and v after G from v = 1e-6: v moves by a thousandth of g² each time, m as Adam's. */
const YOGI_STATE = [
  [0.1, 0.001001],
  [-0.11, 0.005001],
  [-0.049, 0.005251],
];

describe('yogi', () => {
  it('follows optax from m = 0', () => {
    // p = 1 - 0.1 / (sqrt(1.001) + 0.001); p += 0.1 · (0.11 / 0.19) / (sqrt(0.005001 / 0.001999) + 0.001);
    // p += 0.1 · (0.049 / 0.271) / (sqrt(0.005251 / 0.002997001) + 0.001)
    const params = [0.9001497628806362, 0.93672966718001, 0.9503793087551738];
    expectTrace(trace(yogi, G, { lr: 0.1 }), withState(params, YOGI_STATE));
  });

  it("has eps beside the uncorrected root in TensorFlow Addons' form", () => {
    // p = 1 - 0.1 · sqrt(0.001) / 0.1 · 0.1 / (sqrt(0.001001) + 0.001), and so on
    const params = [0.9031122901539222, 0.9392049453295794, 0.9526789575948591];
    expectTrace(trace(yogi, G, { lr: 0.1, convention: 'keras' }), withState(params, YOGI_STATE));
  });

  it('starts m at 1e-6 too in optax’ form, which moves weights without a gradient', () => {
    expectTrace(trace(yogi, G, { lr: 0.1, convention: 'optax' }), [
      [0.9001488642285019, 0.1000009, 0.001001],
      [0.9367284991667622, -0.10999919, 0.005001],
      [0.950377937668687, -0.048999271, 0.005251],
    ]);
    expectTrace(trace(yogi, [0, 0], { lr: 0.1, convention: 'optax' }), [
      [0.9999724119129715, 9e-7, 1e-6],
      [0.9999541669918859, 8.1e-7, 1e-6],
    ]);
    const { row, hyper } = yogiRule({ convention: 'optax' });
    expect(['exp_avg', 'exp_avg_sq'].map((slot) => row.initial!(slot, hyper))).toEqual([1e-6, 1e-6]);
  });

  it('moves v towards g² by a share of g², down as well as up', () => {
    // beta2 = 1/2, v = 3/4: g² = 1 above: + 1/2; g² = 1/4 below: - 1/8; g² = 4 above: + 2
    const hyper = { lr: 0.1, betas: [0.9, 0.5], initialAccumulatorValue: 0.75 } as const;
    expectTrace(trace(yogi, [1, 0.5, 2], hyper), [
      [0.9367944215144011, 0.1, 5 / 4],
      [0.8766805982824408, 0.14, 9 / 8],
      [0.8130600249404842, 0.326, 25 / 8],
    ]);
  });

  it('leaves v alone where it is g²', () => {
    // v = 1 = g²; then 1 - 1/8; then 7/8 + 1/2
    const hyper = { lr: 0.1, betas: [0.9, 0.5], initialAccumulatorValue: 1 } as const;
    expectTrace(trace(yogi, [1, 0.5, 1], hyper), [
      [0.9293392865509885, 0.1, 1],
      [0.8611840628858268, 0.14, 7 / 8],
      [0.7947110265710292, 0.226, 11 / 8],
    ]);
  });

  it('weight decay is L2; maximize negates the gradient alone', () => {
    expectTrace(trace(yogi, G, { lr: 0.1, weightDecay: 0.5, maximize: true }), [
      [1.0996017916396108, -0.05, 0.000251],
      [1.0395033960324507, 0.20998008958198056, 0.006752484608323482],
      [0.9925894669735061, 0.190957250425405, 0.006752094478748958],
    ]);
  });

  it('starts v at 1e-6, or at the first value of a schedule, and moves nothing without a gradient', () => {
    expect(referenceState(yogi, 1)).toEqual({ exp_avg: Float64Array.of(0), exp_avg_sq: Float64Array.of(1e-6) });
    expect(trace(yogi, [0, 0, 0], {})).toEqual(Array(3).fill([1, 0, 1e-6]));
    const { row, hyper } = yogiRule({ initialAccumulatorValue: (count) => 0.25 + count });
    expect(row.initial!('exp_avg_sq', hyper)).toBe(0.25);
    expect(row.initial!('exp_avg', hyper)).toBe(0);
  });
});

describe('adabelief', () => {
  const STATE = [
    [0.1, 0.0008100000000001],
    [-0.11, 0.0043812900000002],
    [-0.049, 0.004678309710000299],
  ];

  it('follows the paper', () => {
    // m = 0.1, s = 0.001 · 0.9² + 1e-16: p = 1 - 0.1 · 1 / (sqrt(0.81 + 1e-13) + 1e-16).
    // m = -0.11, s = 0.999 s + 0.001 · 1.89² + 1e-16; p += 0.1 · (0.11 / 0.19) / sqrt(s / 0.001999).
    // m = -0.049, s = 0.999 s + 0.001 · 0.549² + 1e-16; p += 0.1 · (0.049 / 0.271) / sqrt(s / 0.002997001)
    const params = [0.8888888888888957, 0.9279949866027197, 0.9424668931185293];
    expectTrace(trace(adabelief, G, { lr: 0.1 }), withState(params, STATE));
  });

  it('adds eps to s at every step, which keeps it, and to the root', () => {
    // eps = 1/8, beta2 = 1/2: s = 0.405 + 1/8; s/2 + 1.89²/2 + 1/8; s/2 + 0.549²/2 + 1/8;
    // p = 1 - 0.1 / (sqrt(0.53 / 0.5) + 1/8)
    expectTrace(trace(adabelief, G, { lr: 0.1, betas: [0.9, 0.5], eps: 0.125 }), [
      [0.9133871440719378, 0.1, 0.53],
      [0.9450521689332355, -0.11, 2.17605],
      [0.9582172812979199, -0.049, 1.3637255],
    ]);
    // Without a gradient s still grows, and p stays: s = 1/8, 3/16, 7/32.
    expect(trace(adabelief, [0, 0, 0], { lr: 0.1, betas: [0.9, 0.5], eps: 0.125 })).toEqual([
      [1, 0, 1 / 8],
      [1, 0, 3 / 16],
      [1, 0, 7 / 32],
    ]);
  });

  it('decays the parameter first, by lr · weightDecay', () => {
    const params = [0.8388888888888958, 0.8360505421582749, 0.8087199215661707];
    expectTrace(trace(adabelief, G, { lr: 0.1, weightDecay: 0.5 }), withState(params, STATE));
  });
});
