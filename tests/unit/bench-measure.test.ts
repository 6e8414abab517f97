import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Contender, Runner } from '../../harness/bench/contract.js';
import { covered } from '../../harness/bench/instruments.js';
import { FULL, type MeasurePlan, measure, QUICK } from '../../harness/bench/measure.js';
import { slowed } from '../../harness/bench/ours/slowed.js';
import { ratio } from '../../harness/bench/statistics.js';
import { generator, normal, places, uniform } from '../../harness/common/random.js';
import { DownhillError } from '../../src/index.js';

/*
 * The method on contenders whose time is known: a clock that only their work moves. Nothing here waits for real time.
 */

const PLAN: MeasurePlan = { ...QUICK, minRounds: 5, maxRounds: 7 };

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

interface Fake {
  /** Milliseconds of an iteration, by the run it is in. */
  readonly ms?: (run: number) => number;
  readonly check?: (call: number) => boolean;
  readonly open?: () => void;
  readonly run?: (run: number) => void;
}

const log: string[] = [];
function fake(name: string, { ms = () => 1, check = () => true, open, run }: Fake = {}): Contender {
  return {
    name,
    async open(): Promise<Runner> {
      open?.();
      let [runs, checks] = [0, 0];
      return {
        async run(iterations) {
          log.push(name);
          run?.(runs);
          vi.advanceTimersByTime(iterations * ms(runs++));
        },
        check: async () => ({ ok: check(checks++), detail: 'as it should be' }),
        part: { destroy: () => void log.push(`${name} destroyed`) },
      };
    },
  };
}
const run = (contenders: Contender[], plan = PLAN) =>
  measure({ work: { unit: 'step' }, baseline: 'downhill', contenders }, plan);

describe('measure', () => {
  it('gives the time of an iteration, with samples long enough for the clock', async () => {
    const [a, b] = await run([fake('downhill', { ms: () => 0.5 }), fake('other', { ms: () => 4 })]);
    expect(a!.outcome).toBe('measured');
    expect(a!.iterations).toBe(QUICK.sampleMs / 0.5);
    expect(b!.iterations).toBe(Math.round(QUICK.sampleMs / 4));
    expect(new Set(a!.samples)).toEqual(new Set([0.5]));
    expect(ratio(b!.samples, a!.samples).value).toBeCloseTo(8, 9);
  });

  it('takes every contender once a round, each round beginning with another', async () => {
    log.length = 0;
    const contenders = [fake('downhill'), fake('b'), fake('c')];
    await run(contenders, { ...PLAN, minRounds: 3, maxRounds: 3 });
    // Each sample comes after a shorter run that is not timed.
    const rounds = log.filter((entry) => !entry.includes('destroyed')).slice(-18);
    expect(rounds.filter((_, i) => i % 2 === 1).join(' ')).toBe('downhill b c b c downhill c downhill b');
    expect(log.filter((entry) => entry.includes('destroyed'))).toHaveLength(3);
  });

  it('keeps a drift of the machine out of the ratio', async () => {
    // Everything becomes slower by a tenth from round to round.
    const drift = (base: number) => (n: number) => base * 1.1 ** n;
    const contenders = [fake('downhill', { ms: drift(1) }), fake('other', { ms: drift(2) })];
    const [a, b] = await run(contenders, { ...PLAN, sampleMs: 1, warmUpMs: 0 });
    const { value } = ratio(b!.samples, a!.samples);
    expect(value).toBeGreaterThan(1.8);
    expect(value).toBeLessThan(2.2);
  });

  it('goes on to more rounds only while a ratio is uncertain', async () => {
    const steady = await run([fake('downhill'), fake('other')]);
    expect(steady[0]!.samples).toHaveLength(PLAN.minRounds);
    const noisy = await run([fake('downhill'), fake('other', { ms: (n) => 1 + (n % 3) })]);
    expect(noisy[0]!.samples).toHaveLength(PLAN.maxRounds);
  });

  it('has no time for a contender whose numbers are wrong, before or after', async () => {
    const [, before, after] = await run([
      fake('downhill'),
      fake('before', { check: () => false }),
      fake('after', { check: (call) => call === 0 }),
    ]);
    for (const result of [before!, after!]) {
      expect(result).toMatchObject({ outcome: 'failed', samples: [], iterations: 0 });
      expect(result.note).toMatch(/wrong numbers: as it should be/);
    }
  });

  it('goes on without a contender that throws, and says why', async () => {
    const refuse = () => {
      throw new Error('no such luck\n  at somewhere');
    };
    const [ours, opened, ran] = await run([
      fake('downhill'),
      fake('cannot open', { open: refuse }),
      fake('breaks off', { run: (n) => (n > 4 ? refuse() : undefined) }),
    ]);
    expect(ours!.outcome).toBe('measured');
    expect(opened).toMatchObject({ outcome: 'failed', note: 'no such luck', samples: [] });
    expect(ran).toMatchObject({ outcome: 'failed', note: 'no such luck', samples: [] });
  });

  it('skips what the adapter has no room for, with the reason', async () => {
    const tooLarge = () => {
      throw new DownhillError('LIMIT-BINDING', '400 bytes, but this adapter binds 300.', 'Leave it out.');
    };
    const [, large] = await run([fake('downhill'), fake('large', { open: tooLarge })]);
    expect(large).toMatchObject({ outcome: 'skipped', note: '400 bytes, but this adapter binds 300.' });
  });

  it('times what is very slow a few times only, and says so', async () => {
    const [ours, slow] = await run([fake('downhill'), fake('slow', { ms: () => PLAN.slowMs * 1.5 })]);
    expect(ours!.samples).not.toContain(null);
    expect(slow!.samples.filter((sample) => sample !== null)).toHaveLength(PLAN.slowRounds);
    expect(slow!.samples).toHaveLength(ours!.samples.length);
    expect(slow!.note).toMatch(/measured in 2 rounds only/);
  });

  it('sees 20 % more work, and none where there is none', async () => {
    // One per cent of noise, another for every run.
    const noise = () => {
      const next = generator(7);
      return () => 0.1 * (1 + 0.02 * (next() - 0.5));
    };
    const contenders = [0, 0, 2, 20].map((percent, i) =>
      slowed(fake(i === 0 ? 'downhill' : `${percent} (${i})`, { ms: noise() }), percent),
    );
    const [base, same, two, twenty] = await run(contenders, FULL);
    const of = (other: typeof base) => ratio(other!.samples, base!.samples);
    expect(of(same).value).toBeCloseTo(1, 2);
    expect(of(two).value).toBeCloseTo(1.02, 2);
    expect(of(twenty).value).toBeCloseTo(1.2, 2);
    expect(of(twenty).low).toBeGreaterThan(1.1);
    expect(of(same).high).toBeLessThan(1.1);
  });
});

describe('covered', () => {
  it('adds up what at least one interval covers', () => {
    expect(covered([])).toBe(0);
    expect(
      covered([
        [0, 10],
        [5, 15],
        [20, 30],
      ]),
    ).toBe(25);
    expect(
      covered([
        [20, 30],
        [0, 40],
      ]),
    ).toBe(40);
  });

  it('takes a pair in the wrong order for nothing', () => {
    expect(
      covered([
        [10, 5],
        [20, 21],
      ]),
    ).toBe(1);
  });
});

describe('inputs', () => {
  it('are the same for the same seed, and spread as they should be', () => {
    expect(uniform(5, 3)).toEqual(uniform(5, 3));
    expect(uniform(5, 3)).not.toEqual(uniform(5, 4));
    const values = uniform(20_000, 1, 2);
    expect(Math.max(...values)).toBeLessThanOrEqual(2);
    expect(Math.max(...values)).toBeGreaterThan(1.99);
    expect(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length)).toBeLessThan(0.03);
    const bell = normal(20_001, 5, 3);
    expect(bell).toHaveLength(20_001);
    expect(Math.sqrt(bell.reduce((sum, value) => sum + value * value, 0) / bell.length)).toBeCloseTo(3, 1);
  });

  it('are looked at in different places, the ends among them', () => {
    const at = places(1000, 50, 2);
    expect(new Set(at).size).toBe(50);
    expect(at).toContain(0);
    expect(at).toContain(999);
    expect(places(3, 50, 2)).toEqual([0, 1, 2]);
  });
});
