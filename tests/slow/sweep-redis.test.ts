import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, jsonLines, type Spawned } from '../support/cli.js';
import { REDIS, TestRedis } from '../support/redis.js';

/*
 * A sweep over Redis, and everything that can go wrong with one. The trial is full-batch gradient descent with a checkpoint every 20
 * steps; wherever it was broken off, its last checkpoint is to have the bytes of the trial that nobody disturbed.
 */

const STEPS = 3000;
const TRAIN = `--optimizer sgd --sampling full --model 784-16-10 --samples 400 --steps ${STEPS}`;
const ONE = `lr=0.05|0.05000001 --method grid --trials 2 --pack 1 --every 20 ${TRAIN}`;
const seconds = (n: number) => new Promise((resolve) => setTimeout(resolve, 1000 * n));

let redis: TestRedis;
let folder: string;
let undisturbed: readonly Buffer[];

beforeAll(async () => {
  if (!REDIS) return;
  ensureBuild();
  redis = await TestRedis.start();
  folder = mkdtempSync(join(tmpdir(), 'downhill-sweep-'));
  const here = join(folder, 'undisturbed');
  expect((await downhill(['sweep', 'add', ...ONE.split(' '), '--out', here]).done).code).toBe(0);
  expect((await downhill(['sweep', 'work', here, '--workers', '1']).done).code).toBe(0);
  undisturbed = finals(join(here, 'checkpoints', 'undisturbed'));
});
afterAll(async () => {
  await redis?.destroy();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** The last checkpoints of the two trials. */
const finals = (checkpoints: string): Buffer[] =>
  [0, 1].map((trial) => {
    const names = readdirSync(join(checkpoints, `${trial}-0`));
    // One, and no temporary file beside it.
    expect(names).toEqual([expect.stringMatching(new RegExp(`^${STEPS}-[\\w-]+\\.safetensors$`))]);
    return readFileSync(join(checkpoints, `${trial}-0`, names[0]!));
  });

const add = async (name: string, words = ONE, url = redis.url()) => {
  const { code, err } = await downhill(['sweep', 'add', ...words.split(' '), '--redis', url, '--name', name]).done;
  expect(err).not.toMatch(/error/);
  expect(code).toBe(0);
};
/** A lock that a busy machine renews in time; the frozen Redis needs one that runs out. */
const work = (name: string, lock = '10'): Spawned =>
  downhill([
    ...['sweep', 'work', '--redis', redis.url(), '--name', name, '--checkpoints', join(folder, name)],
    ...['--lock', lock, '--json'],
  ]);
const lines = (worker: Spawned) => jsonLinesOf(worker.text().replace(/[^\n]*$/, ''));
const jsonLinesOf = (text: string) => (text.trim() === '' ? [] : jsonLines(text));
/** Waits until a worker has told of a step. */
async function until(worker: Spawned, step: number): Promise<void> {
  const far = () => lines(worker).some((line) => line.type === 'progress' && (line.step as number) >= step);
  for (let i = 0; i < 600 && !far(); i++) await seconds(0.05);
  expect(far()).toBe(true);
}
const childOf = (worker: Spawned): number =>
  lines(worker).findLast(({ type, pid }) => type === 'job' && pid)!.pid as number;
const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
};

async function job(name: string, id: string) {
  const { Queue } = await import('bullmq');
  const connection = { host: '127.0.0.1', port: redis.port, password: redis.password };
  const queue = new Queue(`sweep-${name}`, { connection, prefix: 'downhill' });
  try {
    const found = (await queue.getJob(id))!;
    return { state: await found.getState(), attempts: found.attemptsMade, stalled: found.stalledCounter };
  } finally {
    await queue.close();
  }
}

/** Everything is as if nothing had happened. */
async function same(name: string): Promise<void> {
  expect(finals(join(folder, name, name))).toEqual(undisturbed);
  const { out } = await downhill(['sweep', 'status', '--redis', redis.url(), '--name', name, '--json']).done;
  expect(jsonLines(out)[0]).toMatchObject({ ended: true, trials: { complete: 2, failed: 0 } });
}

const WITHOUT = REDIS ? '' : ' (skipped: there is no redis-server or valkey-server; apt-get install redis-server)';

describe.skipIf(!REDIS)(`a sweep on Redis goes on after${WITHOUT}`, () => {
  test('kill -9 of a worker: its child ends, another worker goes on from the checkpoint', async () => {
    await add('worker');
    const first = work('worker');
    await until(first, 200);
    const child = childOf(first);
    first.process.kill('SIGKILL');
    await first.done;
    await seconds(1);
    expect(isRunning(child)).toBe(false);
    const second = work('worker');
    expect((await second.done).code).toBe(0);
    await same('worker');
    // It went on from a checkpoint, and no attempt was used up.
    const begun = lines(second)
      .filter(({ type }) => type === 'progress')
      .map(({ step }) => step as number);
    expect(Math.min(...begun)).toBeGreaterThan(0);
    expect(await job('worker', 'pack-0')).toMatchObject({ state: 'completed', attempts: 1 });
  });

  test('kill -9 of a child: the job is tried again, with the reason said', async () => {
    await add('child');
    const worker = work('child');
    await until(worker, 200);
    process.kill(childOf(worker), 'SIGKILL');
    expect((await worker.done).code).toBe(0);
    await same('child');
    expect(lines(worker).find(({ type }) => type === 'again')).toMatchObject({
      reason: expect.stringMatching(/SIGKILL/),
    });
    expect(await job('child', 'pack-0')).toMatchObject({ state: 'completed', attempts: 2 });
  });

  test('SIGTERM of a worker: the job goes back with its checkpoint', async () => {
    await add('term');
    const worker = work('term');
    await until(worker, 200);
    const child = childOf(worker);
    worker.process.kill('SIGTERM');
    expect((await worker.done).code).toBe(143);
    expect(isRunning(child)).toBe(false);
    expect(await job('term', 'pack-0')).toMatchObject({ state: 'waiting', attempts: 0 });
    expect((await work('term').done).code).toBe(0);
    await same('term');
  });

  test('kill -9 of Redis, for 3 seconds', async () => {
    await add('redis');
    const worker = work('redis');
    await until(worker, 200);
    await seconds(1.2); // the file is flushed every second
    await redis.end('SIGKILL');
    await seconds(3);
    await redis.run();
    expect((await worker.done).code).toBe(0);
    await same('redis');
  });

  test('Redis frozen for 8 seconds: never do two children train one trial', async () => {
    await add('frozen');
    const workers = [work('frozen', '3'), work('frozen', '3')];
    await until(workers[0]!, 100);
    redis.signal('SIGSTOP');
    await seconds(8);
    redis.signal('SIGCONT');
    for (const { done } of workers) expect((await done).code).toBe(0);
    await same('frozen');
    const spans = workers.flatMap((worker) => {
      const jobs = lines(worker).filter(({ type }) => type === 'job');
      return jobs
        .filter(({ state }) => state === 'begin')
        .map(({ pack, at }) => ({
          pack,
          from: at as number,
          to: jobs.find((line) => line.pack === pack && line.state === 'end' && (line.at as number) >= (at as number))!
            .at as number,
        }));
    });
    for (const a of spans)
      for (const b of spans) if (a !== b && a.pack === b.pack) expect(a.from >= b.to || b.from >= a.to).toBe(true);
  });

  test('a full disk of one worker: it says so and ends, its job waits for others and loses no attempt', async () => {
    await add('full');
    writeFileSync(join(folder, 'full'), ''); // where its checkpoints were to be
    const { code, err } = await work('full').done;
    expect(code).toBe(1);
    expect(err).toMatch(/cannot be written[\s\S]*OUTPUT-UNWRITABLE/);
    expect(await job('full', 'pack-0')).toMatchObject({ state: 'waiting', attempts: 0 });
    rmSync(join(folder, 'full'));
    expect((await work('full').done).code).toBe(0);
    await same('full');
  });

  test('cancelling trials from elsewhere; nothing tries them again', async () => {
    await add('cancelled');
    const worker = work('cancelled');
    await until(worker, 200);
    const cancelled = downhill([
      'sweep',
      'cancel',
      '--redis',
      redis.url(),
      '--name',
      'cancelled',
      '--trial',
      '0',
      '--json',
    ]);
    expect(jsonLines((await cancelled.done).out)).toEqual([{ type: 'cancelled', trials: [0] }]);
    // The other trial begins as soon as this one is let go.
    await until(worker, 1);
    expect((await worker.done).code).toBe(0);
    const { out } = await downhill(['sweep', 'status', '--redis', redis.url(), '--name', 'cancelled', '--json']).done;
    expect(jsonLines(out)[0]).toMatchObject({ ended: true, trials: { complete: 1, failed: 1 } });
    expect(lines(worker).filter(({ type, trial }) => type === 'result' && trial === 0)).toEqual([]);
    expect(await job('cancelled', 'pack-0')).toMatchObject({ state: 'completed', attempts: 1 });
  });

  test('cancelling all of it', async () => {
    await add('gone');
    const worker = work('gone');
    await until(worker, 100);
    expect((await downhill(['sweep', 'cancel', '--redis', redis.url(), '--name', 'gone']).done).code).toBe(0);
    expect((await worker.done).code).toBe(0);
    expect(lines(worker).filter(({ type }) => type === 'result')).toEqual([]);
  });
});

describe.skipIf(!REDIS)(`what is wrong with a queue is said${WITHOUT}`, () => {
  const status = async (url: string, more: readonly string[] = []) =>
    (await downhill(['sweep', 'status', '--redis', url, ...more]).done).err;

  test('a wrong password, nobody there, another name', async () => {
    expect(await status(redis.url('wrong'))).toMatch(/refuses: WRONGPASS[\s\S]*QUEUE-REFUSED/);
    expect(await status('redis://127.0.0.1:1')).toMatch(/ECONNREFUSED[\s\S]*QUEUE-UNREACHABLE/);
    expect(await status(redis.url(), ['--name', 'nobody'])).toMatch(/no sweep nobody[\s\S]*DATA-NOT-FOUND/);
    await add('taken');
    const again = [
      'sweep',
      'add',
      ...ONE.replace('--every 20', '--every 21').split(' '),
      '--redis',
      redis.url(),
      '--name',
      'taken',
    ];
    expect((await downhill(again).done).err).toMatch(/another sweep called taken[\s\S]*QUEUE-TAKEN/);
    // The same one once more is the same one.
    await add('taken');
  });

  test('a certificate that nobody knows, and the flag that makes it known', async () => {
    const secure = await TestRedis.start({ tls: true });
    try {
      expect(await status(secure.url())).toMatch(/SELF_SIGNED[\s\S]*--ca FILE[\s\S]*QUEUE-REFUSED/);
      expect(await status(secure.url(), ['--ca', secure.ca])).toMatch(/DATA-NOT-FOUND/);
      expect(await status(secure.url(), ['--ca', '/none'])).toMatch(/certificate \/none cannot be read/);
    } finally {
      await secure.destroy();
    }
  });

  test('a server that evicts or keeps nothing', async () => {
    const careless = await TestRedis.start({ more: ['maxmemory-policy allkeys-lru', 'appendonly no'] });
    try {
      const words = ['sweep', 'add', ...ONE.split(' '), '--redis', careless.url(), '--name', 'careless'];
      expect((await downhill(words).done).out).toMatch(/allkeys-lru[\s\S]*no append-only file/);
    } finally {
      await careless.destroy();
    }
  });

  test('a user who may touch no key but those of sweeps is enough', async () => {
    const acl = 'user sweep on >secret ~downhill:* &downhill:* +@all -@dangerous +info +client|setname +client|list';
    const guarded = await TestRedis.start({ more: [acl] });
    try {
      const url = `redis://sweep:secret@127.0.0.1:${guarded.port}`;
      const small = `lr=0.05|0.1 --method grid --trials 2 ${TRAIN.replace(String(STEPS), '20')}`;
      await add('acl', small, url);
      const worker = downhill(['sweep', 'work', '--redis', url, '--name', 'acl', '--checkpoints', join(folder, 'acl')]);
      expect((await worker.done).code).toBe(0);
    } finally {
      await guarded.destroy();
    }
  });
});
