import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  constant,
  cosine,
  cosineRestarts,
  cyclic,
  exponential,
  inverseSqrt,
  inverseTime,
  join,
  multistep,
  type NamedSchedule,
  noam,
  oneCycle,
  plateau,
  polynomial,
  type Schedule,
  scaleLr,
  sgd,
  step,
  warmup,
  wsd,
} from '../../src/index.js';
import { hyperAt } from '../../src/optim/rule.js';
import { isDynamic } from '../../src/optim/schedules/core.js';
import { linear } from '../../src/optim/schedules.js';

const at = (code: string, words = '') =>
  expect.objectContaining({
    name: 'DownhillError',
    code,
    fix: expect.stringMatching(/\S.*[.?]$/),
    message: expect.stringContaining(words),
  });
const values = (schedule: Schedule, counts: number | readonly number[]) =>
  (typeof counts === 'number' ? Array.from({ length: counts }, (_, i) => i) : counts).map((count) => schedule(count));
const ends = (
  schedule: Schedule,
  expected: readonly number[],
  counts: number | readonly number[] = expected.length,
) => {
  const actual = values(schedule, counts);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(actual[i]! - value), `number ${i}: ${actual[i]} for ${value}`).toBeLessThanOrEqual(
      1e-15 * Math.abs(value),
    );
  }
};
/** Largest count there is. */
const LAST = 2 ** 53 - 1;

/*
 * An oracle with 50 digits, in integers: the formulas themselves, for inputs taken as the rational numbers they are.
 */
const ONE = 10n ** 50n;
const PI = 314159265358979323846264338327950288419716939937511n;
/** A float64 as digits: exact up to the last of them. */
function digits(x: number): bigint {
  let [numerator, shift] = [x, 0];
  while (!Number.isInteger(numerator)) {
    numerator *= 2;
    shift++;
  }
  return (BigInt(numerator) * ONE) / 2n ** BigInt(shift);
}
/** cos(π a / b) for 0 ≤ a ≤ b. */
function cosPi(a: number, b: number): bigint {
  const x = (PI * BigInt(a)) / BigInt(b);
  let [sum, term] = [ONE, ONE];
  for (let n = 1n; term !== 0n; n += 2n) {
    term = (-term * ((x * x) / ONE)) / ONE / (n * (n + 1n));
    sum += term;
  }
  return sum;
}
/** |actual - expected| / |expected|. */
function relative(actual: number, expected: bigint): number {
  const difference = digits(actual) - expected;
  const size = difference < 0n ? -difference : difference;
  return Number((size * 10n ** 20n) / expected) / 1e20;
}

describe('values, by the documentation of PyTorch, optax and Keras or by hand', () => {
  it('constant', () => ends(constant(0.3), [0.3, 0.3, 0.3], [0, 7, LAST]));

  it('step: PyTorch’s StepLR, 0.05 before 30, 0.005 before 60, 0.0005 before 90', () => {
    const counts = [0, 29, 30, 59, 60, 89];
    ends(step(0.05, { stepSize: 30, gamma: 0.1 }), [0.05, 0.05, 0.005, 0.005, 0.0005, 0.0005], counts);
    expect(step(1, { stepSize: 10 })(10)).toBe(0.1);
    expect(step(1, { stepSize: 1, gamma: 0 })(1)).toBe(0);
  });

  it('multistep: PyTorch’s MultiStepLR with milestones 30 and 80', () => {
    const counts = [0, 29, 30, 79, 80, LAST];
    ends(multistep(0.05, { milestones: [30, 80] }), [0.05, 0.05, 0.005, 0.005, 0.0005, 0.0005], counts);
    expect(multistep(2, { milestones: [] })(5)).toBe(2);
  });

  it('exponential, continuous and staircase', () => {
    ends(exponential(1, { rate: 0.25, steps: 2 }), [1, 0.5, 0.25, 0.125, 0.0625]);
    ends(exponential(1, { rate: 0.25, steps: 2, staircase: true }), [1, 1, 0.25, 0.25, 0.0625]);
    ends(exponential(0.05, { rate: 0.9 }), [0.05, 0.045, 0.0405, 0.03645]);
    // Keras: initial · rate^(step / decay_steps)
    ends(exponential(0.1, { rate: 0.96, steps: 100_000 }), [0.1, 0.1 * Math.sqrt(0.96), 0.096], [0, 50_000, 100_000]);
  });

  it('exponential keeps its digits far out: 0.999^(count / 7) to the power 7 is 0.999^count', () => {
    const schedule = exponential(1, { rate: 0.9990234375, steps: 7 }); // 1023 / 1024
    for (const count of [1, 6, 699, 7001, 20_003]) {
      let [power, expected] = [ONE, ONE];
      for (let i = 0; i < 7; i++) power = (power * digits(schedule(count))) / ONE;
      for (let i = 0; i < count; i++) expected = (expected * 1023n) / 1024n;
      const error = Number(((power - expected) * 10n ** 20n) / expected) / 1e20 / 7;
      expect(Math.abs(error), `at ${count}`).toBeLessThan(1e-15);
    }
  });

  it('inverse time: 1/t, and Keras’ InverseTimeDecay', () => {
    ends(inverseTime(1), [1, 1 / 2, 1 / 3, 1 / 4]);
    ends(inverseTime(0.1, { rate: 0.5, steps: 10 }), [0.1, 0.1 / 1.05, 0.1 / 1.5], [0, 1, 10]);
    ends(inverseTime(0.1, { rate: 0.5, steps: 10, staircase: true }), [0.1, 0.1, 0.1 / 1.5], [0, 9, 10]);
  });

  it('inverse square root: 1/√t, and the Transformer’s with a warm-up', () => {
    ends(inverseSqrt(1), [1, Math.SQRT1_2, 1 / Math.sqrt(3), 0.5]);
    const transformer = warmup(inverseSqrt(1e-3, { steps: 4000 }), { steps: 4000, from: 0 });
    ends(transformer, [0, 0.5e-3, 1e-3, 1e-3 * Math.SQRT1_2, 0.5e-3], [0, 2000, 4000, 8000, 16_000]);
  });

  it('linear: PyTorch’s LinearLR from 0.025 to 0.05 in 4', () => {
    ends(linear(0.025, { to: 0.05, steps: 4 }), [0.025, 0.03125, 0.0375, 0.04375, 0.05, 0.05]);
    ends(linear(1, { steps: 4 }), [1, 0.75, 0.5, 0.25, 0, 0]);
  });

  it('polynomial: PyTorch’s PolynomialLR, Keras’ PolynomialDecay with an end', () => {
    ends(polynomial(0.001, { steps: 4 }), [0.001, 0.00075, 0.0005, 0.00025, 0, 0]);
    ends(polynomial(1, { steps: 4, power: 2 }), [1, 0.5625, 0.25, 0.0625, 0]);
    ends(polynomial(0.1, { steps: 4, power: 0.5, to: 0.02 }), [
      0.1,
      0.08 * Math.sqrt(0.75) + 0.02,
      0.08 * Math.SQRT1_2 + 0.02,
      0.06,
      0.02,
    ]);
  });

  it('cosine: hand computation, PyTorch’s formula at the ends', () => {
    ends(cosine(1, { steps: 6 }), [1, (1 + Math.sqrt(3) / 2) / 2, 0.75, 0.5, 0.25, (1 - Math.sqrt(3) / 2) / 2, 0, 0]);
    ends(cosine(0.1, { steps: 4, min: 0.02 }), [
      0.1,
      0.06 + 0.04 * Math.SQRT1_2,
      0.06,
      0.06 - 0.04 * Math.SQRT1_2,
      0.02,
    ]);
    expect(cosine(0.1, { steps: 4, min: 0.02 })(LAST)).toBe(0.02);
  });

  it('cosine and oneCycle agree with 50 digits to 1e-15, next to their ends too', () => {
    const steps = 10_000;
    const schedule = cosine(0.003, { steps, min: 1e-7 });
    const cycle = oneCycle(0.003, { steps: 10_001, pctStart: 0 });
    for (const count of [1, 2, 17, 2500, 3333, 5000, 7777, 9900, 9990, 9998, 9999]) {
      const wave = (from: number, to: number, at: number, length: number) =>
        digits(to) + ((digits(from) - digits(to)) * (ONE + cosPi(at, length))) / (2n * ONE);
      expect(relative(schedule(count), wave(0.003, 1e-7, count, steps)), `at ${count}`).toBeLessThan(1e-15);
      const last = 0.003 / 25 / 1e4;
      expect(relative(cycle(count), wave(0.003, last, count + 1, 10_001)), `at ${count}`).toBeLessThan(1e-15);
    }
  });

  it('cosine restarts: periods 3, 6, 12', () => {
    const schedule = cosineRestarts(1, { period: 3, multiplier: 2 });
    ends(schedule, [1, 0.75, 0.25, 1, (1 + Math.sqrt(3) / 2) / 2, 0.75, 0.5, 0.25]);
    ends(schedule, [1, 0.5, 1], [9, 15, 21]);
    ends(cosineRestarts(1, { period: 4, min: 0.5 }), [1, 0.75, 1, 0.75], [0, 2, 4, 4_000_000_002]);
    expect(cosineRestarts(1, { period: 1, multiplier: 2 })(LAST)).toBe(1); // 2^53 - 1 = 1 + 2 + … + 2^52
  });

  it('one cycle: the tables of PyTorch’s own tests', () => {
    const options = { steps: 10, finalDivFactor: 2 };
    ends(oneCycle(25, { ...options, anneal: 'linear' }), [1, 13, 25, 21.5, 18, 14.5, 11, 7.5, 4, 0.5, 0.5]);
    const cosines = (from: number, to: number, at: number, length: number) =>
      to + ((from - to) / 2) * (1 + Math.cos((Math.PI * at) / length));
    const down = [0, 1, 2, 3, 4, 5, 6].map((i) => cosines(25, 0.5, i, 7));
    ends(oneCycle(25, options), [1, 13, ...down, 0.5]);
    const momentum = oneCycle(0.85, { steps: 10, divFactor: 0.85 / 0.95, finalDivFactor: 1, anneal: 'linear' });
    ends(momentum, [0.95, 0.9, 0.85], 3);
    expect(momentum(9)).toBeCloseTo(0.95, 15);
  });

  it('one cycle where nothing goes up, or nothing down, or it is one step', () => {
    expect(oneCycle(1, { steps: 10, pctStart: 0.1 })(0)).toBe(1);
    expect(oneCycle(1, { steps: 10, pctStart: 1 })(9)).toBe(1);
    expect(oneCycle(1, { steps: 10, pctStart: 0 })(9)).toBe(1 / 25 / 1e4);
    expect(oneCycle(1, { steps: 1 })(0)).toBe(1 / 25 / 1e4);
  });

  it('one cycle in three phases: the table of PyTorch’s own test, and its cosine', () => {
    const options = { steps: 10, divFactor: 25, finalDivFactor: 25, pctStart: 0.4, threePhase: true };
    ends(oneCycle(25, { ...options, anneal: 'linear' }), [1, 9, 17, 25, 17, 9, 1, 0.68, 0.36, 0.04, 0.04]);
    const cosines = (from: number, to: number, at: number, length: number) =>
      to + ((from - to) / 2) * (1 + Math.cos((Math.PI * at) / length));
    const third = (from: number, to: number) => [1, 2, 3].map((i) => cosines(from, to, i, 3));
    ends(oneCycle(25, options), [1, ...third(1, 25), ...third(25, 1), ...third(1, 0.04)]);
    // An end between two counts, as PyTorch has it: phases end at 2.3 and 4.6 of 11 steps.
    const between = oneCycle(1, { steps: 11, threePhase: true, anneal: 'linear', divFactor: 2, finalDivFactor: 5 });
    ends(between, [0.5, 0.5 + 0.5 / 2.3, 1 - (0.5 * 0.7) / 2.3, 0.5 - (0.4 * 0.4) / 5.4, 0.1], [0, 1, 3, 5, 10]);
    expect(oneCycle(1, { steps: 1, threePhase: true })(0)).toBe(1 / 25 / 1e4);
    expect(oneCycle(1, { steps: 10, pctStart: 0.1, threePhase: true })(0)).toBe(1);
    expect(String(oneCycle(1, { steps: 10, threePhase: false }))).toBe(String(oneCycle(1, { steps: 10 })));
  });

  it('warm-up, stable, decay: by hand', () => {
    ends(
      wsd(2, { steps: 10, warmupSteps: 2, decaySteps: 4, decayType: 'linear' }),
      [1, 1.5, 2, 2, 2, 2, 2, 1.5, 1, 0.5, 0, 0],
    );
    ends(
      wsd(1, { steps: 8, decaySteps: 4, decayType: 'cosine', min: 0.5 }),
      [1, 0.75 + Math.SQRT1_2 / 4, 0.75, 0.75 - Math.SQRT1_2 / 4, 0.5],
      [4, 5, 6, 7, 8],
    );
    ends(
      wsd(1, { steps: 8, decaySteps: 4 }),
      [1, 1, 0.5, 1 - Math.SQRT1_2, 1 - Math.sqrt(0.75), 0],
      [0, 4, 5, 6, 7, LAST],
    );
    ends(wsd(1, { steps: 5, warmupSteps: 5 }), [0.2, 0.36, 0.52, 0.68, 0.84, 0]);
    ends(wsd(1, { steps: 4, decaySteps: 0 }), [1, 1, 1, 1, 0]);
    expect(wsd(1, { steps: 101 })(90)).toBe(1); // decays for 11: from count 90 on
    expect(wsd(1, { steps: 101 })(91)).toBeLessThan(1);
  });

  it('1 - √x keeps its digits at the end', () => {
    const [steps, late] = [1_000_000, 999_999];
    const root = digits(wsd(1, { steps, decaySteps: steps })(late));
    // f = 1 - √x: (1 - f)² = x
    const error = ((ONE - root) * (ONE - root)) / ONE - (ONE * BigInt(late)) / BigInt(steps);
    // Of f alone, whose share of x is twice as large.
    expect(Math.abs(Number((error * 10n ** 20n) / root)) / 2e20).toBeLessThan(1e-15);
  });

  it('noam: the formula of the paper, its peak, and the inverse root behind it', () => {
    const formula = (t: number, d: number, w: number) => d ** -0.5 * Math.min(t ** -0.5, t * w ** -1.5);
    const schedule = noam(2, { dModel: 512, warmupSteps: 4000 });
    for (const t of [1, 2, 17, 3999, 4000, 4001, 16_000, 1e6]) {
      expect(schedule(t - 1) / (2 * formula(t, 512, 4000)) - 1, `t ${t}`).toBeCloseTo(0, 14);
    }
    ends(noam(1, { dModel: 4, warmupSteps: 4 }), [1 / 16, 1 / 8, 3 / 16, 1 / 4, 1 / 12, 1 / 20], [0, 1, 2, 3, 35, 99]);
    expect(noam(1, { dModel: 1 })(3999)).toBe(1 / Math.sqrt(4000));
  });

  it('cyclic: the tables of PyTorch’s own tests', () => {
    ends(cyclic(1, { max: 5, stepSizeUp: 4 }), [1, 2, 3, 4, 5, 4, 3, 2, 1, 2, 3]);
    const uneven = { max: 5, stepSizeUp: 4, stepSizeDown: 6 };
    ends(cyclic(1, uneven), [1, 2, 3, 4, 5, 13 / 3, 11 / 3, 9 / 3, 7 / 3, 5 / 3, 1]);
    const halved = cyclic(1, { ...uneven, mode: 'triangular2' });
    ends(
      halved,
      [5, 1, 1.5, 2, 2.5, 3, 8 / 3, 7 / 3, 2, 5 / 3, 4 / 3, 1, 1.25],
      [4, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21],
    );
    const shrinking = cyclic(1, { max: 5, stepSizeUp: 4, mode: 'exp_range', gamma: 0.5 });
    ends(shrinking, [1, 1.5, 1.5, 1.375, 1.25, 1 + 3 / 32], 6);
    ends(cyclic(0.9, { max: 0.8, stepSizeUp: 2 }), [0.9, 0.85, 0.8, 0.85, 0.9]);
    expect(cyclic(1, { max: 2 })(2000)).toBe(2);
  });

  it('warm-up: the first update uses 1/steps, the schedule starts at count steps with its own count 0', () => {
    const decay = linear(1, { steps: 4 });
    ends(warmup(decay, { steps: 4 }), [0.25, 0.4375, 0.625, 0.8125, 1, 0.75, 0.5, 0.25, 0]);
    ends(warmup(decay, { steps: 4, from: 0 }), [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]);
    ends(warmup(3, { steps: 2, from: 1 }), [1, 2, 3, 3]);
    ends(warmup(decay, { steps: 0 }), values(decay, 5));
    ends(warmup(decay, { steps: 1 }), [1, ...values(decay, 4)]);
    ends(
      warmup((count) => 1 / (count + 1), { steps: 2 }),
      [0.5, 0.75, 1, 0.5, 1 / 3],
    );
    // PyTorch's LinearLR(start_factor = 1/4, total_iters = 4) of 0.05
    ends(warmup(0.05, { steps: 4 }), [0.0125, 0.021875, 0.03125, 0.040625, 0.05, 0.05]);
  });

  it('join: each schedule starts at its own count 0', () => {
    const joined = join([0.1, linear(1, { steps: 2 }), (count) => count], [3, 5]);
    ends(joined, [0.1, 0.1, 0.1, 1, 0.5, 0, 1, 2]);
    ends(join([constant(2)], []), [2, 2]);
  });

  it('scaleLr', () => {
    expect(scaleLr(0.1, { batchSize: 1024 })).toBe(0.4);
    expect(scaleLr(0.1, { batchSize: 64, base: 16, rule: 'sqrt' })).toBe(0.2);
    expect(scaleLr(0.1, { batchSize: 64 })).toBe(0.025);
  });
});

const steps = fc.integer({ min: 1, max: 100_000 });
const rate = fc.double({ min: 1e-6, max: 10, noNaN: true });
/** Not so small that a product of two has fewer digits. */
const share = fc.oneof(fc.constant(0), fc.double({ min: 1e-9, max: 1, noNaN: true }));
const counts = fc.oneof(fc.integer({ min: 0, max: 200_000 }), fc.maxSafeNat());
/** Falls from `value` to `low`, and for good. */
const falling = fc.record({ value: rate, part: share, steps, gamma: share }).chain(({ value, part, steps, gamma }) => {
  const low = value * part;
  const all: [NamedSchedule, number][] = [
    [constant(value), value],
    [step(value, { stepSize: steps, gamma }), 0],
    [multistep(value, { milestones: [steps, 3 * steps], gamma }), value * gamma * gamma],
    [exponential(value, { rate: gamma, steps }), 0],
    [exponential(value, { rate: gamma, steps, staircase: true }), 0],
    [inverseTime(value, { rate: gamma, steps }), 0],
    [inverseSqrt(value, { steps }), 0],
    [linear(value, { steps, to: low }), low],
    [polynomial(value, { steps, to: low, power: 0.1 + 4 * gamma }), low],
    [cosine(value, { steps, min: low }), low],
    [wsd(value, { steps, min: low }), low],
    [wsd(value, { steps, min: low, decaySteps: steps, decayType: 'cosine' }), low],
    [wsd(value, { steps, min: low, decayType: 'linear' }), low],
  ];
  return fc.constantFrom(...all.map(([schedule, least]) => ({ schedule, value, least, steps })));
});

describe('properties', () => {
  it('decays start with their value, never rise and never leave their bounds, up to the last count', () => {
    fc.assert(
      fc.property(falling, counts, counts, ({ schedule, value, least, steps }, a, b) => {
        expect(schedule(0), String(schedule)).toBe(value);
        const [early, late] = [Math.min(a, b), Math.max(a, b)].map((count) => schedule(count)) as [number, number];
        expect(late, String(schedule)).toBeLessThanOrEqual(early * (1 + 4e-16));
        for (const each of [early, late, schedule(LAST), schedule(steps)]) {
          expect(each).toBeGreaterThanOrEqual(least * (1 - 4e-16));
          expect(each).toBeLessThanOrEqual(value);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('schedules with an end have their last value there and after it', () => {
    fc.assert(
      fc.property(rate, share, steps, counts, (value, part, steps, more) => {
        const low = value * part;
        const past = Math.min(steps + more, LAST);
        for (const schedule of [
          linear(value, { steps, to: low }),
          polynomial(value, { steps, to: low, power: 2 }),
          cosine(value, { steps, min: low }),
        ])
          expect(values(schedule, [steps, past])).toEqual([low, low]);
        const cycle = oneCycle(value, { steps, pctStart: part });
        expect(cycle(past)).toBe(cycle(steps - 1));
      }),
    );
  });

  it('cycles stay within their bounds', () => {
    fc.assert(
      fc.property(
        rate,
        share,
        steps,
        counts,
        fc.integer({ min: 1, max: 5 }),
        (value, part, steps, count, multiplier) => {
          const low = value * part;
          for (const schedule of [
            cosineRestarts(value, { period: steps, multiplier, min: low }),
            cyclic(low, { max: value, stepSizeUp: steps, stepSizeDown: multiplier }),
            cyclic(low, { max: value, stepSizeUp: steps, mode: 'triangular2' }),
            cyclic(value, { max: low, stepSizeUp: steps, mode: 'exp_range', gamma: 0.999 }),
            oneCycle(value, { steps, divFactor: 1 / Math.max(part, 1e-3), finalDivFactor: 1 }),
          ]) {
            expect(schedule(count), String(schedule)).toBeGreaterThanOrEqual(low * (1 - 4e-16));
            expect(schedule(count), String(schedule)).toBeLessThanOrEqual(value);
          }
        },
      ),
    );
  });

  it('a warm-up meets its schedule without a jump, and never falls before it', () => {
    fc.assert(
      fc.property(falling, steps, share, counts, ({ schedule, value }, length, part, count) => {
        const whole = warmup(schedule, { steps: length, from: part * value });
        expect(whole(0)).toBe(part * value);
        expect(whole(length)).toBe(value);
        expect(whole(length + (count % 1000))).toBe(schedule(count % 1000));
        const before = whole(length - 1);
        expect(value - before).toBeLessThanOrEqual((value * (1 - part)) / length + value * 1e-15);
        const [a, b] = [count % length, (count * 7) % length].sort((x, y) => x - y) as [number, number];
        expect(whole(a)).toBeLessThanOrEqual(whole(b) * (1 + 4e-16));
        expect(warmup(schedule, { steps: length })(0)).toBe(value / length);
      }),
    );
  });

  it('a join is its parts', () => {
    fc.assert(
      fc.property(falling, falling, steps, counts, ({ schedule: a }, { schedule: b }, boundary, count) => {
        const joined = join([a, b], [boundary]);
        expect(joined(count)).toBe(count < boundary ? a(count) : b(count - boundary));
        expect(joined(boundary - 1)).toBe(a(boundary - 1));
        expect(joined(boundary)).toBe(b(0));
      }),
    );
  });
});

describe('bad input', () => {
  const wrong = <T>(value: unknown) => value as T;
  it.each<[string, () => unknown, string, string]>([
    ['stepSize 0', () => step(1, { stepSize: 0 }), 'OPTION-RANGE', 'stepSize'],
    ['stepSize 1.5', () => step(1, { stepSize: 1.5 }), 'OPTION-RANGE', 'stepSize'],
    ['no stepSize', () => step(1, wrong({})), 'OPTION-TYPE', 'stepSize'],
    ['no options', () => step(1, wrong(undefined)), 'OPTION-TYPE', 'options object'],
    ['gamma negative', () => step(1, { stepSize: 1, gamma: -0.1 }), 'OPTION-RANGE', 'gamma'],
    ['gamma NaN', () => multistep(1, { milestones: [1], gamma: Number.NaN }), 'OPTION-RANGE', 'gamma'],
    ['gamma null', () => step(1, { stepSize: 1, gamma: wrong('0.1') }), 'OPTION-TYPE', 'gamma'],
    ['milestones descending', () => multistep(1, { milestones: [50, 20] }), 'OPTION-RANGE', 'above'],
    ['a milestone twice', () => multistep(1, { milestones: [50, 50] }), 'OPTION-RANGE', 'above'],
    ['milestones negative', () => multistep(1, { milestones: [-5, 20] }), 'OPTION-RANGE', 'at least 0'],
    ['milestones fractional', () => multistep(1, { milestones: [2.5] }), 'OPTION-RANGE', '2.5'],
    ['milestones as text', () => multistep(1, { milestones: wrong(['5']) }), 'OPTION-TYPE', '"5"'],
    ['milestones no list', () => multistep(1, { milestones: wrong(5) }), 'OPTION-TYPE', 'list'],
    ['rate negative', () => exponential(1, { rate: -1 }), 'OPTION-RANGE', 'rate'],
    ['no rate', () => exponential(1, wrong({})), 'OPTION-TYPE', 'rate'],
    ['staircase a number', () => exponential(1, { rate: 1, staircase: wrong(1) }), 'OPTION-TYPE', 'staircase'],
    ['inverseTime rate negative', () => inverseTime(1, { rate: -1 }), 'OPTION-RANGE', 'rate'],
    ['inverseTime steps 0', () => inverseTime(1, { steps: 0 }), 'OPTION-RANGE', 'steps'],
    ['inverseSqrt steps 0', () => inverseSqrt(1, { steps: 0 }), 'OPTION-RANGE', 'steps'],
    ['linear steps 0', () => linear(1, { steps: 0 }), 'OPTION-RANGE', 'steps'],
    ['linear to infinity', () => linear(1, { steps: 1, to: Number.POSITIVE_INFINITY }), 'OPTION-RANGE', 'to'],
    ['polynomial power 0', () => polynomial(1, { steps: 1, power: 0 }), 'OPTION-RANGE', 'power'],
    ['polynomial steps 0', () => polynomial(1, { steps: 0 }), 'OPTION-RANGE', 'steps'],
    ['cosine steps 0', () => cosine(1, { steps: 0 }), 'OPTION-RANGE', 'steps'],
    ['cosine steps negative', () => cosine(1, { steps: -3 }), 'OPTION-RANGE', 'steps'],
    ['cosine min above the value: a share', () => cosine(1e-3, { steps: 9, min: 0.1 }), 'OPTION-RANGE', 'min'],
    ['cosine with PyTorch’s T_max', () => cosine(1, wrong({ tMax: 5 })), 'OPTION-UNKNOWN', 'tMax'],
    ['period 0', () => cosineRestarts(1, { period: 0 }), 'OPTION-RANGE', 'period'],
    ['multiplier 1.5', () => cosineRestarts(1, { period: 1, multiplier: 1.5 }), 'OPTION-RANGE', 'multiplier'],
    ['oneCycle steps 0', () => oneCycle(1, { steps: 0 }), 'OPTION-RANGE', 'steps'],
    ['pctStart above 1', () => oneCycle(1, { steps: 9, pctStart: 1.1 }), 'OPTION-RANGE', 'pctStart'],
    ['divFactor 0', () => oneCycle(1, { steps: 9, divFactor: 0 }), 'OPTION-RANGE', 'divFactor'],
    ['finalDivFactor 0', () => oneCycle(1, { steps: 9, finalDivFactor: 0 }), 'OPTION-RANGE', 'finalDivFactor'],
    ['anneal', () => oneCycle(1, { steps: 9, anneal: wrong('cosine') }), 'OPTION-RANGE', 'anneal'],
    ['threePhase', () => oneCycle(1, { steps: 9, threePhase: wrong(1) }), 'OPTION-TYPE', 'threePhase'],
    [
      'three phases that do not fit',
      () => oneCycle(1, { steps: 9, threePhase: true, pctStart: 0.6 }),
      'OPTION-RANGE',
      'pctStart',
    ],
    ['wsd steps 0', () => wsd(1, { steps: 0 }), 'OPTION-RANGE', 'steps'],
    ['wsd without steps', () => wsd(1, wrong({})), 'OPTION-TYPE', 'steps'],
    ['wsd warm-up too long', () => wsd(1, { steps: 9, warmupSteps: 10 }), 'OPTION-RANGE', 'warmupSteps'],
    ['wsd decay too long', () => wsd(1, { steps: 9, warmupSteps: 5, decaySteps: 5 }), 'OPTION-RANGE', 'decaySteps'],
    ['wsd decay type', () => wsd(1, { steps: 9, decayType: wrong('sqrt') }), 'OPTION-RANGE', '1-sqrt'],
    ['wsd min above', () => wsd(1, { steps: 9, min: 2 }), 'OPTION-RANGE', 'min'],
    ['wsd of transformers', () => wsd(1, wrong({ num_decay_steps: 2, steps: 4 })), 'OPTION-UNKNOWN', 'num_decay_steps'],
    ['noam width 0', () => noam(1, { dModel: 0 }), 'OPTION-RANGE', 'dModel'],
    ['noam without width', () => noam(1, wrong({})), 'OPTION-TYPE', 'dModel'],
    ['noam warm-up 0', () => noam(1, { dModel: 1, warmupSteps: 0 }), 'OPTION-RANGE', 'warmupSteps'],
    ['cyclic without max', () => cyclic(1, wrong({})), 'OPTION-TYPE', 'max'],
    ['cyclic up 0', () => cyclic(1, { max: 2, stepSizeUp: 0 }), 'OPTION-RANGE', 'stepSizeUp'],
    ['cyclic down 0', () => cyclic(1, { max: 2, stepSizeDown: 0 }), 'OPTION-RANGE', 'stepSizeDown'],
    ['cyclic mode', () => cyclic(1, { max: 2, mode: wrong('triangle') }), 'OPTION-RANGE', 'triangular'],
    ['cyclic gamma', () => cyclic(1, { max: 2, gamma: 1.1 }), 'OPTION-RANGE', 'gamma'],
    ['warm-up -1', () => warmup(1, { steps: -1 }), 'OPTION-RANGE', 'steps'],
    ['warm-up 2.5', () => warmup(1, { steps: 2.5 }), 'OPTION-RANGE', 'steps'],
    ['warm-up from NaN', () => warmup(1, { steps: 2, from: Number.NaN }), 'OPTION-RANGE', 'from'],
    ['warm-up of nothing', () => warmup(wrong(undefined), { steps: 2 }), 'OPTION-TYPE', 'schedule'],
    ['warm-up with a number for options', () => warmup(1, wrong(500)), 'OPTION-TYPE', '500'],
    ['join without a boundary', () => join([1, 2], []), 'SHAPE-MISMATCH', 'one boundary fewer'],
    ['join of nothing', () => join([], []), 'SHAPE-MISMATCH', 'one boundary fewer'],
    ['join descending', () => join([1, 2, 3], [5, 4]), 'OPTION-RANGE', 'boundaries[1]'],
    ['join at 0', () => join([1, 2], [0]), 'OPTION-RANGE', 'at least 1'],
    ['join of text', () => join([1, wrong('x')], [4]), 'OPTION-TYPE', 'schedules[1]'],
    ['join of holes', () => join(new Array(2), [4]), 'OPTION-TYPE', 'schedules[0]'],
    ['join at holes', () => join([1, 2], new Array(1)), 'OPTION-TYPE', 'boundaries[0]'],
    ['join of no list', () => join(wrong(1), [4]), 'OPTION-TYPE', 'list'],
    ['scaleLr batch 0', () => scaleLr(1, { batchSize: 0 }), 'OPTION-RANGE', 'batchSize'],
    ['scaleLr base 0', () => scaleLr(1, { batchSize: 1, base: 0 }), 'OPTION-RANGE', 'base'],
    ['scaleLr lr negative', () => scaleLr(-1, { batchSize: 1 }), 'OPTION-RANGE', 'lr'],
    ['scaleLr rule', () => scaleLr(1, { batchSize: 1, rule: wrong('lin') }), 'OPTION-RANGE', 'rule'],
    ['plateau factor 1', () => plateau(1, { factor: 1 }), 'OPTION-RANGE', 'factor'],
    ['plateau factor 0', () => plateau(1, { factor: 0 }), 'OPTION-RANGE', 'factor'],
    ['plateau patience -1', () => plateau(1, { patience: -1 }), 'OPTION-RANGE', 'patience'],
    ['plateau threshold -1', () => plateau(1, { threshold: -1 }), 'OPTION-RANGE', 'threshold'],
    ['plateau cooldown 0.5', () => plateau(1, { cooldown: 0.5 }), 'OPTION-RANGE', 'cooldown'],
    ['plateau minLr above', () => plateau(1, { minLr: 2 }), 'OPTION-RANGE', 'minLr'],
    ['plateau mode', () => plateau(1, { mode: wrong('maximum') }), 'OPTION-RANGE', 'mode'],
    ['plateau thresholdMode', () => plateau(1, { thresholdMode: wrong('relative') }), 'OPTION-RANGE', 'thresholdMode'],
    ['plateau negative', () => plateau(-1), 'OPTION-RANGE', 'value'],
    ['plateau with PyTorch’s min_lr', () => plateau(1, wrong({ min_lr: 0 })), 'OPTION-UNKNOWN', 'min_lr'],
    ['a value NaN', () => cosine(Number.NaN, { steps: 1 }), 'OPTION-RANGE', 'NaN'],
    ['a value as text', () => constant(wrong('0.1')), 'OPTION-TYPE', '"0.1"'],
    ['a value that is a schedule', () => cosine(wrong(constant(1)), { steps: 1 }), 'OPTION-TYPE', 'warmup or join'],
  ])('%s', (_, make, code, words) => {
    expect(make).toThrow(at(code, words));
  });

  it.each<[string, Schedule]>(
    [
      constant(1),
      step(1, { stepSize: 2 }),
      multistep(1, { milestones: [1] }),
      exponential(1, { rate: 0.5 }),
      inverseTime(1),
      inverseSqrt(1),
      linear(1, { steps: 2 }),
      polynomial(1, { steps: 2 }),
      cosine(1, { steps: 2 }),
      cosineRestarts(1, { period: 2 }),
      oneCycle(1, { steps: 2 }),
      cyclic(1, { max: 2 }),
      warmup(1, { steps: 2 }),
      join([1, 2], [2]),
      plateau(1),
    ].map((schedule) => [schedule.name, schedule]),
  )('%s refuses a count that is none', (_, schedule) => {
    for (const count of [-1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => schedule(count)).toThrow(at('OPTION-RANGE', String(count)));
    }
    expect(() => schedule('1' as unknown as number)).toThrow(at('OPTION-TYPE', '"1"'));
    expect(() => schedule(LAST)).not.toThrow();
  });
});

describe('plateau', () => {
  it('is PyTorch’s: a report more than patience without progress lowers the value', () => {
    const lr = plateau(1, { factor: 0.5, patience: 1, threshold: 0.1 });
    // best 10; 9.5 is no progress of 10 %; 8 is; then 8, 7.9 are not: twice.
    expect([10, 9.5, 8, 8, 7.9, 7.9, 7.9].map((metric) => lr.report(metric))).toEqual([1, 1, 1, 1, 0.5, 0.5, 0.25]);
    expect(values(lr, [0, 5, LAST])).toEqual([0.25, 0.25, 0.25]);
  });

  it('rests after a reduction, keeps to its least value, and has four notions of progress', () => {
    const resting = plateau(1, { factor: 0.5, patience: 0, cooldown: 2, minLr: 0.3 });
    expect([1, 1, 1, 1, 1, 1].map((metric) => resting.report(metric))).toEqual([1, 0.5, 0.5, 0.5, 0.3, 0.3]);
    const last = (options: Parameters<typeof plateau>[1], metrics: number[]) => {
      const lr = plateau(1, { patience: 0, factor: 0.5, ...options });
      return metrics.map((metric) => lr.report(metric)).at(-1);
    };
    expect(last({ thresholdMode: 'abs', threshold: 0.1 }, [1, 0.95])).toBe(0.5);
    expect(last({ thresholdMode: 'abs', threshold: 0.1 }, [1, 0.89])).toBe(1);
    expect(last({ mode: 'max', threshold: 0.1 }, [1, 1.05])).toBe(0.5);
    expect(last({ mode: 'max', threshold: 0.1 }, [1, 1.11])).toBe(1);
    expect(last({ mode: 'max', thresholdMode: 'abs', threshold: 0.1 }, [-1, -0.95])).toBe(0.5);
    expect(last({ mode: 'max', thresholdMode: 'abs', threshold: 0.1 }, [-1, -0.89])).toBe(1);
    expect(last({ eps: 0.6 }, [1, 1])).toBe(1);
  });

  it('refuses a metric that is no finite number and stays as it was', () => {
    const lr = plateau(1, { patience: 1 });
    lr.report(3);
    lr.report(4);
    const before = lr.state();
    for (const metric of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => lr.report(metric)).toThrow(at('OPTION-RANGE'));
    expect(() => lr.report(undefined as unknown as number)).toThrow(at('OPTION-TYPE'));
    expect(lr.state()).toEqual(before);
    expect(lr.version).toBe(0);
  });

  it('goes on from a state that went through JSON', () => {
    const make = () => plateau(1, { factor: 0.5, patience: 1, cooldown: 1 });
    const metrics = [5, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3];
    const whole = make();
    const expected = metrics.map((metric) => whole.report(metric));
    for (let cut = 0; cut <= metrics.length; cut++) {
      const [first, second] = [make(), make()];
      const head = metrics.slice(0, cut).map((metric) => first.report(metric));
      second.load(JSON.parse(JSON.stringify(first.state())));
      expect([...head, ...metrics.slice(cut).map((metric) => second.report(metric))]).toEqual(expected);
    }
    const one = make();
    for (const state of [null, {}, { lr: 2, bad: 0, cooling: 0 }, { lr: 1, bad: -1, cooling: 0 }, { lr: 1, bad: 0 }]) {
      expect(() => one.load(state as never)).toThrow(/\[OPTION-(TYPE|RANGE)\]/);
      expect(one.state()).toEqual({ lr: 1, bad: 0, cooling: 0 });
    }
  });

  it('makes a schedule around it dynamic too', () => {
    const lr = plateau(1, { factor: 0.5, patience: 0 });
    const whole = join([warmup(lr, { steps: 4 }), lr], [10]);
    expect(isDynamic(whole)).toBe(true);
    expect(isDynamic(warmup(cosine(1, { steps: 3 }), { steps: 4 }))).toBe(false);
    const { version } = whole as unknown as { version: number };
    lr.report(1);
    lr.report(1);
    expect((whole as unknown as { version: number }).version).toBeGreaterThan(version);
    ends(whole, [0.125, 0.5, 0.5], [0, 9, 12]);
  });
});

describe('a schedule as a hyper-parameter', () => {
  it('says what it is, in JSON too', () => {
    const lr = warmup(cosine(1e-3, { steps: 9500 }), { steps: 500 });
    expect(String(lr)).toBe('warmup(cosine(0.001, { steps: 9500, min: 0 }), { steps: 500 })');
    expect(JSON.stringify({ lr })).toBe(`{"lr":"${lr}"}`);
    expect(String(constant(2))).toBe('constant(2)');
    const own = (count: number) => count;
    expect(String(join([0.1, own, oneCycle(1, { steps: 5 })], [3, 4]))).toBe(
      "join([0.1, own, oneCycle(1, { steps: 5, pctStart: 0.3, divFactor: 25, finalDivFactor: 10000, anneal: 'cos' })], [3, 4])",
    );
    expect(lr.name).toBe('warmup');
  });

  it('is checked at every update, and the error names the count', () => {
    const until = (count: number, then: () => number) => (at: number) => (at < count ? 0.1 : then());
    expect(hyperAt(sgd({ lr: until(37, () => Number.NaN) }), 36).lr).toBe(0.1);
    const fail = (then: () => number) => () => hyperAt(sgd({ lr: until(37, then) }), 37);
    expect(fail(() => Number.NaN)).toThrow(at('HYPER-RANGE', 'lr at update 37'));
    expect(fail(() => -1)).toThrow(at('HYPER-RANGE', 'lr at update 37'));
    expect(fail(() => '1' as unknown as number)).toThrow(at('HYPER-TYPE', 'lr at update 37'));
    const broken = fail(() => {
      throw new Error('no rate left');
    });
    expect(broken).toThrow(at('HYPER-RANGE', 'lr at update 37'));
    expect(broken).toThrow(at('HYPER-RANGE', 'no rate left'));
  });

  it('may decay to 0 in f32, where 0 is allowed', () => {
    expect(hyperAt(sgd({ lr: exponential(1e-3, { rate: 0.5 }) }), 1000).lr).toBe(1e-3 * 0.5 ** 1000);
    expect(() => hyperAt(sgd({ lr: exponential(1e-3, { rate: 2 }) }), 1000)).toThrow(at('HYPER-RANGE', '32-bit'));
  });
});
