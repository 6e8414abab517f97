/** A worker's child: started when first needed, kept from job to job, started anew after it died. */
import { type ChildProcess, spawn } from 'node:child_process';
import { DownhillError } from '../../src/index.js';
import { childEnvironment } from '../common/scratch.js';
import { type FromChild, Lines, type ToChild } from './messages.js';
import type { PackJob } from './spec.js';

/** A child that was told to end has this long to keep its checkpoints. */
const GRACE_MS = 5000;
/** Of what a child says on standard error, for the reason it died by. */
const TAIL = 2000;

/** The child died under a job: the next attempt goes on from its checkpoints. */
export class ChildLost extends Error {
  override readonly name = 'ChildLost';
}

export interface JobOptions {
  readonly attempt: string;
  readonly checkpoints: string;
  readonly onMessage: (message: Extract<FromChild, { type: 'progress' | 'result' }>) => void;
}

interface Running extends JobOptions {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class WorkerChild {
  #process: ChildProcess | undefined;
  #running: Running | undefined;
  #stderr = '';
  adapter: string | undefined;

  /** @param command what starts one: a program and its words */
  constructor(
    readonly command: readonly [string, ...string[]],
    readonly onReady: (adapter: string) => void = () => {},
  ) {}

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Runs one job.
   *
   * @throws ChildLost where the child died or was told to end, DownhillError where the job is not one that it can do
   */
  run(job: PackJob, options: JobOptions): Promise<void> {
    const child = this.#process ?? this.#start();
    return new Promise((resolve, reject) => {
      this.#running = { ...options, resolve, reject };
      const { attempt, checkpoints } = options;
      this.#send(child, { type: 'job', job, attempt, checkpoints });
    });
  }

  /** These trials are not wanted any more; the job goes on with the others. */
  prune(trials: readonly number[]): void {
    if (this.#process) this.#send(this.#process, { type: 'prune', trials });
  }

  /** Ends it: its checkpoints are kept, a job that runs is lost to it. Resolves when it is gone. */
  async end(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    await gone;
    clearTimeout(timer);
  }

  #send(child: ChildProcess, message: ToChild): void {
    child.stdin!.write(`${JSON.stringify(message)}\n`);
  }

  #start(): ChildProcess {
    const [program, ...words] = this.command;
    // Not of the terminal's group of processes: at Ctrl+C the worker ends it in its own way.
    const own = { detached: process.platform !== 'win32', env: childEnvironment() };
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], ...own });
    this.#process = child;
    this.#stderr = '';
    const lines = new Lines();
    child.stdin!.on('error', () => {}); // it died: 'exit' says so
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      for (const message of lines.take(text)) this.#take(message as FromChild);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-TAIL);
    });
    const gone = (how: string) => {
      if (this.#process === child) this.#process = undefined;
      const { reject } = this.#running ?? {};
      this.#running = undefined;
      const said = this.#stderr.trim();
      reject?.(new ChildLost(`its process ${how}${said ? `: ${said.split('\n').slice(-3).join(' ')}` : ''}`));
    };
    child.once('error', (error) => gone(`did not start: ${error.message}`));
    child.once('exit', (code, signal) => gone(signal ? `was ended by ${signal}` : `ended with code ${code}`));
    return child;
  }

  #take(message: FromChild): void {
    const running = this.#running;
    if (message.type === 'ready') {
      this.adapter = message.adapter;
      this.onReady(message.adapter);
    } else if (!running) return;
    else if (message.type === 'done') {
      this.#running = undefined;
      running.resolve();
    } else if (message.type === 'failed') {
      this.#running = undefined;
      const { code, message: text, fix } = message;
      running.reject(new DownhillError(code as 'INTERNAL', text, fix));
    } else {
      try {
        running.onMessage(message);
      } catch (error) {
        // What came back could not be kept.
        this.#running = undefined;
        running.reject(error as Error);
      }
    }
  }
}
