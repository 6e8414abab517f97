import { describe, expect, it } from 'vitest';
import { type RuleRow, recordFor } from '../../src/optim/rule.js';
import {
  adadelta as ada,
  adagrad as grad,
  ftrl as leader,
  adamax as max,
  rmsprop as rms,
} from '../../src/optim/rules.gen.js';
import { type ReferenceRule, referenceRules, referenceState } from '../../src/reference/index.js';

/*
 * The references of the rules that divide by a gradient's history. Every number was computed outside this project from the
 * formula in the comment (mpmath, 40 digits), on one element starting at p = 1, or is printed in Keras' documentation or
 * tests. Columns: the parameter, then the state in the order of the slots.
 */

const { adagrad, adadelta, rmsprop, adamax, ftrl } = referenceRules;

const G = [1, -2, 0.5];

/** Steps one element, one update per gradient; `hyper` may depend on the update. */
function trace<H extends object>(
  rule: ReferenceRule<H>,
  gradients: number[],
  hyper: Partial<H> | ((t: number) => Partial<H>),
  start = 1,
) {
  const at = (t: number) => (typeof hyper === 'function' ? hyper(t) : hyper);
  const param = Float64Array.of(start);
  const state = referenceState(rule, 1, at(1));
  return gradients.map((g, i) => {
    rule.update(param, Float64Array.of(g), state, i + 1, at(i + 1));
    return [param[0]!, ...rule.slots(at(i + 1)).map((slot) => state[slot]![0]!)];
  });
}

function expectTrace(actual: number[][], expected: number[][]) {
  expect(actual.length).toBe(expected.length);
  for (const [t, row] of expected.entries()) {
    expect(actual[t]!.length).toBe(row.length);
    for (const [i, value] of row.entries()) {
      expect(Math.abs(actual[t]![i]! - value), `t = ${t + 1}, column ${i}: ${actual[t]![i]}`).toBeLessThanOrEqual(
        1e-13 * Math.abs(value),
      );
    }
  }
}

/** The first update of p = 1, 2, 3, 4 with g = 1, 6, 7, 2, as in `test_single_step` of each optimizer's tests in Keras. */
function firstSteps<H extends object>(rule: ReferenceRule<H>, hyper: Partial<H>) {
  return [1, 6, 7, 2].map((g, i) => expect.closeTo(trace(rule, [g], hyper, i + 1)[0]![0]!, 4));
}

describe('adagrad', () => {
  it('follows the paper', () => {
    // s = 1, 5, 5.25; p = 1 - 0.1, + 0.2 / sqrt(5), - 0.05 / sqrt(5.25), each root plus 1e-10
    expectTrace(trace(adagrad, G, { lr: 0.1 }), [
      [0.90000000001, 1],
      [0.9894427191059916, 5],
      [0.9676209300833447, 5.25],
    ]);
  });

  it('divides the rate by 1 + (t - 1) lrDecay, from the initial sum on', () => {
    // rates 0.1, 0.1 / 1.5, 0.1 / 2; s = 3 + 1, + 4, + 0.25
    expectTrace(trace(adagrad, G, { lr: 0.1, lrDecay: 0.5, initialAccumulatorValue: 3 }), [
      [0.9500000000025, 4],
      [0.9971404520799365, 8],
      [0.9884365692824546, 8.25],
    ]);
  });

  it('decays by L2, and climbs', () => {
    // t = 1: g = -1 + 1/2, so s = 1/4 and p rises by 0.1 · 0.5 / 0.5
    expectTrace(trace(adagrad, G, { lr: 0.1, weightDecay: 0.5, maximize: true }), [
      [1.09999999998, 0.25],
      [1.0018686250160749, 6.752499999949],
      [1.0018326699709243, 6.752500872888863],
    ]);
  });

  it('has eps outside the root, Keras inside', () => {
    // eps = 1/4: 0.1 / (1 + 0.25), and 0.1 / sqrt(1.25)
    expectTrace(trace(adagrad, G, { lr: 0.1, eps: 0.25 }), [
      [0.92, 1],
      [1.000448323139232, 5],
      [0.9807732595490833, 5.25],
    ]);
    expectTrace(trace(adagrad, G, { lr: 0.1, eps: 0.25, convention: 'keras' }), [
      [0.9105572809000084, 1],
      [0.9978444369944054, 5],
      [0.9765243653588443, 5.25],
    ]);
  });

  it("agrees with Keras at Keras' defaults", () => {
    const keras = { initialAccumulatorValue: 0.1, eps: 1e-7, convention: 'keras' } as const;
    expectTrace(trace(adagrad, G, { lr: 1e-3, ...keras }), [
      [0.9990465374540937, 1.1],
      [0.9999321523309512, 5.1],
      [0.9997159834823879, 5.35],
    ]);
    // p · 0.95 before each step
    expectTrace(trace(adagrad, G, { lr: 0.1, ...keras, weightDecay: 0.5, decoupledWeightDecay: true }), [
      [0.8546537454093613, 1.1],
      [0.9004825458246529, 5.1],
      [0.8338415336770914, 5.35],
    ]);
    expect([0.5233, 1.5007, 2.5005, 3.5061]).toEqual(firstSteps(adagrad, { lr: 0.5, ...keras }));
  });
});

describe('adadelta', () => {
  it('follows the paper, with the new average of squares', () => {
    // t = 1: v = 0.1, d = sqrt(1e-6) / sqrt(0.100001), a = 0.1 d²
    // t = 2: v = 0.09 + 0.4, d = -2 sqrt(a + 1e-6) / sqrt(0.490001), a = 0.9 a + 0.1 d²
    // t = 3: v = 0.441 + 0.025
    expectTrace(trace(adadelta, G, {}), [
      [0.9968377381511013, 0.1, 9.99990000099999e-7],
      [1.0008783341048182, 0.49, 2.532632566209251e-6],
      [0.999501676893294, 0.466, 2.4688878173924536e-6],
    ]);
  });

  it('has eps inside both roots and no memory with rho 0', () => {
    // eps = 1/4: v = 1, d = sqrt(1/4) / sqrt(5/4), a = d² = 1/5; then v = 4, d = -2 sqrt(9/20) / sqrt(17/4), a = 36/85
    expectTrace(trace(adadelta, G, { lr: 0.5, rho: 0, eps: 0.25 }), [
      [0.7763932022500211, 1, 1 / 5],
      [1.1017888889780052, 4, 36 / 85],
      [0.8116317307506263, 0.25, 0.33676470588235297],
    ]);
  });

  it('decays, and climbs', () => {
    expectTrace(trace(adadelta, G, { weightDecay: 0.5, maximize: true }), [
      [1.0031622144165124, 0.025, 9.99960001599936e-7],
      [0.9987684175184552, 0.6482908035941285, 2.8305091195776566e-6],
      [0.9987699953302052, 0.5834617611546009, 2.5474584565688824e-6],
    ]);
    // 0.95 p, then a tenth of the first test's steps
    expectTrace(trace(adadelta, G, { lr: 0.1, weightDecay: 0.5, decoupledWeightDecay: true }), [
      [0.9496837738151102, 0.1, 9.99990000099999e-7],
      [0.9026036447197263, 0.49, 2.532632566209251e-6],
      [0.8573357967625875, 0.466, 2.4688878173924536e-6],
    ]);
  });

  it("agrees with Keras at Keras' defaults", () => {
    const keras = { lr: 1e-3, rho: 0.95, eps: 1e-7, convention: 'keras' } as const;
    expectTrace(trace(adadelta, G, keras), [
      [0.9999985857878518, 0.05, 9.99998000004e-8],
      [1.0000003836528897, 0.2475, 2.5661574470133565e-7],
      [0.9999997836229386, 0.247625, 2.6178675457313203e-7],
    ]);
    expect([0.9993, 1.9993, 2.9993, 3.9993]).toEqual(firstSteps(adadelta, { ...keras, lr: 0.5 }));
  });
});

describe('rmsprop', () => {
  it('has no correction of its start', () => {
    // PyTorch's defaults: v = 0.01 and the first step is 0.01 / 0.1; v = 0.0099 + 0.04, then 0.049401 + 0.0025
    expectTrace(trace(rmsprop, G, {}), [
      [0.900000009999999, 0.01],
      [0.9895323021991522, 0.0499],
      [0.9675849505350489, 0.051901],
    ]);
  });

  it('momentum gathers quotients, not rates', () => {
    // alpha = 0.9: v = 0.1, 0.49, 0.466; b = 1 / sqrt(0.1), then 0.9 b - 2 / 0.7, then 0.9 b + 0.5 / sqrt(0.466)
    expectTrace(trace(rmsprop, G, { lr: 0.1, alpha: 0.9, momentum: 0.9 }), [
      [0.6837722439831617, 0.1, 3.1622775601683824],
      [0.6848815452006605, 0.49, -0.01109301217498695],
      [0.6126350754557397, 0.466, 0.7224646974492077],
    ]);
  });

  it('centered divides by the standard deviation', () => {
    // m = 0.1, -0.11, -0.049; v - m² = 0.09, 0.4779, 0.463599; first step 0.1 / 0.3
    expectTrace(trace(rmsprop, G, { lr: 0.1, alpha: 0.9, centered: true }), [
      [0.6666666777777774, 0.1, 0.1],
      [0.9559753646612991, 0.49, -0.11],
      [0.8825410996089905, 0.466, -0.049],
    ]);
  });

  it('all together', () => {
    // t = 1: g = -1 + 1/2, v = 0.025, m = -0.05, b = -0.5 / 0.15
    const hyper = { lr: 0.1, alpha: 0.9, momentum: 0.9, centered: true, weightDecay: 0.5, maximize: true };
    expectTrace(trace(rmsprop, G, hyper), [
      [1.3333333111111125, 0.025, -3.3333331111111257, -0.05],
      [1.3110113040676141, 0.7336111051851856, 0.2232200704349854, 0.22166666555555564],
      [1.2711150176442683, 0.662668195448113, 0.3989628642334584, 0.21505056420338076],
    ]);
  });

  it('a variance is never below 0', () => {
    // No gradients lead to such a state: only rounding, and then the root would be NaN.
    for (const convention of ['pytorch', 'keras'] as const) {
      const hyper = { alpha: 0.3, centered: true, convention };
      const state = { square_avg: Float64Array.of(1), grad_avg: Float64Array.of(2) };
      const param = Float64Array.of(1);
      // v - m² = 0.3 - 0.36 < 0, so 0: the denominator is 1e-8, or sqrt(1e-8)
      rmsprop.update(param, Float64Array.of(0), state, 1, hyper);
      expect([param[0], state.square_avg[0], state.grad_avg[0]]).toEqual([1, 0.3, 0.6]);
      rmsprop.update(
        param,
        Float64Array.of(1e-9),
        { square_avg: Float64Array.of(0), grad_avg: Float64Array.of(9) },
        1,
        hyper,
      );
      expect(param[0]).toBeCloseTo(convention === 'pytorch' ? 1 - 1e-3 : 1 - 1e-7, 12);
    }
  });

  it('has eps outside the root, Keras inside', () => {
    // eps = 1/4: 0.1 / (sqrt(0.1) + 0.25), and 0.1 / sqrt(0.35)
    expectTrace(trace(rmsprop, G, { lr: 0.1, alpha: 0.9, eps: 0.25 }), [
      [0.8233926239550988, 0.1],
      [1.0339189397445725, 0.49],
      [0.9803077964192887, 0.466],
    ]);
    for (const convention of ['keras', 'optax'] as const) {
      expectTrace(trace(rmsprop, G, { lr: 0.1, alpha: 0.9, eps: 0.25, convention }), [
        [0.8309691490542966, 0.1],
        [1.0634644265419353, 0.49],
        [1.0043744941360522, 0.466],
      ]);
    }
  });

  it("agrees with Keras at Keras' defaults", () => {
    const keras = { alpha: 0.9, eps: 1e-7, convention: 'keras' } as const;
    expectTrace(trace(rmsprop, G, { lr: 1e-3, ...keras }), [
      [0.9968377239209693, 0.1],
      [0.999694866486567, 0.49],
      [0.9989624181460195, 0.466],
    ]);
    expect([-0.5811, 0.4189, 1.4189, 2.4189]).toEqual(firstSteps(rmsprop, { lr: 0.5, ...keras }));
    // The example in Keras' documentation: p = 10, loss p²/2, lr 0.1.
    expect(trace(rmsprop, [10], { lr: 0.1, ...keras }, 10)[0]![0]).toBeCloseTo(9.683772, 6);
  });

  it("Keras' momentum gathers rates too", () => {
    const keras = { alpha: 0.9, eps: 1e-7, momentum: 0.9, convention: 'keras' } as const;
    // b = 0.1 / sqrt(0.1 + 1e-7), then 0.9 b - 0.2 / sqrt(0.49 + 1e-7) …
    expectTrace(trace(rmsprop, G, { lr: 0.1, ...keras }), [
      [0.6837723920969265, 0.1, 0.3162276079030735],
      [0.6848818015439315, 0.49, -0.0011094094470050673],
      [0.6126354359914925, 0.466, 0.07224636555243905],
    ]);
    expectTrace(
      trace(rmsprop, G, { lr: 0.1, ...keras, centered: true, weightDecay: 0.5, decoupledWeightDecay: true }),
      [
        [0.6166668518516976, 0.1, 0.33333314814830245, 0.1],
        [0.5751423367253949, 0.49, 0.010691172533717746, -0.11],
        [0.4633289063979711, 0.466, 0.08305631349115407, -0.049],
      ],
    );
    // After a fall of the rate Keras still moves by what the old rate gathered, PyTorch by the new rate alone.
    const falling = (t: number) => ({ lr: t === 1 ? 0.1 : 0, alpha: 0.9, eps: 1e-7, momentum: 0.9 });
    const moved = (convention: 'pytorch' | 'keras') => {
      const [first, second] = trace(rmsprop, [1, 1], (t) => ({ ...falling(t), convention }));
      return first![0]! - second![0]!;
    };
    expect(moved('pytorch')).toBe(0);
    expect(moved('keras')).toBeCloseTo(0.9 * 0.3162276079030735, 14);
  });

  it("starts from optax's initial scale", () => {
    // v = 0.9 + 0.1, 0.9 + 0.4, 1.17 + 0.025; b = 0.1 / sqrt(1 + 1e-8) …
    const hyper = { lr: 0.1, alpha: 0.9, momentum: 0.9, initialScale: 1, convention: 'optax' } as const;
    expectTrace(trace(rmsprop, G, hyper), [
      [0.9000000005, 1, 0.0999999995],
      [0.9854116041367458, 1.3, -0.08541160363674583],
      [1.0165431122265585, 1.195, -0.03113150808981272],
    ]);
  });
});

describe('adamax', () => {
  it('follows the paper', () => {
    // m = 0.1, -0.11, -0.049, corrected by 0.1, 0.19, 0.271; u = 1 + eps, 2 + eps, 0.999 (2 + eps)
    expectTrace(trace(adamax, G, { lr: 0.1 }), [
      [0.900000001, 0.1, 1.00000001],
      [0.9289473692763158, -0.11, 2.00000001],
      [0.9379970092770176, -0.049, 1.99800000999],
    ]);
    expect(trace(adamax, G, {}).map(([p]) => p)).toEqual([
      expect.closeTo(0.99800000002, 14),
      expect.closeTo(0.9985789473855263, 14),
      expect.closeTo(0.9987599401855404, 14),
    ]);
  });

  it('decays by L2, and climbs', () => {
    expectTrace(trace(adamax, G, { lr: 0.1, weightDecay: 0.5, maximize: true }), [
      [1.099999998, -0.05, 0.50000001],
      [1.0566563449228434, 0.2099999999, 2.550000009],
      [1.028868942951871, 0.19183281715614217, 2.547450008991],
    ]);
  });

  it('has eps inside the maximum, Keras beside it', () => {
    // beta2 = 1/2, eps = 1/4: u = 1.25, 2.25, max(1.125, 0.75); Keras 1, 2, max(1, 0.5), plus 0.25 in the quotient
    const hyper = { lr: 0.1, betas: [0.9, 0.5], eps: 0.25 } as const;
    expectTrace(trace(adamax, G, hyper), [
      [0.92, 0.1, 1.25],
      [0.9457309941520468, -0.11, 2.25],
      [0.961803154873654, -0.049, 1.125],
    ]);
    expectTrace(trace(adamax, G, { ...hyper, convention: 'keras' }), [
      [0.92, 0.1, 1],
      [0.9457309941520468, -0.11, 2],
      [0.9601959388014932, -0.049, 1],
    ]);
  });

  it("agrees with Keras at Keras' defaults", () => {
    const keras = { eps: 1e-7, convention: 'keras' } as const;
    expectTrace(trace(adamax, G, { lr: 1e-3, ...keras }), [
      [0.9990000001, 0.1, 1],
      [0.9992894737697369, -0.11, 2],
      [0.9993799701656669, -0.049, 1.998],
    ]);
    expectTrace(trace(adamax, G, { lr: 0.1, ...keras, weightDecay: 0.5, decoupledWeightDecay: true }), [
      [0.850000009999999, 0.1, 1],
      [0.8364473764736833, -0.11, 2],
      [0.8036746472430143, -0.049, 1.998],
    ]);
    expect([0.5, 1.5, 2.5, 3.5]).toEqual(firstSteps(adamax, { lr: 0.5, ...keras }));
  });
});

describe('ftrl', () => {
  // The expected values are minima of the paper's objective, from its explicit sums:
  //   Σ g·w + ½ Σ σ_s (w - w_s)² + ½ √n₀/lr·w² + l1·|w| + (½ beta/lr + l2)·w²,  σ_s = (√n_s - √n_{s-1}) / lr_s

  it('is Adagrad without penalties, as the paper says', () => {
    // n = 1, 5, 5.25; p = 1 - 0.1, + 0.2 / sqrt(5), - 0.05 / sqrt(5.25)
    expectTrace(trace(ftrl, G, { lr: 0.1, initialAccumulatorValue: 0 }), [
      [0.9, 1, -9],
      [0.9894427190999916, 5, -22.12461179749811],
      [0.9676209300763924, 5.25, -22.1709807804932],
    ]);
  });

  it("has Keras' defaults", () => {
    // sqrt(0.1) / lr pulls towards 0 from the start: p = (√1.1 - √0.1 - lr) / √1.1
    expectTrace(trace(ftrl, G, {}), [
      [0.6975351928329908, 1.1, -731.5810821533136],
      [0.6984208077185309, 5.1, -1577.2562524004925],
      [0.6982046388679474, 5.35, -1614.9520085412619],
    ]);
    expectTrace(trace(ftrl, G, { lr: 0.1 }), [
      [0.6031423964976772, 1.1, -6.325810821533136],
      [0.6917038850516867, 5.1, -15.620873053186061],
      [0.6700869999933309, 5.35, -15.49915721401113],
    ]);
    expect([0.2218, 1.3954, 2.3651, 2.8814]).toEqual(firstSteps(ftrl, { lr: 0.5 }));
  });

  it('l1 gives zeros', () => {
    // t = 1: z = 1 - 10 = -9, |z| ≤ 9.5; t = 2: z = -11, p = 1.5 · 0.1 / sqrt(5)
    expectTrace(trace(ftrl, G, { lr: 0.1, initialAccumulatorValue: 0, l1: 9.5 }), [
      [0, 1, -9],
      [0.0670820393249937, 5, -11],
      [0.04526025030139445, 5.25, -10.53704261489394],
    ]);
  });

  it('all together, and with a falling rate', () => {
    // t = 1: σ = 10 (√1.25 - 1/2), z = 1 + 1/4 - σ, p = (-1/2 - z) / (10 (1 + √1.25) + 1.5)
    const hyper = { lr: 0.1, initialAccumulatorValue: 0.25, l1: 0.5, l2: 0.75, l2Shrinkage: 0.125, beta: 1 };
    expectTrace(trace(ftrl, G, hyper), [
      [0.19533833749735308, 1.25, -4.930339887498948],
      [0.2520370358365707, 5.25, -9.173319885387478],
      [0.2359290022573673, 5.5, -8.746209077896589],
    ]);
    expectTrace(
      trace(ftrl, G, (t) => ({ lr: 0.2 / 2 ** t })),
      [
        [0.6031423964976772, 1.1, -6.325810821533136],
        [0.5073673351081728, 5.1, -22.915935284838987],
        [0.2542775443150411, 5.35, -23.5258265590631],
      ],
    );
  });

  it('decays, and climbs', () => {
    expectTrace(trace(ftrl, G, { lr: 0.1, weightDecay: 0.5, maximize: true }), [
      [0.5499929416480029, 0.35, -3.2538021229312366],
      [0.45321181926677795, 5.525608942261662, -10.653475223259704],
      [0.464764463813034, 5.600353270909048, -10.998681497568358],
    ]);
    // 0.95 p in σ·p only
    expectTrace(trace(ftrl, G, { lr: 0.1, weightDecay: 0.5, decoupledWeightDecay: true }), [
      [0.5682179637265653, 1.1, -5.959520280456479],
      [0.6415631537718725, 5.1, -14.488535914357694],
      [0.6191878125773761, 5.35, -14.321855598201315],
    ]);
  });

  it('forgets where it was when no gradient came', () => {
    expectTrace(trace(ftrl, [0, 0], {}), [
      [0, 0.1, 0],
      [0, 0.1, 0],
    ]);
    // No curvature: 0/0 in the formula.
    expectTrace(trace(ftrl, [0, 1], { lr: 0.1, initialAccumulatorValue: 0 }), [
      [0, 0, 0],
      [-0.1, 1, 1],
    ]);
  });
});

describe('the rows of these rules', () => {
  const keras = (row: unknown) => (row as RuleRow).conventions?.keras;
  const refused = expect.objectContaining({ name: 'DownhillError', code: 'HYPER-RANGE' });

  it("have Keras' defaults", () => {
    expect(grad({ convention: 'keras' }).hyper).toMatchObject({ lr: 1e-3, initialAccumulatorValue: 0.1, eps: 1e-7 });
    expect(ada({ convention: 'keras' }).hyper).toMatchObject({ lr: 1e-3, rho: 0.95, eps: 1e-7 });
    expect(rms({ convention: 'keras' }).hyper).toMatchObject({ lr: 1e-3, alpha: 0.9, eps: 1e-7, momentum: 0 });
    expect(max({ convention: 'keras' }).hyper).toMatchObject({ lr: 1e-3, betas: [0.9, 0.999], eps: 1e-7 });
    for (const rule of [grad, ada, rms, max]) expect(keras(rule.row)).toMatchObject({ decoupledWeightDecay: true });
    expect(rms({ convention: 'optax' }).hyper).toMatchObject({ alpha: 0.9, eps: 1e-8, decoupledWeightDecay: false });
    expect(leader().hyper).toMatchObject({
      lr: 1e-3,
      initialAccumulatorValue: 0.1,
      l1: 0,
      l2: 0,
      l2Shrinkage: 0,
      beta: 0,
    });
  });

  it('start their state where the references do', () => {
    const cases = [
      [grad.row, adagrad, { initialAccumulatorValue: 0.5 }],
      [rms.row, rmsprop, { initialScale: 0.5, momentum: 0.9, centered: true }],
      [leader.row, ftrl, {}],
    ] as unknown as [RuleRow, ReferenceRule, Readonly<Record<string, number | boolean>>][];
    for (const [row, reference, options] of cases) {
      const hyper = { ...reference.defaults, ...options } as Parameters<RuleRow['slots']>[0];
      expect(row.slots(hyper)).toEqual(reference.slots(options));
      for (const slot of row.slots(hyper)) {
        expect(row.initial!(slot, hyper), slot).toBe(reference.initial!(slot, options));
      }
    }
    expect((grad.row as unknown as RuleRow).initial!('sum', { initialAccumulatorValue: () => 2 })).toBe(2);
  });

  it('carry float64 scalars', () => {
    expect(recordFor(grad({ lr: 0.1, lrDecay: 0.5 }), 2)).toMatchObject({
      step_size: 0.05,
      eps_inside: 0,
      eps_outside: 1e-10,
    });
    expect(recordFor(ada({ rho: 0.95 }), 0).rho_c).toBe(1 - 0.95);
    expect(recordFor(rms({ convention: 'keras' }), 0)).toMatchObject({
      eps_inside: 1e-7,
      eps_outside: 0,
      lr_inside: 1e-3,
      lr_outside: 1,
    });
    expect(recordFor(rms(), 0)).toMatchObject({ eps_inside: 0, eps_outside: 1e-8, lr_inside: 1, lr_outside: 1e-2 });
    expect(recordFor(max(), 2).step_size).toBeCloseTo(2e-3 / 0.271, 16);
    expect(recordFor(leader({ lr: 0.1, l2: 3, beta: 1, l2Shrinkage: 2 }), 0)).toMatchObject({
      ridge: 1 + 6 * 0.1,
      shrinkage: 4,
    });
  });

  it.each<[string, () => unknown]>([
    ['adagrad lrDecay -0.5', () => grad({ lrDecay: -0.5 })],
    ['adagrad initialAccumulatorValue -0.1', () => grad({ initialAccumulatorValue: -0.1 })],
    ['adagrad eps 0', () => grad({ eps: 0 })],
    ['adadelta rho 1.1', () => ada({ rho: 1.1 })],
    ['adadelta rho 1', () => ada({ rho: 1 })],
    ['rmsprop momentum -1', () => rms({ momentum: -1 })],
    ['rmsprop alpha 1 in f32', () => rms({ alpha: 1 - 1e-9 })],
    ['rmsprop initialScale NaN', () => rms({ initialScale: Number.NaN })],
    ['adamax beta2 1', () => max({ betas: [0.9, 1] })],
    ['ftrl lr 0', () => leader({ lr: 0 })],
    ['ftrl l1 -1', () => leader({ l1: -1 })],
    ['ftrl beta Infinity', () => leader({ beta: Number.POSITIVE_INFINITY })],
  ])('refuse %s', (_, make) => {
    expect(make).toThrow(refused);
  });
});

describe('Adam of the lecture’s code', () => {
  it('divides the moments that it keeps, so that the divisors multiply up', () => {
    const hyper = { lr: 0.1, betas: [0.9, 0.99] as [number, number], eps: 1e-8, convention: 'notes' };
    const rule = referenceRules.adam;
    const param = Float64Array.of(1);
    const state = referenceState(rule, 1, hyper);
    rule.update(param, Float64Array.of(2), state, 1, hyper);
    // The first step is that of the paper but for eps: m̂ = g, v̂ = g².
    expect(param[0]).toBeCloseTo(1 - (0.1 * 2) / Math.sqrt(4 + 1e-8), 14);
    rule.update(param, Float64Array.of(2), state, 2, hyper);
    const [m, v] = [(0.9 * 2 + 0.1 * 2) / (1 - 0.9 ** 2), (0.99 * 4 + 0.01 * 4) / (1 - 0.99 ** 2)];
    expect(state.exp_avg![0]).toBeCloseTo(m, 12);
    expect(state.exp_avg_sq![0]).toBeCloseTo(v, 11);
    for (let t = 3; t <= 30; t++) rule.update(param, Float64Array.of(2), state, t, hyper);
    const before = param[0]!;
    rule.update(param, Float64Array.of(2), state, 31, hyper);
    expect(Math.abs(param[0]! - before)).toBeLessThan(1e-8 * hyper.lr);
  });
});
