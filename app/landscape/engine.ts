import { PageError, type Problem } from '../shell/problem.js';
import type { Arrows, ArrowsJob } from './arrows.js';
import type { Job } from './engine.worker.js';
import type { ShadeJob } from './shade.js';
import type { Ways, WaysJob } from './ways.js';

/** A worker for one kind of job: a new one takes the place of one that nobody waits for any longer. */
class Lane<K extends Job['kind'], J, R> {
  #worker: Worker | undefined;
  #id = 0;
  #waiting: { resolve(result: R | undefined): void; reject(error: unknown): void } | undefined;

  constructor(private readonly kind: K) {}

  /** @returns undefined where another job came after it */
  ask(job: J): Promise<R | undefined> {
    this.#waiting?.resolve(undefined);
    const id = ++this.#id;
    this.#worker ??= this.#start();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#worker!.postMessage({ id, kind: this.kind, job });
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./engine.worker.ts', import.meta.url), { type: 'module' });
    worker.addEventListener('message', ({ data }: MessageEvent<{ id: number; done?: R; failed?: Problem }>) => {
      if (data.id !== this.#id) return;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (data.failed) waiting?.reject(new PageError(data.failed.message, data.failed.fix));
      else waiting?.resolve(data.done);
    });
    worker.addEventListener('error', (event) => {
      this.#worker = undefined;
      this.#waiting?.reject(new Error(event.message || 'the worker did not start'));
      this.#waiting = undefined;
    });
    return worker;
  }
}

const ways = new Lane<'ways', WaysJob, Ways>('ways');
const ground = new Lane<'shade', ShadeJob, Uint8ClampedArray<ArrayBuffer>>('shade');

/** Ways of all contenders, in a worker. */
export const askWays = (job: WaysJob) => ways.ask(job);
/** Pixels of the ground, in another one. */
export const askGround = (job: ShadeJob) => ground.ask(job);
const plane = new Lane<'shade', ShadeJob, Uint8ClampedArray<ArrayBuffer>>('shade');
/** The same of a network's plane, which may be painted meanwhile. */
export const askPlane = (job: ShadeJob) => plane.ask(job);
const memories = new Lane<'arrows', ArrowsJob, Arrows>('arrows');
/** Gradients and momenta along a way. */
export const askArrows = (job: ArrowsJob) => memories.ask(job);
