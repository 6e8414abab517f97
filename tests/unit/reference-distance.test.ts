import { describe, expect, it } from 'vitest';
import { type ReferenceRule, type ReferenceTensor, referenceRules, referenceState } from '../../src/reference/index.js';

/*
 * Prodigy and D-Adaptation of Adam, on two tensors that share one estimate. Where the comment says optax, the numbers are those of
 * optax.contrib 0.2.8 on JAX in float64 (Python, outside this project), which has Adam's bias correction always on; the others were
 * computed by hand from the formula.
 */

const { prodigy, dadaptAdam } = referenceRules;

const START = [[1, -2, 0.5], [0.25]];
const GRADIENTS = [
  [[1, 2, -0.5], [3]],
  [[0.5, 1, -0.75], [2]],
  [[-0.25, 1.5, -1], [1]],
  [[1, 0.5, -2], [-0.5]],
];

/** All parameters and d after the last of these steps. */
function train<H extends object>(rule: ReferenceRule<H>, hyper: Partial<H>, gradients = GRADIENTS, start = START) {
  const tensors = start.map(
    (values): ReferenceTensor => ({
      shape: [values.length],
      param: Float64Array.from(values),
      grad: new Float64Array(values.length),
      state: referenceState(rule, values.length, hyper),
    }),
  );
  for (const [i, grads] of gradients.entries()) {
    for (const [k, grad] of grads.entries()) tensors[k]!.grad.set(grad);
    rule.step!(tensors, i + 1, hyper);
  }
  const { d } = tensors[0]!.state;
  for (const { state } of tensors) expect(state.d).toEqual(d);
  return [...tensors.flatMap(({ param }) => [...param]), d![0]!];
}

const close = (values: number[]) => values.map((value) => expect.closeTo(value, 13));

describe('prodigy', () => {
  const corrected = { d0: 0.01, useBiasCorrection: true };

  it('takes steps of the size d (optax)', () => {
    expect(train(prodigy, { ...corrected, weightDecay: 0.1 })).toEqual(
      close([0.9668146208893005, -2.0357273727874667, 0.5386355909659403, 0.2146529794176947, 0.01]),
    );
    const safe = { lr: 0.5, safeguardWarmup: true, dCoef: 2, betas: [0.9, 0.99] } as const;
    expect(train(prodigy, { ...corrected, ...safe })).toEqual(
      close([0.9838542920010727, -2.0188312555608556, 0.5195233308331012, 0.23240683513350188, 0.01]),
    );
  });

  it('lets d grow while gradients agree (optax)', () => {
    const gradients = [0, 1, 2, 3, 4, 5].map((t) => [[1, -0.5, 2], [-1 + 0.25 * t]]);
    const hyper = { d0: 0.001, useBiasCorrection: true };
    expect(train(prodigy, hyper, gradients.slice(0, 4)).at(-1)).toBeCloseTo(0.001193990492421617, 14);
    expect(train(prodigy, hyper, gradients)).toEqual(
      close([0.9930868401537339, -1.9930868418252958, 0.4930868393179527, 0.2554231924262073, 0.0025680971994465314]),
    );
    // The first growth is whole; from then on 1.01 times the last
    const slow = train(prodigy, { ...hyper, growthRate: 1.01 }, gradients.slice(0, 5));
    expect(slow.at(-1)).toBeCloseTo(0.001193990492421617 * 1.01, 14);
  });

  it('steps by hand: one element, no correction', () => {
    // t = 1: m = 0.1·d·g, v = 0.001·(d·g)²; p -= d·m/(√v + d·eps) = d·0.1/√0.001, and d stays: r = 0
    const [p, d] = train(prodigy, { d0: 0.5, eps: 1e-30 }, [[[4]]], [[1]]);
    expect([p, d]).toEqual([expect.closeTo(1 - (0.5 * 0.1) / Math.sqrt(0.001), 14), 0.5]);
    // beta3 1/2: t = 2: r = d/d0·dlr·g·(p₀ - p) = 0.5·4·Δ; s = 0.5·(1/2·4) + 0.5·4 = 3; d̂ = r/s
    const delta = 0.05 / Math.sqrt(0.001);
    expect(train(prodigy, { d0: 0.5, eps: 1e-30, beta3: 0.5 }, [[[4]], [[4]]], [[1]]).at(-1)).toBeCloseTo(
      Math.max((0.5 * 4 * delta) / 3, 0.5),
      13,
    );
  });

  it('does nothing without a gradient or a rate', () => {
    const zero = [[[0, 0, 0], [0]]];
    expect(train(prodigy, { weightDecay: 0.5 }, zero)).toEqual([1, -2, 0.5, 0.25, 1e-6]);
    expect(train(prodigy, { lr: 0 }).slice(0, 4)).toEqual([1, -2, 0.5, 0.25]);
  });
});

describe('dadaptAdam', () => {
  const corrected = { d0: 0.01, useBiasCorrection: true };

  it('takes steps of the size d, which grows (optax)', () => {
    expect(train(dadaptAdam, { ...corrected, weightDecay: 0.1, decoupledWeightDecay: true })).toEqual(
      close([0.9404974590069088, -2.061738337203867, 0.5868444652886003, 0.20350800972383287, 0.11963779816784796]),
    );
    expect(train(dadaptAdam, { ...corrected, lr: 0.5, betas: [0.8, 0.9] })).toEqual(
      close([0.9806740876120797, -2.0218358714880615, 0.521989893444709, 0.2298086997736472, 0.01618504846211122]),
    );
    // The second d of optax' first run would be 0.0327
    const slow = train(dadaptAdam, { ...corrected, growthRate: 1.5 }, GRADIENTS.slice(0, 2));
    expect(slow.at(-1)).toBeCloseTo(0.015, 15);
  });

  it('steps by hand: one element, no correction', () => {
    // t = 1: m = 0.1·d·g, v = 0.001·g²: p -= d·0.1/√0.001
    const [p] = train(dadaptAdam, { d0: 0.5, eps: 1e-30 }, [[[4]]], [[1]]);
    expect(p).toBeCloseTo(1 - 0.05 / Math.sqrt(0.001), 14);
    // L2: g = 4 + 0.5·1, the same step
    expect(train(dadaptAdam, { d0: 0.5, eps: 1e-30, weightDecay: 0.5 }, [[[4]]], [[1]])[0]).toBeCloseTo(p!, 14);
  });

  it('does nothing without a gradient or a rate', () => {
    expect(train(dadaptAdam, {}, [[[0, 0, 0], [0]]])).toEqual([1, -2, 0.5, 0.25, 1e-6]);
    expect(train(dadaptAdam, { lr: 0 }).slice(0, 4)).toEqual([1, -2, 0.5, 0.25]);
  });
});
