/** A sweep in Redis: what it is, what came back, what comes next. */
import type { JobsOptions, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { DownhillError } from '../../../src/index.js';
import { Coordinator, resultKey, type TaskResult } from '../coordinator.js';
import { ATTEMPTS, CANCELLED, failedOutcome } from '../pool.js';
import { checkSweep, type SweepSpec } from '../spec.js';
import { bullConnection, connect, inspectServer, loadBull, type RedisPlace, shownUrl } from './connect.js';
import * as keys from './keys.js';

/**
 * Keeps a result where nothing is kept of its task yet, and where who brings it still holds the lock of its job (KEYS[3] and ARGV[3] are absent for a
 * canceller, who needs none). In one go: a worker whose lock went to another one must not write beside it.
 */
const KEEP = `
if KEYS[3] and redis.call('GET', KEYS[3]) ~= ARGV[3] then return -1 end
if redis.call('HSETNX', KEYS[1], ARGV[1], 1) == 0 then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[2])
return 1`;

const JOB: JobsOptions = {
  attempts: ATTEMPTS,
  backoff: { type: 'exponential', delay: 500 },
  removeOnComplete: { count: 1000 },
  removeOnFail: { count: 1000 },
};

export type Kept = 'kept' | 'known' | 'locked out';

export class RedisSweep {
  readonly coordinator: Coordinator;
  #read = 0;

  private constructor(
    readonly place: RedisPlace,
    readonly spec: SweepSpec,
    readonly client: Redis,
    readonly queue: Queue,
    readonly warnings: readonly string[],
  ) {
    this.coordinator = new Coordinator(spec);
  }

  /** Adds a sweep. @throws DownhillError QUEUE-* */
  static async add(place: RedisPlace, spec: SweepSpec): Promise<RedisSweep> {
    const client = await connect(place);
    try {
      const warnings = await inspectServer(client, place.url);
      const text = JSON.stringify(spec);
      const there = await client.set(keys.specKey(spec.name), text, 'NX');
      if (there === null && (await client.get(keys.specKey(spec.name))) !== text)
        throw new DownhillError(
          'QUEUE-TAKEN',
          `There is another sweep called ${spec.name} at ${shownUrl(place.url)}.`,
          'Give this one another --name.',
        );
      await client.sadd(keys.SWEEPS, spec.name);
      const sweep = await RedisSweep.#of(place, spec, client, warnings);
      await sweep.refresh();
      await sweep.ask();
      return sweep;
    } catch (error) {
      client.disconnect();
      throw error;
    }
  }

  /** One that is there. @param name may be left out where there is one only @throws DownhillError QUEUE-*, DATA-NOT-FOUND */
  static async open(place: RedisPlace, name: string | undefined): Promise<RedisSweep> {
    const client = await connect(place);
    try {
      const warnings = await inspectServer(client, place.url);
      const names = await client.smembers(keys.SWEEPS);
      const found = name ?? (names.length === 1 ? names[0] : undefined);
      const text = found === undefined ? null : await client.get(keys.specKey(found));
      if (text === null)
        throw new DownhillError(
          'DATA-NOT-FOUND',
          `${name === undefined ? 'No sweep is named' : `There is no sweep ${name} at ${shownUrl(place.url)}`}${names.length > 0 ? `; there are ${names.sort().join(', ')}` : ''}.`,
          'Name one of them with --name, or add one: downhill sweep add.',
        );
      const sweep = await RedisSweep.#of(place, checkSweep(JSON.parse(text)), client, warnings);
      await sweep.refresh();
      return sweep;
    } catch (error) {
      client.disconnect();
      throw error;
    }
  }

  static async #of(place: RedisPlace, spec: SweepSpec, client: Redis, warnings: readonly string[]) {
    const { bull } = await loadBull();
    const connection = bullConnection(place);
    const queue = new bull.Queue(keys.queueName(spec.name), {
      connection,
      prefix: keys.PREFIX,
      skipVersionCheck: true,
    });
    queue.on('error', () => {}); // it reconnects
    return new RedisSweep(place, spec, client, queue, warnings);
  }

  /** Reads the results that came since. */
  async refresh(): Promise<void> {
    const from = this.#read;
    const lines = await this.client.lrange(keys.resultsKey(this.spec.name), from, -1);
    this.#read = Math.max(this.#read, from + lines.length); // two may read at once
    this.coordinator.add(lines.map((line) => JSON.parse(line) as TaskResult));
  }

  /** Puts into the queue what is to be done; what is in it stays as it is, since a pack's number is its job's name. */
  async ask(): Promise<void> {
    const jobs = this.coordinator.pending().map((pack) => ({
      name: 'pack',
      data: pack,
      opts: { ...JOB, jobId: keys.jobId(pack.pack) },
    }));
    for (let first = 0; first < jobs.length; first += 1000) await this.queue.addBulk(jobs.slice(first, first + 1000));
  }

  /** @param lock of the job that the result is of; absent for what needs none */
  async keep(result: TaskResult, lock?: { readonly job: string; readonly token: string }): Promise<Kept> {
    const { name } = this.spec;
    const names = [keys.doneKey(name), keys.resultsKey(name), ...(lock ? [keys.lockKey(name, lock.job)] : [])];
    const values = [resultKey(result), JSON.stringify(result), ...(lock ? [lock.token] : [])];
    const kept = await this.client.eval(KEEP, names.length, ...names, ...values);
    return kept === 1 ? 'kept' : kept === 0 ? 'known' : 'locked out';
  }

  async isCancelled(): Promise<boolean> {
    return (await this.client.exists(keys.cancelKey(this.spec.name))) === 1;
  }

  /** Takes the whole sweep out of the queue; workers let go of what they run. */
  async cancel(): Promise<void> {
    await this.client.set(keys.cancelKey(this.spec.name), '1');
    await this.queue.drain(true);
    await this.client.publish(keys.newsChannel(this.spec.name), JSON.stringify({ all: true, trials: [] }));
  }

  /** Gives up some trials: they have failed, and what a worker still brings of them is too late. @returns those that were not done */
  async cancelTrials(trials: readonly number[]): Promise<number[]> {
    const gone = new Set<number>();
    for (const pack of this.coordinator.pending()) {
      for (const { trial, to } of this.coordinator.left(pack).tasks) {
        if (!trials.includes(trial)) continue;
        await this.keep({ trial, to, attempt: 0, outcome: failedOutcome(pack.seeds, CANCELLED) });
        gone.add(trial);
      }
    }
    await this.client.publish(keys.newsChannel(this.spec.name), JSON.stringify({ all: false, trials: [...gone] }));
    await this.refresh();
    await this.ask();
    return [...gone];
  }

  async close(): Promise<void> {
    await this.queue.close().catch(() => {});
    this.client.disconnect();
  }
}
