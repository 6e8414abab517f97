/** A worker of a sweep in Redis: one job at a time, in one child that keeps its device. */
import type { Job, Worker } from 'bullmq';
import { DownhillError } from '../../../src/index.js';
import { ChildLost, WorkerChild } from '../child-process.js';
import type { FromChild } from '../messages.js';
import { ATTEMPTS, failedOutcome, type PoolEvents } from '../pool.js';
import { checkPack, type PackJob } from '../spec.js';
import { bullConnection, loadBull } from './connect.js';
import * as keys from './keys.js';
import type { RedisSweep } from './sweep.js';

/** How long things last; a test's are shorter. */
export interface WorkerTimes {
  /** A job is another worker's when its lock was not renewed for so long. */
  readonly lockDuration: number;
  /** Between two looks for such jobs. */
  readonly stalledInterval: number;
}
export const TIMES: WorkerTimes = { lockDuration: 30_000, stalledInterval: 30_000 };
/** A machine that is restarted again and again must not fail a trial. */
const MAX_STALLED = 3;
/** Between two looks whether the sweep has ended elsewhere. */
const LOOK_MS = 500;
/** A worker that is told to end waits so long for a Redis that does not answer; its lock runs out by itself. */
const CLOSE_MS = 5000;

export interface WorkerOptions {
  readonly command: readonly [string, ...string[]];
  readonly checkpoints: string;
  readonly times?: WorkerTimes;
  readonly events: PoolEvents;
}

export class SweepWorker {
  readonly #child: WorkerChild;
  #running: { readonly job: Job<PackJob>; lost: boolean } | undefined;
  #closing = false;
  #cancelled = false;
  /** Ends the worker with an error. */
  #fail: (error: unknown) => void = () => {};

  constructor(
    readonly sweep: RedisSweep,
    readonly options: WorkerOptions,
  ) {
    this.#child = new WorkerChild(options.command, (adapter) => options.events.ready?.(0, adapter));
  }

  /** Works until the sweep has ended or is cancelled, or `signal` ends it: then the job goes back with its checkpoints. */
  async run(signal: AbortSignal): Promise<void> {
    const { bull } = await loadBull();
    const { sweep, options } = this;
    const { lockDuration, stalledInterval } = options.times ?? TIMES;
    const connection = bullConnection(sweep.place);
    let end = () => {};
    const ended = new Promise<void>((resolve, reject) => {
      [end, this.#fail] = [resolve, reject];
    });
    ended.catch(() => {}); // it is awaited below
    await this.#finishFailed();
    const worker: Worker<PackJob> = new bull.Worker(
      keys.queueName(sweep.spec.name),
      (job: Job<PackJob>, token?: string) => this.#process(job, token!, bull.WaitingError),
      {
        ...{ connection, prefix: keys.PREFIX, concurrency: 1, lockDuration, stalledInterval },
        ...{ maxStalledCount: MAX_STALLED, skipVersionCheck: true },
      },
    );
    worker.on('error', () => {}); // it reconnects
    // Another worker may have the job by now: this one must not train beside it.
    worker.on('lockRenewalFailed', (jobs: string[]) => {
      if (this.#running && jobs.includes(this.#running.job.id!)) this.#letGo();
    });
    worker.on('failed', (job, error) => {
      if (error instanceof DownhillError) this.#fail(error);
      // After its last attempt, or after it was lost with its worker too often.
      if (job?.finishedOn) void this.#giveUp(job.id!, error.message).catch(() => {});
      else if (job) options.events.again?.(job.data, error.message);
    });
    const news = sweep.client.duplicate();
    news.on('error', () => {});
    await news.subscribe(keys.newsChannel(sweep.spec.name));
    news.on('message', (_, text) => this.#hear(JSON.parse(text)));
    const look = setInterval(() => {
      // A Redis that cannot be read just now is asked again.
      void this.#isOver().then(
        (over) => over && end(),
        () => {},
      );
    }, LOOK_MS);
    const stop = () => {
      this.#closing = true;
      void this.#child.end();
      end();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      await ended;
    } finally {
      this.#closing = true;
      clearInterval(look);
      signal.removeEventListener('abort', stop);
      await this.#child.end();
      const late = new Promise<'late'>((resolve) => setTimeout(resolve, CLOSE_MS, 'late').unref());
      if ((await Promise.race([worker.close(), late])) === 'late') await worker.close(true);
      news.disconnect();
    }
  }

  async #isOver(): Promise<boolean> {
    await this.sweep.refresh();
    if (this.sweep.coordinator.ended && !this.#running) return true;
    if (!(await this.sweep.isCancelled())) return false;
    this.#hear({ all: true, trials: [] });
    return !this.#running;
  }

  #hear({ all, trials }: { readonly all: boolean; readonly trials: readonly number[] }): void {
    if (all) {
      this.#cancelled = true;
      void this.#child.end();
    } else this.#child.prune(trials);
  }

  #letGo(): void {
    if (this.#running) this.#running.lost = true;
    void this.#child.end();
  }

  async #process(job: Job<PackJob>, token: string, Waiting: new () => Error): Promise<string> {
    const { sweep } = this;
    const running = { job, lost: false };
    this.#running = running;
    try {
      const pack = checkPack(job.data);
      if (pack.sweep !== sweep.spec.name)
        throw new DownhillError('OPTION-RANGE', `The job is of the sweep ${pack.sweep}.`, 'Add the sweep again.');
      await sweep.refresh();
      if (this.#cancelled || (await sweep.isCancelled())) return 'cancelled';
      const left = sweep.coordinator.left(pack);
      if (left.tasks.length > 0) await this.#train(left, running, token);
      await sweep.refresh();
      await sweep.ask();
      return 'done';
    } catch (error) {
      if (this.#cancelled) return 'cancelled';
      const own = isOwn(error);
      if ((!this.#closing && !own) || running.lost) throw error;
      // Ended from outside, or by what is wrong on this machine: the job goes back with its checkpoints, and no attempt is used up.
      if (own) {
        this.#closing = true;
        this.#fail(error);
      }
      await job.moveToWait(token);
      throw new Waiting();
    } finally {
      this.#running = undefined;
    }
  }

  async #train(pack: PackJob, running: { readonly job: Job<PackJob>; lost: boolean }, token: string): Promise<void> {
    const { job } = running;
    const attempt = job.attemptsMade + 1;
    const writing: Promise<void>[] = [];
    const onMessage = (message: Extract<FromChild, { type: 'progress' | 'result' }>) => {
      if (message.type === 'progress') {
        this.options.events.progress?.(message);
        const { trial, seed, step, loss } = message;
        void job.updateProgress({ trial, seed, step, loss }).catch(() => {});
        return;
      }
      const kept = this.#keep(pack, message, attempt, token);
      kept.catch(() => {}); // it is awaited below
      writing.push(kept);
    };
    const word = `${attempt}-${job.stalledCounter}-${token.slice(0, 8).replace(/\W/g, '')}`;
    const { checkpoints, events } = this.options;
    const run = this.#child.run(pack, { attempt: word, checkpoints, onMessage });
    const { pid } = this.#child;
    events.job?.(pack.pack, 'begin', pid);
    await run.finally(() => events.job?.(pack.pack, 'end', pid));
    await Promise.all(writing);
    if (running.lost) throw new ChildLost('its lock went to another worker');
  }

  async #keep(
    pack: PackJob,
    { trial, to, outcome }: Extract<FromChild, { type: 'result' }>,
    attempt: number,
    token: string,
  ): Promise<void> {
    const result = { trial, to, attempt, outcome };
    const kept = await this.sweep.keep(result, { job: keys.jobId(pack.pack), token });
    if (kept === 'kept') this.options.events.result?.(result);
    if (kept === 'locked out') this.#letGo();
  }

  /** The trials of a job that has failed have failed, and the sweep goes on without them. */
  async #giveUp(job: string, reason: string): Promise<void> {
    const { sweep } = this;
    await sweep.refresh();
    const pack = sweep.coordinator.pending().find((each) => keys.jobId(each.pack) === job);
    if (!pack) return;
    for (const { trial, to } of sweep.coordinator.left(pack).tasks)
      await sweep.keep({ trial, to, attempt: ATTEMPTS, outcome: failedOutcome(pack.seeds, reason) });
    await sweep.refresh();
    await sweep.ask();
  }

  /** A worker that died before it could give up a job left it to the next one. */
  async #finishFailed(): Promise<void> {
    for (const { id, failedReason } of await this.sweep.queue.getFailed()) await this.#giveUp(id!, failedReason);
  }
}

/** Whether something is wrong on this machine, and not with the job. */
const isOwn = (error: unknown): boolean => error instanceof DownhillError && !/^(OPTION-|INTERNAL)/.test(error.code);
