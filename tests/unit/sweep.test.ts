import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { Coordinator, type TaskResult } from '../../harness/sweep/coordinator.js';
import { Lines } from '../../harness/sweep/messages.js';
import { parseSweep } from '../../harness/sweep/options.js';
import { inspectServer, redisOptions, shownUrl } from '../../harness/sweep/redis/connect.js';
import { logText, trialsIn } from '../../harness/sweep/report.js';
import { checkPack, checkSweep, type PackJob, type SweepSpec } from '../../harness/sweep/spec.js';
import type { MethodName, Task } from '../../src/search/index.js';

const sweepOf = (name: MethodName, more: Partial<SweepSpec> = {}, trials = 16): SweepSpec => ({
  ...{ format: 'downhill-sweep/1', name: 'test', steps: 64, pack: 3, parallel: 4, every: 8 },
  search: {
    ...{ format: 'downhill-search/1', train: { optimizer: 'sgd', steps: '64' } },
    space: { lr: { kind: 'log-uniform', low: 1e-4, high: 1 }, batch: { kind: 'choice', values: [16, 64] } },
    ...{ method: { name, options: {} }, trials, seeds: [0], seed: 5, metric: 'loss' },
  },
  ...more,
});

/** What a trial comes to, from nothing but what it is. */
const outcomeOf = ({ params, to }: Task) => {
  const loss = Math.abs(Math.log10(params.lr as number) + 1.5) + 1 / to;
  return { values: [loss], value: loss };
};
const resultOf = (task: Task, attempt = 1): TaskResult => ({
  ...{ trial: task.trial, to: task.to, attempt },
  outcome: outcomeOf(task),
});

/** Does all packs, each time the one that `pick` takes of those there are. */
function finish(spec: SweepSpec, pick: (packs: readonly PackJob[]) => number): Coordinator {
  const coordinator = new Coordinator(spec);
  while (!coordinator.ended) {
    const pending = coordinator.pending();
    expect(pending.length).toBeGreaterThan(0);
    const pack = coordinator.left(pending[pick(pending) % pending.length]!);
    coordinator.add(pack.tasks.map((task) => resultOf(task)));
  }
  return coordinator;
}

describe('what a sweep comes to', () => {
  test.each<MethodName>(['grid', 'random', 'coarse-to-fine', 'halving', 'hyperband', 'asha'])(
    '%s: does not depend on the order in which results come, nor on who begins anew from them',
    (method) => {
      const spec = sweepOf(method);
      const first = finish(spec, () => 0);
      expect(trialsIn(first).length).toBeGreaterThan(3);
      expect(trialsIn(first).some(({ state }) => state === 'complete')).toBe(true);
      fc.assert(
        fc.property(fc.infiniteStream(fc.nat(1000)), fc.nat(), (picks, cut) => {
          const other = finish(spec, () => picks.next().value as number);
          expect(logText(other)).toBe(logText(first));
          // A worker that begins anew knows it from any part of the results.
          const results = [...other.results];
          const again = new Coordinator(spec);
          again.add(results.slice(0, cut % (results.length + 1)));
          while (!again.ended) again.add(again.left(again.pending()[0]!).tasks.map((task) => resultOf(task, 2)));
          expect(logText(again)).toBe(logText(first));
        }),
        { numRuns: 20 },
      );
    },
  );

  test('packs are of one shape and size, and 64 trials of one shape are one job', () => {
    const { packs } = new Coordinator(sweepOf('random'));
    for (const { tasks } of packs) {
      expect(tasks.length).toBeLessThanOrEqual(3);
      expect(new Set(tasks.map(({ params }) => params.batch)).size).toBe(1);
    }
    const space = { lr: { kind: 'log-uniform', low: 1e-4, high: 1 } } as const;
    const { search } = sweepOf('random', {}, 64);
    const whole = new Coordinator({ ...sweepOf('random'), search: { ...search, space }, pack: 64 });
    expect(whole.packs.map(({ tasks }) => tasks.length)).toEqual([64]);
  });

  test('the first result of a task counts: one that comes later is too late', () => {
    const coordinator = new Coordinator(sweepOf('random'));
    const [task] = coordinator.packs[0]!.tasks;
    const cancelled = { values: [null], value: null, reason: 'cancelled' };
    expect(coordinator.add([{ trial: task!.trial, to: task!.to, attempt: 0, outcome: cancelled }])).toBe(true);
    expect(coordinator.add([resultOf(task!)])).toBe(false);
    while (!coordinator.ended)
      coordinator.add(coordinator.pending().flatMap(({ tasks }) => tasks.map((each) => resultOf(each))));
    expect(trialsIn(coordinator)[task!.trial]).toMatchObject({ state: 'failed', reason: 'cancelled' });
  });

  test('a method that copies weights from trial to trial is refused', () => {
    expect(() => new Coordinator(sweepOf('pbt'))).toThrow(/pbt copies weights.*OPTION-RANGE/s);
  });
});

describe('what comes from a queue', () => {
  const [pack] = new Coordinator(sweepOf('random')).packs;
  const task = pack!.tasks[0]!;

  test('is taken where it is whole', () => {
    expect(checkPack(JSON.parse(JSON.stringify(pack)))).toEqual(pack);
    expect(checkSweep(JSON.parse(JSON.stringify(sweepOf('asha'))))).toEqual(sweepOf('asha'));
  });

  const bad: readonly (readonly [string, unknown])[] = [
    ['another version', { ...pack, format: 'downhill-pack/2' }],
    ['a path for a name', { ...pack, sweep: '../../etc' }],
    ['shell text for a name', { ...pack, sweep: 'a; rm -rf /' }],
    ['a flag for a value', { ...pack, train: { optimizer: '--out=/etc' } }],
    ['a flag of its own', { ...pack, train: { out: '/etc' } }],
    ['a flag among the parameters', { ...pack, tasks: [{ ...task, params: { lr: '--out' } }] }],
    ['no tasks', { ...pack, tasks: [] }],
    ['a task that ends before it begins', { ...pack, tasks: [{ ...task, from: 5, to: 5 }] }],
    ['a trial that is no number', { ...pack, tasks: [{ ...task, trial: '1' }] }],
    ['a parameter that is no value', { ...pack, tasks: [{ ...task, params: { lr: { toString: 1 } } }] }],
    ['something else', { ...pack, run: 'process.exit()' }],
    ['null', null],
    ['a list', []],
  ];
  test.each(bad)('is refused with %s', (_, job) => {
    expect(() => checkPack(job)).toThrow(/OPTION-/);
  });

  test('is never an untyped error, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything(), (job) => {
        for (const check of [checkPack, checkSweep]) {
          try {
            check(job);
          } catch (error) {
            expect((error as Error).name).toBe('DownhillError');
          }
        }
      }),
    );
  });
});

test('lines come whole, whatever pieces they arrive in, and what is no JSON is left out', () => {
  const values = [{ a: 1 }, { b: 'ü\n' }, [3]];
  const text = `${values.map((value) => JSON.stringify(value)).join('\nMESA: warning\n')}\n`;
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), text.length];
      const lines = new Lines();
      const read = places.slice(1).flatMap((end, i) => [...lines.take(text.slice(places[i], end))]);
      expect(read).toEqual(values);
    }),
  );
});

describe('the command line', () => {
  const words = '--optimizer sgd --steps 64 --trials 12 --method asha --model 784-16-10';
  const add = (more: string) =>
    parseSweep(['add', 'lr=log:1e-4..1', ...words.split(' '), ...more.split(' ').filter(Boolean)]);

  test('gives the search its flags and keeps its own', () => {
    expect(add('--pack 4 --out runs/x --every 7')).toMatchObject({
      ...{ action: 'add', name: 'x', place: { folder: 'runs/x' }, pack: 4, parallel: 8, every: 7 },
      search: { trials: 12, method: { name: 'asha' }, train: { optimizer: 'sgd', model: '784-16-10' } },
    });
    expect(add('--redis redis://h:1 --name lr')).toMatchObject({
      name: 'lr',
      place: { redis: { url: 'redis://h:1' } },
    });
    expect(parseSweep(['work', 'runs/x', '--workers', '3'])).toMatchObject({ place: { folder: 'runs/x' }, workers: 3 });
    expect(parseSweep(['cancel', 'runs/x', '--trial', '3,5'])).toMatchObject({ trials: [3, 5] });
  });

  test.each([
    [[], /needs to know what to do/],
    [['ad'], /cannot do 'ad'.*add/s],
    [['add'], /needs the space/],
    [['work'], /takes one folder, got 0/],
    [['work', 'a', 'b'], /takes one folder, got 2/],
    [['work', 'a', '--redis', 'redis://h'], /not in both/],
    [['work', '--redis', 'redis://h', '--workers', '2'], /one process for each device/],
    [['work', 'a', '--ca', 'x'], /--ca is for --redis/],
    [['work', 'a', '--in', 'firefox'], /--in must be one of node, chrome/],
    [['work', 'a', '--in', 'node', '--connect', 'ws://h:1/x'], /--connect is for --in chrome/],
    [['work', 'a', '--connect', 'http://h'], /--connect must be the ws:/],
    [['cancel', 'a', '--trial', 'x'], /--trial must be an integer/],
    [['add', 'lr=log:1e-4..1', '--name', 'a/b'], /cannot be called/],
    [['add', 'lr=log:1e-4..1', '--pack', '0'], /--pack must be/],
    [['add', 'lr=log:1e-4..1', '--lrr', '1'], /lrr/],
  ])('refuses %j', (args, message) => {
    expect(() => parseSweep(args)).toThrow(message);
  });
});

describe('the address of Redis', () => {
  test('is taken apart', () => {
    expect(redisOptions({ url: 'rediss://me:p%40ss@[::1]:7000/2' })).toMatchObject({
      ...{ host: '::1', port: 7000, db: 2, username: 'me', password: 'p@ss', tls: {} },
    });
  });
  test.each(['http://h', 'h:6379', 'redis://', 'redis://h/x', ''])('%j is none', (url) => {
    expect(() => redisOptions({ url })).toThrow(/--redis.*OPTION-RANGE/s);
  });
  test('is never shown with its password', () => {
    expect(shownUrl('redis://me:secret@h:1')).not.toContain('secret');
    expect(() => redisOptions({ url: 'http://me:secret@h' })).not.toThrow(/secret/);
  });
});

describe('a server', () => {
  /** What INFO says, of one that is as it should be but for `more`. */
  const server = (more: Readonly<Record<string, string>>) => {
    const fields = {
      redis_version: '7.0.15',
      redis_mode: 'standalone',
      maxmemory_policy: 'noeviction',
      aof_enabled: '1',
      ...more,
    };
    const text = ['# Server', ...Object.entries(fields).map(([name, value]) => `${name}:${value}`)].join('\r\n');
    return { info: async () => text } as unknown as Redis;
  };
  const inspect = (more: Readonly<Record<string, string>>) => inspectServer(server(more), 'redis://me:secret@h:1');

  test.each([
    [{ redis_version: '6.0.16' }, /redis:\/\/me@h:1 is of version 6\.0\.16\..*QUEUE-UNSUITABLE.*6\.2 or later/s],
    [{ redis_version: '5.0.7' }, /is of version 5\.0\.7/],
    [{ redis_mode: 'cluster' }, /is a cluster.*QUEUE-UNSUITABLE/s],
    [{ cluster_enabled: '1' }, /is a cluster/],
  ])('with %j is refused', async (more, message) => {
    await expect(inspect(more)).rejects.toThrow(message);
  });

  test('that may lose a sweep is warned of', async () => {
    expect(await inspect({})).toEqual([]);
    expect(await inspect({ redis_version: '6.2.0' })).toEqual([]);
    expect(await inspect({ maxmemory_policy: 'allkeys-lru', aof_enabled: '0' })).toEqual([
      expect.stringMatching(/allkeys-lru.*noeviction/),
      expect.stringMatching(/append-only/),
    ]);
  });
});
