import { describe, expect, it } from 'vitest';
import { lamb as lambRule, lars as larsRule } from '../../src/optim/rules.gen.js';
import { type ReferenceRule, referenceRules, referenceState } from '../../src/reference/index.js';

/*
 * LARS and LAMB on one tensor of two elements. Where the comment says optax, the numbers are those of optax 0.2.8 on JAX in
 * float64 (Python, outside this project); the others were computed by hand from the formula.
 */

const { lars, lamb } = referenceRules;

const START = [3, 4];
const GRADIENTS = [
  [4, -3],
  [0.5, -1.25],
  [-2, 0.25],
];

/** The tensor after each update. */
function trace<H extends object>(rule: ReferenceRule<H>, hyper: Partial<H>, start = START, gradients = GRADIENTS) {
  const param = Float64Array.from(start);
  const state = referenceState(rule, param.length, hyper);
  return gradients.map((g, i) => {
    rule.update(param, Float64Array.from(g), state, i + 1, hyper);
    return [...param];
  });
}

function expectTrace(actual: number[][], expected: number[][]) {
  for (const [t, row] of expected.entries()) {
    for (const [i, value] of row.entries()) expect(actual[t]![i]!, `t = ${t + 1}, ${i}`).toBeCloseTo(value, 13);
  }
}

const DECAYED = { lr: 0.1, weightDecay: 0.5, trustCoefficient: 0.5 };

describe('lars', () => {
  it('as in the paper: the norms of gradient and decay apart, the rates within the momentum', () => {
    // ‖p‖ = ‖g‖ = 5: ratio = 0.5·5 / (5 + 0.5·5) = 1/3; u = 0.1/3·(4 + 1.5, -3 + 2)
    const actual = trace(lars, DECAYED);
    expectTrace(actual, [
      [3 - 0.55 / 3, 4 + 0.1 / 3],
      [2.5283359002931554, 4.013785601864499],
      [2.308617630523963, 3.8741839778876686],
    ]);
  });

  it('as in optax: the norm of their sum', () => {
    // The first ratio: 0.5·5 / √(5.5² + 1²)
    const ratio = 2.5 / Math.sqrt(31.25);
    expect(trace(lars, { ...DECAYED, convention: 'optax' })[0]![0]).toBeCloseTo(3 - 0.1 * ratio * 5.5, 14);
    expectTrace(trace(lars, { ...DECAYED, convention: 'optax' }), [
      [2.7540325224750233, 4.044721359549996],
      [2.306402625440871, 3.9918687343009465],
      [1.9848591843955674, 3.7286100029788747],
    ]);
    expectTrace(trace(lars, { ...DECAYED, convention: 'optax', nesterov: true, eps: 0.25 }), [
      [2.552667126956457, 4.08133324964428],
      [1.9917623136081828, 3.9512267070971183],
      [1.8191217367658579, 3.564604481142327],
    ]);
  });

  it('has one formula without decay (optax)', () => {
    const expected = [
      [2.8, 4.15],
      [2.5270363437718246, 4.517409140570439],
      [2.5381797791636638, 4.815976026334184],
    ];
    for (const convention of ['paper', 'optax'])
      expectTrace(trace(lars, { lr: 0.1, trustCoefficient: 0.5, convention }), expected);
  });

  it('is SGD with the rate in its momentum where a norm is 0, and without adapt', () => {
    // u = 0.1·(4, -3)
    for (const hyper of [DECAYED, { ...DECAYED, convention: 'optax' }])
      expectTrace(trace(lars, hyper, [0, 0]).slice(0, 1), [[-0.4, 0.3]]);
    expectTrace(trace(lars, { ...DECAYED, adapt: false, weightDecay: 0 }).slice(0, 2), [
      [2.6, 4.3],
      [2.6 - 0.36 - 0.05, 4.3 + 0.27 + 0.125],
    ]);
    // No gradient: the decay alone at the rate 0.1.
    expectTrace(trace(lars, DECAYED, START, [[0, 0]]), [[3 - 0.15, 4 - 0.2]]);
  });

  it('keeps a decoupled decay out of the ratio', () => {
    // ratio = 0.5·5/5; p·(1 - 0.05) - 0.1·0.5·g
    expectTrace(trace(lars, { ...DECAYED, decoupledWeightDecay: true }).slice(0, 1), [[2.85 - 0.2, 3.8 + 0.15]]);
  });

  it("has optax' defaults, with the paper's coefficient", () => {
    expect(lars.defaults).toMatchObject({ momentum: 0.9, trustCoefficient: 1e-3, eps: 0, weightDecay: 0 });
  });

  it('refuses nesterov without momentum, and what is out of range', () => {
    expect(() => larsRule({ nesterov: true, momentum: 0 })).toThrow(/HYPER-RANGE/);
    expect(() => larsRule({ trustCoefficient: -1 })).toThrow(/HYPER-RANGE/);
    expect(() => larsRule({ convention: 'pytorch' as 'optax' })).toThrow(/HYPER-RANGE/);
  });
});

describe('lamb', () => {
  it('has its decay in the direction, before the ratio (optax)', () => {
    expectTrace(trace(lamb, { lr: 0.1, weightDecay: 0.5 }), [
      [2.535761682304947, 3.814304592454021],
      [2.1252651092018966, 3.6111233142680854],
      [1.8120056263074553, 3.332846239881563],
    ]);
  });

  it('is AdamW without adapt, and where a norm is 0', () => {
    // r = sign(g), as at Adam's first update
    expectTrace(trace(lamb, { lr: 0.1, eps: 1e-30, adapt: false }).slice(0, 1), [[2.9, 4.1]]);
    expectTrace(trace(lamb, { lr: 0.1, eps: 1e-30 }, [0, 0]).slice(0, 1), [[-0.1, 0.1]]);
    expect(() => lambRule({ adapt: 1 as unknown as boolean })).toThrow(/HYPER-TYPE/);
  });
});
