import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BufferSet } from '../../src/gpu/buffers.js';
import { clockBytes, readClocks } from '../../src/kernels/advance.js';
import { RECORD_WORDS } from '../../src/kernels/update.js';
import type { Group } from '../../src/optim/group.js';
import { nextRules } from '../../src/optim/groups.js';
import { type Rule, recordAt } from '../../src/optim/rule.js';
import { adam, nadam, sgd } from '../../src/optim/rules.gen.js';
import { ScalarRing } from '../../src/optim/scalars.js';
import { scale } from '../../src/optim/scale.js';
import { plateau } from '../../src/optim/schedules.js';

/* The ring of records against a GPU that is only a queue and a memory. */

function makeRing(
  groups: readonly Group[],
  { micro = 1, updates = 1024, clipValue = undefined as number | undefined } = {},
) {
  const bytes = new Uint8Array(4 * RECORD_WORDS * updates * groups.reduce((sum, { rules }) => sum + rules.length, 0));
  let writes = 0;
  const device = {
    createBuffer: ({ size }: { size: number }) => ({ size }),
    queue: {
      writeBuffer: (_: unknown, at: number, data: Uint32Array, from: number, count: number) => {
        writes++;
        bytes.set(new Uint8Array(data.buffer, 4 * from, 4 * count), at);
      },
    },
  } as unknown as GPUDevice;
  const { row } = groups[0]!.rules[0]!;
  const replicas = groups[0]!.rules.length;
  const ring = new ScalarRing(new BufferSet(device, 'test'), {
    row,
    groups,
    replicas,
    micro,
    gradScale: 1,
    clipValue,
    updates,
  });
  const records = groups.length * replicas;
  const field = (name: string, record: number, count: number) => {
    const { offset, type } = row.shader.structs.Hyper!.fields[name]!;
    const at = 4 * RECORD_WORDS * ((count % updates) * records + record) + offset;
    return new (type === 'f32' ? Float32Array : Uint32Array)(bytes.buffer, at, 1)[0]!;
  };
  const see = (...counts: number[]) => {
    const micros = { micro: 0 };
    ring.see(readClocks(clockBytes(counts.map((count) => ({ count, step: ring.issued, ...micros })))));
  };
  return { ring, field, see, writes: () => writes };
}

const group = (...rules: unknown[]): Group => ({ tensors: ['w'], frozen: false, rules: rules as Rule[] });
const single = (rule: unknown, options = {}) => makeRing([group(rule)], options);

describe('the ring of records', () => {
  it('holds the record of every update that a step may need, whatever was skipped, read and written', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            steps: fc.integer({ min: 1, max: 256 }),
            applied: fc.double({ min: 0, max: 1, noNaN: true }),
            read: fc.boolean(),
          }),
          { maxLength: 40 },
        ),
        (flights) => {
          const lr = (count: number) => 1 / (1 + count);
          const { ring, field, see } = single(sgd({ lr }));
          let count = 0;
          let seen = 0;
          for (const { steps, applied, read } of flights) {
            // At most two flights are under way.
            if (read || ring.issued - seen > 256) {
              see(count);
              seen = ring.issued;
            }
            expect(ring.issue(steps)).toBe(steps);
            for (const end = count + Math.floor(applied * steps); count < end; count++)
              expect([field('count', 0, count), field('lr', 0, count)]).toEqual([count, Math.fround(lr(count))]);
            expect(field('count', 0, count)).toBe(count);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it.each<[string, (lr: (count: number) => number) => unknown]>([
    ['without', (lr) => sgd({ lr })],
    ['with a carry', (lr) => nadam({ lr })],
  ])('holds what a step needs although steps before it were never submitted: a rule %s', (_, rule) => {
    const lr = (count: number) => 1 / (1 + count);
    const plain = single(rule(lr), { updates: 16_384 });
    plain.ring.issue(8000);
    const names = ['count', ...Object.keys(plain.ring.rules[0]!.row.shader.structs.Hyper!.fields)];
    const recordOf = ({ field }: ReturnType<typeof single>, count: number) =>
      names.map((name) => field(name, 0, count));
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            // The ring holds what is recorded until the look after the next one: 768.
            dropped: fc.integer({ min: 0, max: 250 }),
            done: fc.integer({ min: 0, max: 60 }),
            late: fc.integer({ min: 0, max: 30 }),
          }),
          { maxLength: 60 },
        ),
        (rounds) => {
          const own = single(rule(lr));
          const { ring } = own;
          let count = 0;
          let waiting = 0;
          const run = (steps: number) => {
            for (let i = 0; i < steps; i++, count++) expect(recordOf(own, count)).toEqual(recordOf(plain, count));
          };
          const look = () => {
            const { recorded } = ring;
            ring.look(readClocks(clockBytes([{ count, step: count }])), recorded);
          };
          for (const { dropped, done, late } of rounds) {
            for (let i = 0; i < dropped; i++) ring.issue(1);
            run(waiting); // what was recorded before the last look and is submitted behind it
            for (let i = 0; i < done; i++, run(1)) ring.issue(1);
            for (let i = 0; i < late; i++) ring.issue(1);
            waiting = late;
            look();
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('goes on from what was done where more was recorded and dropped than it holds', () => {
    for (const rule of [adam({ lr: (count) => 1 / (1 + count) }), nadam({ lr: (count) => 1 / (1 + count) })]) {
      const [{ ring, field }, plain] = [single(rule), single(rule)];
      const look = (count: number) => ring.look(readClocks(clockBytes([{ count, step: count }])), ring.recorded);
      for (let i = 0; i < 5; i++) for (const each of [ring, plain.ring]) each.issue(1);
      look(5);
      for (let i = 0; i < 20_000; i++) ring.issue(1);
      look(5);
      for (let count = 5; count < 600; count++) {
        for (const each of [ring, plain.ring]) each.issue(1);
        for (const name of ['count', 'lr']) {
          if (name in ring.rules[0]!.row.shader.structs.Hyper!.fields)
            expect(field(name, 0, count)).toBe(plain.field(name, 0, count));
        }
      }
    }
  });

  it.each([
    ['asked for before steps that the later one knew of', 500, 100],
    ['asked for before a submit that the later one saw', 1200, 1200],
  ])('learns nothing of a look that comes behind a later one: %s', (_, done, recorded) => {
    const { ring, field } = single(sgd({ lr: (count) => 1 / (1 + count) }));
    const look = (count: number, recorded: number) =>
      ring.look(readClocks(clockBytes([{ count, step: count }])), recorded);
    for (let i = 0; i < done; i++) ring.issue(1);
    look(done, done);
    look(100, recorded); // what was issued since is done, not dropped
    for (let count = done; count < 3000; count++) {
      ring.issue(1);
      expect(field('count', 0, count)).toBe(count);
    }
  });

  it('writes a block of 256 at a time, once', () => {
    const { ring, writes } = single(adam());
    for (let step = 0; step < 256; step++) ring.issue(1);
    expect(writes()).toBe(1);
    ring.issue(1);
    expect(writes()).toBe(2);
  });

  it('gives as many steps as have records where a schedule fails, and throws where the next certainly has none', () => {
    const { ring, see } = single(sgd({ lr: (count) => (count < 300 ? 0.5 : Number.NaN) }));
    expect(ring.issue(200)).toBe(200);
    expect(ring.issue(200)).toBe(100);
    expect(ring.issue(5)).toBe(0);
    expect(ring.failure).toMatchObject({ code: 'HYPER-RANGE' });
    see(290);
    expect(ring.issue(20)).toBe(10);
    see(300);
    expect(() => ring.issue(1)).toThrow(expect.objectContaining({ code: 'HYPER-RANGE' }));
  });

  it('counts micro-steps: the record of an update serves all of them', () => {
    const { ring } = single(sgd({ lr: (count) => (count < 3 ? 0.5 : Number.NaN) }), { micro: 4 });
    expect(ring.issue(20)).toBe(12);
    expect(() => single(sgd({ lr: () => Number.NaN }), { micro: 4 }).ring.issue(1)).toThrow();
  });

  it('follows a plateau from the lowest count on; what was handed out before keeps the old rates', () => {
    const lr = plateau(1, { factor: 0.5, patience: 0 });
    const { ring, field, see } = single(sgd({ lr }));
    ring.issue(100);
    see(40);
    ring.issue(10);
    const before = ring.rates();
    lr.report(1);
    lr.report(1);
    ring.issue(1);
    expect([39, 40, 60, 110].map((count) => field('lr', 0, count))).toEqual([1, 0.5, 0.5, 0.5]);
    expect([39, 40, 60].map((count) => before(0, count))).toEqual([1, 1, 1]);
    expect([39, 40, 60].map((count) => ring.rates()(0, count))).toEqual([1, 0.5, 0.5]);
  });

  it('leaves alone the records of updates that happened, and puts back those of a change that fails', () => {
    const { ring, field, see } = single(sgd({ lr: 1 }));
    ring.issue(50);
    see(20);
    const bad = sgd({ lr: (count: number) => (count < 30 ? 2 : Number.NaN) }) as unknown as Rule;
    ring.issue(20);
    expect(() => ring.change([bad])).toThrow(expect.objectContaining({ code: 'HYPER-RANGE' }));
    expect([10, 20, 29, 30].map((count) => field('lr', 0, count))).toEqual([1, 1, 1, 1]);
    ring.change([sgd({ lr: 3 }) as unknown as Rule]);
    expect([10, 19, 20, 255].map((count) => field('lr', 0, count))).toEqual([1, 1, 3, 3]);
  });

  it('has a record per group and replica, the clip value and what is frozen in each', () => {
    const { ring, field } = makeRing(
      [
        group(sgd({ lr: 1 }), sgd({ lr: 2 })),
        { ...group(sgd({ lr: 3 }), sgd({ lr: 4, maximize: true })), frozen: true },
      ],
      { clipValue: 0.5 },
    );
    ring.issue(1);
    expect([0, 1, 2, 3].map((record) => field('lr', record, 7))).toEqual([1, 2, 3, 4]);
    expect([0, 1, 2, 3].map((record) => field('skip', record, 7))).toEqual([0, 0, 1, 1]);
    expect([0, 1, 2, 3].map((record) => field('clip_value', record, 7))).toEqual([0.5, 0.5, 0.5, 0.5]);
    expect([0, 1, 2, 3].map((record) => field('grad_scale', record, 7))).toEqual([1, 1, 1, -1]);
    expect([0, 1, 2, 3].map((record) => ring.rates()(record, 7))).toEqual([1, 2, 3, 4]);
  });
});

describe('what a rule carries', () => {
  const old = nadam({ betas: [0.9, 0.999] }) as unknown as Rule;
  const next = nadam({ betas: [0.5, 0.999] }) as unknown as Rule;

  it('stays for updates that were recorded, and goes on from there with other hyper-parameters', () => {
    const { ring, field, see } = single(old);
    ring.issue(30);
    see(10);
    ring.issue(5);
    ring.change([next]);
    // 25 attempts since the count of 10: updates below 35 may have been recorded with the old product.
    let carry: readonly number[] = [1];
    for (let count = 0; count < 300; count++) {
      if (count === 255) ring.issue(256);
      expect(ring.carry(0, count)).toEqual(carry);
      const { values } = recordAt(count < 10 ? old : next, count, carry);
      expect(field('moment_step', 0, count)).toBe(Math.fround(values.moment_step!));
      carry = recordAt(count < 15 ? old : next, count, carry).carry;
    }
  });

  it('is the same after a change that fails', () => {
    const { ring } = single(old);
    ring.issue(20);
    const before = [0, 10, 20, 100, 256].map((count) => ring.carry(0, count));
    const bad = nadam({ betas: [(count: number) => (count < 10 ? 0.5 : 2), 0.999] }) as unknown as Rule;
    expect(() => ring.change([bad])).toThrow();
    expect([0, 10, 20, 100, 256].map((count) => ring.carry(0, count))).toEqual(before);
  });

  it('makes a change at update 1,000,000, and a start at 5,000,000, as quick as any', () => {
    let asked = 0;
    const lr = (_: number) => {
      asked++;
      return 0.001;
    };
    const { ring, field } = single(nadam({ lr }));
    for (const count of [1_000_000, 5_000_000]) {
      asked = 0;
      ring.restart(readClocks(clockBytes([{ step: count, count }])), [[1e-3]]);
      ring.issue(1);
      expect(ring.carry(0, count)).toEqual([1e-3]);
      expect(field('count', 0, count)).toBe(count);
      ring.change([nadam({ lr, betas: [0.8, 0.9] }) as unknown as Rule]);
      expect(asked).toBeLessThanOrEqual(4 * 256);
    }
  });
});

describe('set', () => {
  const groups: Group[] = [
    { tensors: ['w', 'v'], frozen: false, rules: [adam({ lr: 0.1 }) as unknown as Rule] },
    {
      tensors: ['b'],
      frozen: false,
      rules: [adam({ lr: (count: number) => 1 / (1 + count), betas: [0.8, 0.9] }) as unknown as Rule],
    },
  ];
  const rules = groups.flatMap((each) => each.rules);
  const set = (options: unknown, names?: unknown) =>
    nextRules(groups, rules, ['exp_avg', 'exp_avg_sq'], options, names).map(
      (rule) => rule.hyper as Record<string, unknown>,
    );

  it('changes every group, or those named', () => {
    expect(set({ lr: 0.5 }).map(({ lr }) => lr)).toEqual([0.5, 0.5]);
    expect(set({ lr: 0.5 }, ['b']).map(({ lr }) => lr)).toEqual([0.1, 0.5]);
    expect(set({ lr: 0.5 }, ['v', 'w']).map(({ lr }, i) => (i === 0 ? lr : typeof lr))).toEqual([0.5, 'function']);
    expect(set({ lr: 0.5 }, []).map(({ lr }, i) => (i === 0 ? lr : typeof lr))).toEqual([0.1, 'function']);
  });

  it('keeps ratios of groups by a factor on numbers, schedules and pairs', () => {
    const [first, second] = set({ lr: scale(0.5), betas: [scale(0.5), 0.99] });
    expect(first!.lr).toBe(0.05);
    expect((second!.lr as (count: number) => number)(3)).toBe(0.125);
    expect(String(second!.lr)).toMatch(/^scaled\(0.5, /);
    expect([first!.betas, second!.betas]).toEqual([
      [0.45, 0.99],
      [0.4, 0.99],
    ]);
    expect(set({ betas: scale(0.5) })[0]!.betas).toEqual([0.45, 0.4995]);
  });

  it('keeps a scaled plateau alive', () => {
    const lr = plateau(1, { factor: 0.1, patience: 0 });
    const own = [{ ...groups[0]!, rules: [adam({ lr }) as unknown as Rule] }];
    const [rule] = nextRules(own, own[0]!.rules, ['exp_avg', 'exp_avg_sq'], { lr: scale(0.5) }, undefined);
    const { ring, field } = single(rule);
    ring.issue(1);
    lr.report(1);
    lr.report(1);
    ring.issue(1);
    expect(ring.rates()(0, 1)).toBeCloseTo(0.05, 12);
    expect(field('count', 0, 1)).toBe(1);
  });

  it.each<[string, unknown, unknown, string, string]>([
    ['names that are no list', { lr: 1 }, 'b', 'OPTION-TYPE', 'second'],
    ['an object second', { lr: 1 }, { lr: 2 }, 'OPTION-TYPE', 'second'],
    ['a name that is no string', { lr: 1 }, [1], 'OPTION-TYPE', 'second'],
    ['an unknown tensor', { lr: 1 }, ['c'], 'OPTION-RANGE', 'no tensor "c"'],
    ['part of a group', { lr: 1 }, ['w'], 'OPTION-RANGE', '"w" shares its hyper-parameters with "v"'],
    ['a factor on what is no number', { amsgrad: scale(2) }, undefined, 'HYPER-TYPE', 'amsgrad'],
    ['a factor that leaves the range', { betas: [scale(2), 0.9] }, undefined, 'HYPER-RANGE', 'betas[0]'],
    ['an unknown name with a factor', { rate: scale(2) }, undefined, 'HYPER-UNKNOWN', 'rate'],
    ['a number for a list', 5, undefined, 'OPTION-TYPE', 'set'],
  ])('refuses %s', (_, options, names, code, words) => {
    expect(() => set(options, names)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words), fix: expect.stringMatching(/\S/) }),
    );
  });

  it('takes no factor that is none', () => {
    for (const wrong of [Number.NaN, -1, '2', undefined])
      expect(() => scale(wrong as number)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^OPTION-/) }),
      );
  });
});

describe('replicas whose counts part', () => {
  it('keep the records that the one behind needs, and say so when they cannot', () => {
    const rules = [sgd({ lr: 0.1 }) as Rule, sgd({ lr: 0.2 }) as Rule];
    const { ring, field } = makeRing([{ tensors: ['w'], frozen: false, rules }]);
    let [low, high] = [0, 0];
    const end = () => {
      for (let attempt = 0; ; attempt += 64) {
        const issued = ring.issue(64, true);
        if (issued === 0) return;
        // Whatever either replica comes to next lies in the ring.
        for (const [replica, count] of [low, high].entries()) expect(field('count', replica, count)).toBe(count);
        low += issued / 2; // one of two updates is left out
        high += issued;
        ring.see(readClocks(clockBytes([low, high].map((count) => ({ step: high, count })))));
        if (attempt > 1e5) throw new Error('no end');
      }
    };
    expect(end).toThrow(expect.objectContaining({ code: 'RUN-AHEAD', fix: expect.any(String) }));
    expect(high - low).toBeGreaterThan(500);
  });

  it('a factor of a schedule again and again stays one factor', () => {
    let rules: Rule[] = [sgd({ lr: (count) => 1 / (1 + count) }) as Rule];
    const groups = [{ tensors: ['w'], frozen: false, rules }];
    for (let i = 0; i < 20_000; i++) rules = nextRules(groups, rules, [], { lr: scale(i % 2 ? 2 : 0.5) }, undefined);
    expect(recordAt(rules[0]!, 3, []).lr).toBe(0.25);
  });
});

describe('replicas that joined later', () => {
  const rules = [sgd({ lr: (count) => 1 + count }), sgd({ lr: 0.5 }), sgd({ lr: 0.5 })] as Rule[];
  const clocksAt = (...counts: number[]) => readClocks(clockBytes(counts.map((count) => ({ step: count, count }))));

  it('count their schedules from there, at the count of all', () => {
    const { ring, field } = makeRing([{ tensors: ['w'], frozen: false, rules }]);
    ring.issue(100);
    ring.restart(clocksAt(100, 100, 100), [[], [], []], rules, [90, 0, 0]);
    expect(ring.issue(10)).toBe(10);
    expect([field('count', 0, 105), field('lr', 0, 105), ring.rates()(0, 105)]).toEqual([105, 16, 16]);
    expect([field('count', 2, 105), field('lr', 2, 105), ring.rates()(2, 105)]).toEqual([105, 0.5, 0.5]);
  });

  it('that are halted have no records, and keep what their rules carried', () => {
    const carrying = [nadam(), nadam()] as Rule[];
    const { ring, see } = makeRing([{ tensors: ['w'], frozen: false, rules: carrying }], { updates: 512 });
    ring.issue(10);
    see(10, 10);
    const then = ring.carry(1, 10);
    const halted = (...counts: number[]) =>
      readClocks(clockBytes(counts.map((count, i) => ({ step: count, count, fault: i === 1 ? 4 : 0 }))));
    ring.see(halted(10, 10));
    for (let count = 10; count < 2000; count += 200) {
      ring.issue(200, true);
      ring.see(halted(count + 200, 10));
    }
    expect(ring.carry(1, 10)).toEqual(then);
    expect(ring.carry(0, 2010)).not.toEqual(then);
  });
});
