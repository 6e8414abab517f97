import { describe, expect, it } from 'vitest';
import { type ReferenceRule, referenceRules, referenceState } from '../../src/reference/index.js';
import { elementwiseNames } from '../support/rule-cases.js';

/*
 * The oracle's own test. Every number was derived from the formula of the papers by exact arithmetic outside this
 * project (Python's Fraction; mpmath with 40 digits where there is a root), on one element starting at p = 1.
 */

const { sgd, adam, adamw } = referenceRules;

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

describe('sgd', () => {
  it('plain: p - lr g', () => {
    // 1 - 0.1; + 0.2; - 0.05
    expectTrace(trace(sgd, G, { lr: 0.1 }), [[0.9], [1.1], [1.05]]);
  });

  it('weight decay is L2, added to the gradient', () => {
    // g + p/2 = 3/2, then -2 + 17/40 = -63/40, then 1/2 + 403/800 = 803/800
    expectTrace(trace(sgd, G, { lr: 0.1, weightDecay: 0.5 }), [[17 / 20], [403 / 400], [7257 / 8000]]);
  });

  it('maximize negates the gradient, not the decay', () => {
    // -1 + 1/2 = -1/2, so p grows to 21/20; then 2 + 21/40 = 101/40; then -1/2 + 319/800 = -81/800
    expectTrace(trace(sgd, G, { lr: 0.1, weightDecay: 0.5, maximize: true }), [[21 / 20], [319 / 400], [6461 / 8000]]);
  });

  it('momentum: b = 0.9 b + g', () => {
    // b = 1, then 0.9 - 2 = -1.1, then -0.99 + 0.5 = -0.49
    expectTrace(trace(sgd, G, { lr: 0.1, momentum: 0.9 }), [
      [0.9, 1],
      [1.01, -1.1],
      [1.059, -0.49],
    ]);
  });

  it('nesterov: d = g + 0.9 b with the new b', () => {
    // d = 1 + 0.9 = 1.9, then -2 - 0.99 = -2.99, then 0.5 - 0.441 = 0.059
    expectTrace(trace(sgd, G, { lr: 0.1, momentum: 0.9, nesterov: true }), [
      [0.81, 1],
      [1.109, -1.1],
      [1.1031, -0.49],
    ]);
  });

  it('dampening spares the first gradient', () => {
    // b = 1 (not 0.75), then 0.9 - 0.75 · 2 = -0.6, then -0.54 + 0.375 = -0.165
    expectTrace(trace(sgd, G, { lr: 0.1, momentum: 0.9, dampening: 0.25 }), [
      [0.9, 1],
      [0.96, -0.6],
      [0.9765, -0.165],
    ]);
  });

  it('all together', () => {
    // t = 1: g = -1 + 1/2 = -1/2 = b, d = -0.5 - 0.45 = -0.95; t = 2: g = 2 + 219/400, b = -0.45 + g = 839/400 …
    const hyper = { lr: 0.1, momentum: 0.9, weightDecay: 0.5, nesterov: true, maximize: true };
    expectTrace(trace(sgd, G, hyper), [
      [219 / 200, -1 / 2],
      [26059 / 40000, 839 / 400],
      [4117499 / 8000000, 137079 / 80000],
    ]);
  });
});

describe('adam', () => {
  it('follows the paper', () => {
    // t = 1: m = 0.1, v = 0.001, so p = 1 - 0.1 · 1 / (1 + 1e-8)
    // t = 2: m = 0.09 - 0.2 = -0.11, v = 0.000999 + 0.004 = 0.004999,
    //        p += 0.1 · (0.11 / 0.19) / (sqrt(0.004999 / 0.001999) + 1e-8)
    // t = 3: m = -0.099 + 0.05 = -0.049, v = 0.999 · 0.004999 + 0.00025 = 0.005244001,
    //        p += 0.1 · (0.049 / 0.271) / (sqrt(0.005244001 / 0.002997001) + 1e-8)
    expectTrace(trace(adam, G, { lr: 0.1 }), [
      [0.900000001, 0.1, 0.001],
      [0.9366103534720751, -0.11, 0.004999],
      [0.9502794196738217, -0.049, 0.005244001],
    ]);
  });

  it("has PyTorch's defaults", () => {
    expect(adam.defaults).toEqual({
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      amsgrad: false,
      convention: 'pytorch',
      decoupledWeightDecay: false,
      maximize: false,
    });
    expect(trace(adam, G, {}).map(([p]) => p)).toEqual([
      expect.closeTo(0.99900000001, 14),
      expect.closeTo(0.9993661035347208, 14),
      expect.closeTo(0.9995027941967383, 14),
    ]);
  });

  it('eps stands outside the root, beside the corrected moment', () => {
    // A constant gradient g: m̂ = g, v̂ = g² at every t, so each step is lr · g / (g + eps) = lr / 2 at g = eps.
    expect(trace(adam, [1e-8, 1e-8, 1e-8], { lr: 0.1 }).map(([p]) => p)).toEqual([
      expect.closeTo(0.95, 13),
      expect.closeTo(0.9, 13),
      expect.closeTo(0.85, 13),
    ]);
  });

  it('weight decay is L2, added to the gradient', () => {
    // t = 1: g = 3/2, m = 0.15, v = 0.001 · 2.25; p = 1 - 0.1 · 1.5 / (1.5 + 1e-8)
    expectTrace(trace(adam, G, { lr: 0.1, weightDecay: 0.5 }), [
      [0.9000000006666666, 0.15, 0.00225],
      [0.9069015188655994, -0.019999999966666668, 0.004650249998966667],
      [0.8859373445042629, 0.07734507597327997, 0.005554668099630683],
    ]);
  });

  it('maximize negates the gradient before the decay', () => {
    // t = 1: g = -1 + 1/2, so m = -0.05, v = 0.00025 and p rises
    expectTrace(trace(adam, G, { lr: 0.1, weightDecay: 0.5, maximize: true }), [
      [1.0999999980000001, -0.05, 0.00025],
      [1.0398621571155222, 0.2099999999, 0.0067522499949],
      [0.9928865872485657, 0.1909931077657761, 0.006745894992797576],
    ]);
  });

  it('amsgrad keeps the largest raw moment and corrects it afterwards', () => {
    // beta2 = 1/2, g = 2, 1/4, -1/8: v = 2, 1.03125, 0.5234375 and the maximum stays 2, divided by 1 - 2^-t each time.
    // A maximum over corrected moments would be 4 throughout.
    const hyper = { lr: 0.1, betas: [0.9, 0.5], amsgrad: true } as const;
    expectTrace(trace(adam, [2, 0.25, -0.125], hyper), [
      [0.9000000005, 0.2, 2, 2],
      [0.8339282381058485, 0.205, 1.03125, 2],
      [0.7919476825253033, 0.172, 0.5234375, 2],
    ]);
    expectTrace(
      trace(adam, [2, 0.25, -0.125], { ...hyper, amsgrad: false }).map(([p]) => [p!]),
      [[0.9000000005], [0.8079870605417413], [0.7259272026752275]],
    );
  });
});

describe('adamw', () => {
  it('decays the parameter first and leaves the moments alone', () => {
    // p · (1 - 0.1 · 0.5) = 0.95 p before each of Adam's steps, whose sizes are those of the first test of adam
    expectTrace(trace(adamw, G, { lr: 0.1, weightDecay: 0.5 }), [
      [0.850000001, 0.1, 0.001],
      [0.8441103534220751, -0.11, 0.004999],
      [0.815573901952718, -0.049, 0.005244001],
    ]);
  });

  it('decays towards zero under maximize too', () => {
    expectTrace(trace(adamw, G, { lr: 0.1, weightDecay: 0.5, maximize: true }), [
      [1.049999999, -0.1, 0.001],
      [0.9608896465779249, 0.11, 0.004999],
      [0.899176098047282, 0.049, 0.005244001],
    ]);
  });

  it('decays by 1e-2 unless told otherwise', () => {
    // A zero gradient leaves only the decay: (1 - 1e-3 · 1e-2)³
    expectTrace(
      trace(adamw, [0, 0, 0], {}).map(([p]) => [p!]),
      [[0.99999], [0.9999800001], [0.999970000299999]],
    );
  });

  it('amsgrad has its slot', () => {
    expect(adamw.slots({ amsgrad: true })).toEqual(['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq']);
  });
});

describe('every rule', () => {
  const all = Object.entries(referenceRules) as [string, ReferenceRule][];

  it.each(all.filter(([name]) => elementwiseNames.includes(name)))(
    '%s: updates each element alone, and only param and state',
    (_, rule) => {
      const start = [0.5, -1.25, 3];
      const gradient = [0.25, 2, -0.125];
      const together = Float64Array.from(start);
      const grad = Float64Array.from(gradient);
      const state = referenceState(rule, 3);
      for (let t = 1; t <= 4; t++) rule.update(together, grad, state, t);
      expect([...grad]).toEqual(gradient);
      for (const [i, value] of start.entries()) {
        const alone = Float64Array.of(value);
        const own = referenceState(rule, 1);
        for (let t = 1; t <= 4; t++) rule.update(alone, Float64Array.of(gradient[i]!), own, t);
        expect(alone[0]).toBe(together[i]);
      }
    },
  );

  it.each(all)('%s: takes an empty tensor', (_, rule) => {
    rule.update(new Float64Array(0), new Float64Array(0), referenceState(rule, 0), 1);
  });

  it.each(all)('%s: ignores no option and no mismatch', (_, rule) => {
    const one = Float64Array.of(1);
    const state = referenceState(rule, 1);
    const refuse = (...args: Parameters<ReferenceRule['update']>) => {
      try {
        rule.update(...args);
      } catch (error) {
        return (error as { code: string }).code;
      }
      return 'accepted';
    };
    expect(refuse(one, one, state, 1, { weight_decay: 1 })).toBe('HYPER-UNKNOWN');
    expect(refuse(one, one, state, 1, { lr: () => 1 })).toBe('HYPER-TYPE');
    expect(refuse(one, one, state, 0)).toBe('OPTION-RANGE');
    expect(refuse(one, new Float64Array(2), state, 1)).toBe('SHAPE-MISMATCH');
    expect(one[0]).toBe(1);
  });

  it('names the state as PyTorch does, and only the state in use', () => {
    expect(sgd.slots()).toEqual([]);
    expect(sgd.slots({ momentum: 0.9 })).toEqual(['momentum_buffer']);
    expect(adam.slots()).toEqual(['exp_avg', 'exp_avg_sq']);
    expect(adam.slots({ amsgrad: true })).toEqual(['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq']);
  });

  it('refuses a state without the slot in use', () => {
    const one = Float64Array.of(1);
    expect(() => sgd.update(one, one, {}, 1, { momentum: 0.9 })).toThrow(/momentum_buffer/);
  });
});
