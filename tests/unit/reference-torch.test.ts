import { describe, expect, it } from 'vitest';
import { type Rule, recordFor } from '../../src/optim/rule.js';
import { adam, adamw, nadam, radam, rprop, sgd } from '../../src/optim/rules.gen.js';
import { type ReferenceRule, referenceRules, referenceState } from '../../src/reference/index.js';

/*
 * NAdam, RAdam, ASGD, Rprop and the conventions of SGD and Adam: the oracle against numbers that were derived from the
 * formulas of PyTorch, Keras and optax outside this project (mpmath, 40 digits), on one element starting at p = 1; and
 * what the rows add to the formulas.
 */

const reference = referenceRules;

/** Steps one element from p = 1, one update per gradient: p and the state after each. */
function trace<H extends object>(rule: ReferenceRule<H>, gradients: readonly number[], hyper: Partial<H>) {
  const param = Float64Array.of(1);
  const state = referenceState(rule, 1, hyper);
  return gradients.map((g, i) => {
    rule.update(param, Float64Array.of(g), state, i + 1, hyper);
    return [param[0]!, ...rule.slots(hyper).map((slot) => state[slot]![0]!)];
  });
}

/** 1 - 0.999^t loses three digits in float64, hence 1e-12 and not 1e-15. */
function expectTrace(actual: readonly number[][], expected: readonly number[][], relative = 1e-12) {
  expect(actual.length).toBe(expected.length);
  for (const [t, row] of expected.entries()) {
    for (const [i, value] of row.entries()) {
      expect(Math.abs(actual[t]![i]! - value), `t = ${t + 1}, column ${i}: ${actual[t]![i]}`).toBeLessThanOrEqual(
        relative * Math.abs(value),
      );
    }
  }
}

const only = (rows: readonly number[][]) => rows.map(([p]) => [p!]);

const G = [1, -2, 0.5];

describe('sgd, ema', () => {
  it('is the weighted average of the gradients so far', () => {
    // b = 0.1, -0.11, -0.049; divided by 1 - 0.9^t = 0.1, 0.19, 0.271: p = 0.9, 0.9 + 0.011/0.19, … + 0.0049/0.271
    expectTrace(trace(reference.sgd, G, { lr: 0.1, momentum: 0.9, ema: true }), [
      [0.9, 0.1],
      [0.9578947368421054, -0.11],
      [0.9759759176539134, -0.049],
    ]);
  });

  it('takes a constant gradient as it is from the first update on', () => {
    expectTrace(only(trace(reference.sgd, [2, 2, 2], { lr: 0.1, momentum: 0.9, ema: true })), [[0.8], [0.6], [0.4]]);
  });
});

describe('sgd, keras', () => {
  const keras = { lr: 0.1, momentum: 0.9, convention: 'keras' };

  it('has the rate within the velocity, kept with the other sign', () => {
    // -v = 0.1, then 0.09 - 0.2 = -0.11, then -0.099 + 0.05 = -0.049
    expectTrace(trace(reference.sgd, G, keras), [
      [0.9, 0.1],
      [1.01, -0.11],
      [1.059, -0.049],
    ]);
  });

  it('nesterov: w += mu v - lr g with the new v', () => {
    // 0.09 + 0.1 = 0.19, then -0.099 - 0.2 = -0.299, then -0.0441 + 0.05 = 0.0059
    expectTrace(trace(reference.sgd, G, { ...keras, nesterov: true }), [
      [0.81, 0.1],
      [1.109, -0.11],
      [1.1031, -0.049],
    ]);
  });

  it('keeps the old velocity where the rate drops, unlike PyTorch', () => {
    const stepped = (convention: string) => {
      const param = Float64Array.of(1);
      const state = referenceState(reference.sgd, 1, keras);
      for (const [i, lr] of [0.1, 0.1, 0.01].entries()) {
        reference.sgd.update(param, Float64Array.of(G[i]!), state, i + 1, { ...keras, convention, lr });
      }
      return param[0]!;
    };
    // -v = 0.9 · -0.11 + 0.005 = -0.094; PyTorch: b = -0.49, times 0.01
    expect(stepped('keras')).toBeCloseTo(1.104, 14);
    expect(stepped('pytorch')).toBeCloseTo(1.0149, 14);
  });

  it('decays the parameter first', () => {
    // 0.95 - 0.1, then 0.95 · 0.85 + 0.11, then 0.95 · 0.9175 + 0.049
    expectTrace(trace(reference.sgd, G, { ...keras, weightDecay: 0.5, decoupledWeightDecay: true }), [
      [0.85, 0.1],
      [0.9175, -0.11],
      [0.920625, -0.049],
    ]);
  });

  it('is PyTorch without momentum', () => {
    expectTrace(trace(reference.sgd, G, { ...keras, momentum: 0 }), [[0.9], [1.1], [1.05]]);
  });
});

describe('adam, keras', () => {
  const keras = { lr: 0.1, convention: 'keras' };

  it('adds eps to the uncorrected root', () => {
    // t = 1: 0.1 · √0.001 / 0.1 · 0.1 / (√0.001 + 0.01) = 0.0759747 and not 0.1 / 1.01
    expectTrace(trace(reference.adam, G, { ...keras, eps: 0.01 }), [
      [0.9240253073352042, 0.1, 0.001],
      [0.9560992639343467, -0.11, 0.004999],
      [0.9681097744491016, -0.049, 0.005244001],
    ]);
    expectTrace(only(trace(reference.adam, G, { ...keras, eps: 1e-7 })), [
      [0.900000316226766],
      [0.9366106171503882],
      [0.9502796645796054],
    ]);
  });

  it('amsgrad takes the maximum of the raw moments', () => {
    // beta2 = 1/2, g = 2, 1/4, -1/8: v = 2, 1.03125, 0.5234375
    const hyper = { ...keras, eps: 0.01, betas: [0.9, 0.5], amsgrad: true } as const;
    expectTrace(trace(reference.adam, [2, 0.25, -0.125], hyper), [
      [0.9007021418882809, 0.2, 2, 2],
      [0.8350942966124599, 0.205, 1.03125, 2],
      [0.7934085038218532, 0.172, 0.5234375, 2],
    ]);
  });

  it('decays the parameter first as adamw', () => {
    // 0.95 p before each of the steps of the first test
    expectTrace(trace(reference.adamw, G, { ...keras, eps: 0.01, weightDecay: 0.5 }), [
      [0.8740253073352042, 0.1, 0.001],
      [0.8623979985675865, -0.11, 0.004999],
      [0.831288609153962, -0.049, 0.005244001],
    ]);
  });
});

describe('adam, optax', () => {
  it('amsgrad takes the maximum of the corrected moments', () => {
    // beta2 = 1/2, g = 2, 1/4, -1/8: v / (1 - 2^-t) = 4, 1.375, 0.598: the maximum stays 4
    const hyper = { lr: 0.1, betas: [0.9, 0.5], amsgrad: true, convention: 'optax' } as const;
    expectTrace(trace(reference.adam, [2, 0.25, -0.125], hyper), [
      [0.9000000005, 0.2, 2, 4],
      [0.8460526323486842, 0.205, 1.03125, 4],
      [0.8143183151641824, 0.172, 0.5234375, 4],
    ]);
    // g = 1/4, 2, -1/8: 0.0625, 2.6875, 1.16
    expectTrace(trace(reference.adam, [0.25, 2, -0.125], hyper), [
      [0.9000000039999998, 0.025, 0.03125, 0.0625],
      [0.8285664635957308, 0.2225, 2.015625, 2.6875],
      [0.7863057899347782, 0.18775, 1.015625, 2.6875],
    ]);
    expectTrace(only(trace(reference.adamw, [0.25, 2, -0.125], { ...hyper, weightDecay: 0.5 })), [
      [0.8500000039999999],
      [0.7360664633957308],
      [0.6570024665649917],
    ]);
  });

  it('is PyTorch without amsgrad', () => {
    expect(trace(reference.adam, G, { convention: 'optax' })).toEqual(trace(reference.adam, G, {}));
  });
});

describe('nadam', () => {
  // m = 0.1, -0.11, -0.049; v = 0.001, 0.004999, 0.005244001, as Adam's
  it('follows PyTorch', () => {
    // mu = 0.9 (1 - 0.96^(0.004 t) / 2) = 0.450073, 0.450147, 0.450220, 0.450294; products 0.450073, 0.202599, 0.091214
    expectTrace(trace(reference.nadam, G, { lr: 0.1 }), [
      [0.8943548232209129, 0.1, 0.001],
      [0.9850105719156278, -0.11, 0.004999],
      [0.9638830482248013, -0.049, 0.005244001],
    ]);
  });

  it('has PyTorch’s defaults', () => {
    expect(reference.nadam.defaults).toEqual({
      lr: 2e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      momentumDecay: 4e-3,
      weightDecay: 0,
      decoupledWeightDecay: false,
      maximize: false,
      convention: 'pytorch',
    });
    expectTrace(only(trace(reference.nadam, G, {})), [[0.9978870964644183], [0.9997002114383126], [0.999277660964496]]);
  });

  it('keras: the exponent is t', () => {
    // mu = 0.9 (1 - 0.96^t / 2) = 0.468, 0.48528, 0.5018688; products 0.468, 0.22711104, 0.113979945
    const hyper = { lr: 0.1, momentumDecay: 1, eps: 1e-7, convention: 'keras' };
    expectTrace(only(trace(reference.nadam, G, hyper)), [
      [0.8937212302969999],
      [0.9818877986568297],
      [0.962675033219154],
    ]);
    expectTrace(only(trace(reference.nadam, G, { ...hyper, weightDecay: 0.5, decoupledWeightDecay: true })), [
      [0.8437212302969999],
      [0.8897017371419798],
      [0.8260038848472051],
    ]);
  });

  it('optax: the momentum is beta1 throughout', () => {
    // t = 1: d = 0.9 · 0.1 / 0.19 + 0.1 · 1 / 0.1 = 28/19, so p = 1 - 0.1 · 28/19 / (1 + 1e-8)
    expectTrace(only(trace(reference.nadam, G, { lr: 0.1, momentumDecay: 0, convention: 'optax' })), [
      [0.8526315804210526],
      [0.9422968549593352],
      [0.9380431732260751],
    ]);
  });

  it('weight decay is L2, added to the gradient', () => {
    expectTrace(trace(reference.nadam, G, { lr: 0.1, weightDecay: 0.5 }), [
      [0.8943548228687624, 0.15, 0.00225],
      [0.9651506898549346, -0.02028225885656188, 0.004659007991559629],
      [0.9189985950016653, 0.08000350152184103, 0.005619803292027401],
    ]);
  });

  // beta1 = 0.9, 0.5, 0.8: the product is 0.450073, 0.112555, 0.045044, whatever beta1 is now
  const betas = [0.9, 0.5, 0.8];
  const scheduled = [[0.8943548232209129], [1.0166888726578505], [1.0132850312203523]];

  it('multiplies on the product that the state brings', () => {
    const param = Float64Array.of(1);
    const state = { ...referenceState(reference.nadam, 1), mu_product: Float64Array.of(1) };
    const seen = G.map((g, i) => {
      reference.nadam.update(param, Float64Array.of(g), state, i + 1, { lr: 0.1, betas: [betas[i]!, 0.999] });
      return [param[0]!];
    });
    expectTrace(seen, scheduled);
    expect(state.mu_product[0]).toBeCloseTo(0.04504409255106465, 14);
  });

  it('carries the product from row to row, in whatever order they are asked', () => {
    const rule = nadam({ lr: 0.1, betas: [(count) => betas[count]!, 0.999] }) as Rule;
    const last = recordFor(rule, 2);
    let [p, m, v] = [1, 0, 0];
    const seen = G.map((g, count) => {
      const row = recordFor(rule, count);
      m += row.beta1_c! * (g - m);
      v += row.beta2_c! * (g * g - v);
      p -= (row.grad_step! * g + row.moment_step! * m) / (Math.sqrt(v) * row.v_scale! + row.eps!);
      return [p];
    });
    expectTrace(seen, scheduled);
    expect(recordFor(rule, 2)).toEqual(last);
  });
});

describe('radam', () => {
  const H = [1, -2, 0.5, 0.25, -1, 1.5, -0.5];
  // rho = 1, 1.9995, 2.9987, 3.9975, 4.996 | 5.9942, 6.9920 and r = 0.0258211, 0.0327388: rectified from t = 6 on.
  // rho is the difference of two numbers near 1999, of which 1 - 0.999^t lost three digits: 1e-10.
  const before = [[0.9], [0.9578947368421054], [0.9759759176539134], [0.9815298577527793], [1.0101469855396465]];

  it('is momentum with bias correction up to t = 5, rectified from t = 6 on', () => {
    // p -= 0.1 · m / (1 - 0.9^t) with m = 0.1, -0.11, -0.049, -0.0191, -0.11719 | 0.044529, -0.0099239
    // t = 6: 0.1 · 0.044529 / 0.468559 · 0.0258211 · √0.0059850 / (√0.00853966 + 1e-8)
    const actual = trace(reference.radam, H, { lr: 0.1 });
    expectTrace(actual, [...before, [1.0099415544906025], [1.009997073868555]], 1e-10);
    expectTrace(
      actual.slice(4).map(([, m, v]) => [m!, v!]),
      [
        [-0.11719, 0.006295955742001],
        [0.044529, 0.008539659786258999],
        [-0.0099239, 0.00878112012647274],
      ],
    );
  });

  it('PyTorch’s eps stands beside the raw root', () => {
    expectTrace(
      only(trace(reference.radam, H, { lr: 0.1, eps: 0.01 })),
      [...before, [1.0099616140826964], [1.010011780014442]],
      1e-10,
    );
  });

  it('optax’s eps stands beside the corrected root', () => {
    expectTrace(
      only(trace(reference.radam, H, { lr: 0.1, eps: 0.01, convention: 'optax' })),
      [...before, [1.0099432599930576], [1.0099982887936183]],
      1e-10,
    );
  });

  it('is never rectified where the average is too short', () => {
    // beta2 = 0.75: rho_inf = 7 and rho_7 = 4.84; beta2 = 0.6: rho_inf = 4, and a quotient by 0 that must not matter
    for (const beta2 of [0.75, 0.6, 0]) {
      expectTrace(only(trace(reference.radam, H, { lr: 0.1, betas: [0.9, beta2] })), [
        ...before,
        [1.0006435932240576],
        [1.002545805420995],
      ]);
      const row = recordFor(radam({ betas: [0.9, beta2] }) as Rule, 6);
      expect(Object.values(row).every(Number.isFinite)).toBe(true);
      expect(row.rectified).toBe(0);
    }
  });

  it('weight decay: L2, and decoupled', () => {
    expectTrace(
      only(trace(reference.radam, H, { lr: 0.1, weightDecay: 0.5 })).slice(4),
      [[0.7821078147799431], [0.7810733306749309], [0.7799860737400671]],
      1e-10,
    );
    expectTrace(
      only(trace(reference.radam, H, { lr: 0.1, weightDecay: 0.5, decoupledWeightDecay: true })).slice(4),
      [[0.7921794490634467], [0.7523650455612305], [0.7148023126611212]],
      1e-10,
    );
  });

  it('the row switches after t = 5', () => {
    expect([4, 5, 6].map((count) => recordFor(radam() as Rule, count).rectified)).toEqual([0, 1, 1]);
  });
});

describe('asgd', () => {
  it('shrinks, steps, then averages', () => {
    // lr 1/2, lambd 2, alpha 1, t0 0: eta = 1/2, 1/4, 1/6, 1/8, 1/10 and mu = 1, 1, 1/2, 1/3, 1/4
    // p = 1·0 - 1/2; -1/2·1/2 + 1/2 = 1/4; 1/4·2/3 - 1/12 = 1/12; 1/12·3/4 + 1/32 = 3/32; 3/32·4/5 - 1/10 = -1/40
    // ax = -1/2; 1/4; 1/4 - 1/12 = 1/6; 1/6 + (3/32 - 1/6)/3 = 41/288; 41/288 + (-1/40 - 41/288)/4 = 193/1920
    expectTrace(trace(reference.asgd, [1, -2, 0.5, -0.25, 1], { lr: 0.5, lambd: 2, alpha: 1, t0: 0 }), [
      [-1 / 2, -1 / 2],
      [1 / 4, 1 / 4],
      [1 / 12, 1 / 6],
      [3 / 32, 41 / 288],
      [-1 / 40, 193 / 1920],
    ]);
  });

  it('takes eta to a power, and starts to average after t0', () => {
    // eta = 0.1 / (1 + 0.05 (t-1))^0.75; mu = 1, 1, 1, 1/2, 1/3
    expectTrace(trace(reference.asgd, [1, -2, 0.5, -0.25, 1], { lr: 0.1, lambd: 0.5, t0: 1 }), [
      [0.85, 0.85],
      [1.001840835164356, 1.001840835164356],
      [0.908653898679808, 0.908653898679808],
      [0.890254557583879, 0.8994542281318435],
      [0.764211141677401, 0.854373199313696],
    ]);
  });

  it('has PyTorch’s defaults, which shrink by lambd', () => {
    expect(reference.asgd.defaults).toMatchObject({ lr: 1e-2, lambd: 1e-4, alpha: 0.75, t0: 1e6, weightDecay: 0 });
    expectTrace(only(trace(reference.asgd, G, {})), [[0.989999], [1.0099979950017557], [1.0049969925052624]]);
  });

  it('weight decay is L2, added to the gradient', () => {
    expectTrace(only(trace(reference.asgd, G, { lr: 0.1, lambd: 0.5, t0: 1, weightDecay: 0.5 })), [
      [0.8],
      [0.9156882553633188],
      [0.7838859170184415],
    ]);
  });
});

describe('rprop', () => {
  it('grows, shrinks and waits by the signs', () => {
    // step 0.1; same sign: 0.12; turn: 0.06 and no move; prev 0: 0.06; same: 0.072; g = 0: no move; prev 0: 0.072
    expectTrace(trace(reference.rprop, [1, 2, -1, -1, -3, 0, 1], { lr: 0.1 }), [
      [0.9, 1, 0.1],
      [0.78, 2, 0.12],
      [0.78, 0, 0.06],
      [0.84, -1, 0.06],
      [0.912, -3, 0.072],
      [0.912, 0, 0.072],
      [0.84, 1, 0.072],
    ]);
  });

  it('keeps the step within its limits', () => {
    // 0.12 becomes 0.11, 0.055 becomes 0.06, and a second turn after the wait stays there
    expectTrace(trace(reference.rprop, [1, 2, -1, -1, 1, 1], { lr: 0.1, stepSizes: [0.06, 0.11] }), [
      [0.9, 1, 0.1],
      [0.79, 2, 0.11],
      [0.79, 0, 0.06],
      [0.85, -1, 0.06],
      [0.85, 0, 0.06],
      [0.79, 1, 0.06],
    ]);
  });

  it('clamps the first step too, and takes other factors', () => {
    expectTrace(only(trace(reference.rprop, [1, 1, -1, -1], { lr: 100, etas: [0.25, 2] })), [
      [-49],
      [-99],
      [-99],
      [-86.5],
    ]);
  });

  it('sees the sign of products that underflow', () => {
    // 1e-400 is 0 even in float64: 0.01 grows to 0.012, then turns
    expectTrace(trace(reference.rprop, [1e-200, 1e-200, -1e-200], {}), [
      [0.99, 1e-200, 0.01],
      [0.978, 1e-200, 0.012],
      [0.978, 0, 0.006],
    ]);
  });

  it('has PyTorch’s defaults and starts its steps at lr', () => {
    expect(reference.rprop.defaults).toMatchObject({
      lr: 1e-2,
      etas: [0.5, 1.2],
      stepSizes: [1e-6, 50],
      weightDecay: 0,
    });
    expect(rprop.row.initial!('step_size', rprop({ lr: 0.25 }).hyper)).toBe(0.25);
    expect(rprop.row.initial!('prev', rprop().hyper)).toBe(0);
  });
});

describe('conventions', () => {
  it('bring their defaults', () => {
    expect(sgd({ convention: 'keras' }).hyper).toMatchObject({ lr: 0.01, momentum: 0, decoupledWeightDecay: true });
    expect(adam({ convention: 'keras' }).hyper).toMatchObject({ lr: 1e-3, eps: 1e-7, decoupledWeightDecay: true });
    expect(adam({ convention: 'optax' }).hyper).toMatchObject({ lr: 1e-3, eps: 1e-8, decoupledWeightDecay: false });
    expect(adamw({ convention: 'keras' }).hyper).toMatchObject({ eps: 1e-7, weightDecay: 4e-3 });
    expect(adamw({ convention: 'keras' }).hyper).toMatchObject({ decoupledWeightDecay: true });
    expect(adamw({ convention: 'optax' }).hyper).toMatchObject({ weightDecay: 1e-4, decoupledWeightDecay: true });
    expect(nadam({ convention: 'keras' }).hyper).toMatchObject({ lr: 1e-3, eps: 1e-7, momentumDecay: 1 });
    expect(nadam({ convention: 'keras' }).hyper).toMatchObject({ decoupledWeightDecay: true });
    expect(radam({ convention: 'optax' }).hyper).toMatchObject({ lr: 1e-3, eps: 1e-8 });
  });
});

describe('what does not go together is refused', () => {
  it.each<[string, () => unknown, string, string]>([
    ['ema without momentum', () => sgd({ ema: true }), 'HYPER-RANGE', 'momentum 0'],
    ['ema with dampening', () => sgd({ ema: true, momentum: 0.9, dampening: 0.1 }), 'HYPER-RANGE', 'dampening 0.1'],
    ['ema with nesterov', () => sgd({ ema: true, momentum: 0.9, nesterov: true }), 'HYPER-RANGE', 'nesterov true'],
    ['ema as Keras', () => sgd({ ema: true, momentum: 0.9, convention: 'keras' }), 'HYPER-RANGE', 'keras'],
    ['dampening as Keras', () => sgd({ convention: 'keras', momentum: 0.9, dampening: 0.1 }), 'HYPER-RANGE', '0.1'],
    ['optax’s SGD', () => sgd({ convention: 'optax' as 'keras' }), 'HYPER-RANGE', 'pytorch, keras'],
    ['a momentum schedule as optax', () => nadam({ convention: 'optax', momentumDecay: 4e-3 }), 'HYPER-RANGE', '0.004'],
    ['etas on one side of 1', () => rprop({ etas: [0.5, 0.9] }), 'HYPER-RANGE', '[0.5,0.9]'],
    ['etas reversed', () => rprop({ etas: [1.2, 0.5] }), 'HYPER-RANGE', '[1.2,0.5]'],
    ['etas of 0', () => rprop({ etas: [0, 1.2] }), 'HYPER-RANGE', 'etas[0]'],
    ['step sizes reversed', () => rprop({ stepSizes: [50, 1e-6] }), 'HYPER-RANGE', '[50,0.000001]'],
    ['a schedule of the first step', () => rprop({ lr: () => 0.1 }), 'HYPER-TYPE', 'schedule'],
    ['a first step of 0', () => rprop({ lr: 0 }), 'HYPER-RANGE', 'above 0'],
    ['PyTorch’s spelling', () => nadam({ momentum_decay: 0.1 } as object), 'HYPER-UNKNOWN', 'momentum_decay'],
  ])('%s', (_, make, code, words) => {
    expect(make).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words), fix: expect.stringMatching(/\S/) }),
    );
  });
});
