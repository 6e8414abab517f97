/**
 * `downhill sweep child`: what a worker starts. It keeps its device and runs job after job, as lines on its standard input say; it ends with
 * them, so that no worker leaves one behind.
 */
import { DownhillError } from '../../src/index.js';
import type { MemberState, Task } from '../../src/search/index.js';
import { errorParts, type Io } from '../common/io.js';
import { writeJson } from '../train/reporter.js';
import { chromeHost } from './chrome.js';
import { nodeHost, type PackHost } from './host.js';
import { Checkpoints, folderKeeper } from './keeper.js';
import { ENDED, type FromChild, Lines, type ToChild } from './messages.js';
import type { WhereTo } from './options.js';
import { checkPack, type PackJob } from './spec.js';

/** Between two lines of progress of a trial. */
const PROGRESS_MS = 250;
/** Between two checkpoints of a trial at least: what is shorter is done again as fast. */
const CHECKPOINT_MS = 1000;

export async function child({ place, connect }: WhereTo, io: Io): Promise<number> {
  const say = (message: FromChild) => writeJson(io, message);
  const onReady = (adapter: string) => say({ type: 'ready', adapter });
  const host = place === 'chrome' ? chromeHost(io, connect, onReady) : await nodeHost(io, onReady);
  const runner = new ChildRunner(host, say);
  const stopListening = io.onInterrupt(() => runner.end());
  try {
    const lines = new Lines();
    process.stdin.setEncoding('utf8');
    process.stdin.on('data', (text: string) => {
      for (const message of lines.take(text)) runner.take(message as ToChild);
    });
    // The worker is gone, by whatever cause.
    process.stdin.on('end', () => runner.end());
    return await runner.run();
  } finally {
    stopListening();
    await host.close();
    process.stdin.destroy();
  }
}

class ChildRunner {
  readonly #waiting: Extract<ToChild, { type: 'job' }>[] = [];
  readonly #end = new AbortController();
  #wake: () => void = () => {};
  /** Of the job that runs: its trials, and those of them that are not wanted any more. */
  #trials = new Set<number>();
  #pruned = new Set<number>();
  #stopJob = new AbortController();

  constructor(
    readonly host: PackHost,
    readonly say: (message: FromChild) => void,
  ) {}

  take(message: ToChild): void {
    if (message.type === 'job') this.#waiting.push(message);
    else if (message.type === 'prune') {
      // Another child's trials are no reason to break off this one's.
      const mine = message.trials.filter((trial) => this.#trials.has(trial));
      for (const trial of mine) this.#pruned.add(trial);
      if (mine.length > 0) this.#stopJob.abort();
    }
    this.#wake();
  }

  end(): void {
    this.#end.abort();
    this.#wake();
  }

  async run(): Promise<number> {
    while (!this.#end.signal.aborted) {
      const next = this.#waiting.shift();
      if (next) await this.#job(next);
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
    return ENDED;
  }

  async #job({ job: read, attempt, checkpoints }: Extract<ToChild, { type: 'job' }>): Promise<void> {
    this.#pruned = new Set();
    try {
      const job = checkPack(read);
      this.#trials = new Set(job.tasks.map(({ trial }) => trial));
      const kept = new Checkpoints(folderKeeper(checkpoints), job.sweep);
      let left: readonly Task[] = job.tasks;
      // A trial that is not wanted any more ends the pack; the others go on from their checkpoints.
      while (left.length > 0 && !this.#end.signal.aborted) {
        const done = new Set<Task>();
        await this.#pack({ ...job, tasks: left }, attempt, kept, (task) => done.add(task));
        left = left.filter((task) => !done.has(task) && !this.#pruned.has(task.trial));
      }
      if (!this.#end.signal.aborted) this.say({ type: 'done' });
    } catch (error) {
      if (this.#end.signal.aborted) return;
      const known = error instanceof DownhillError ? errorParts(error) : undefined;
      const { code, message, fix } = known ?? { code: 'INTERNAL', message: String(error), fix: '' };
      this.say({ type: 'failed', code, message, fix });
      if (code.startsWith('DEVICE')) this.end(); // another child asks for another device
    }
  }

  async #pack(job: PackJob, attempt: string, kept: Checkpoints, done: (task: Task) => void): Promise<void> {
    this.#stopJob = new AbortController();
    const signal = AbortSignal.any([this.#end.signal, this.#stopJob.signal]);
    const { seeds, every } = job;
    const tasks = [];
    for (const task of job.tasks) {
      const states = [];
      for (const seed of seeds) states.push(await kept.latest(task.trial, seed, task.to));
      tasks.push({ task, states });
    }
    const told = new Map<number, number>();
    try {
      await this.host.run(job, {
        ...{ tasks, seeds, every, everyMs: CHECKPOINT_MS, signal },
        onState: (task: Task, seed: number, { step, bytes }: MemberState) =>
          this.#pruned.has(task.trial) ? undefined : kept.keep(task.trial, seed, step, attempt, bytes),
        onLoss: ({ trial }, seed, step, loss) => {
          const now = performance.now();
          if (now - (told.get(trial) ?? Number.NEGATIVE_INFINITY) < PROGRESS_MS) return;
          told.set(trial, now);
          this.say({ type: 'progress', trial, seed, step, loss: Number.isFinite(loss) ? loss : null });
        },
        onOutcome: (task, outcome) => {
          this.say({ type: 'result', trial: task.trial, to: task.to, outcome });
          done(task);
        },
      });
    } catch (error) {
      if (!(signal.aborted && error === signal.reason)) throw error;
    }
  }
}
