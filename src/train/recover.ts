import { DownhillError, show } from '../gpu/errors.js';
import { isLost } from '../gpu/lost.js';
import type { Rule } from '../optim/rule.js';
import { loadSources, sourcesOf } from '../optim/rules-state.js';
import type { ReportedSchedule } from '../optim/schedules/core.js';
import { applySnapshot, otherForms } from './apply.js';
import type { Built } from './build.js';
import { type Snapshot, takeSnapshot } from './checkpoint.js';
import type { Program } from './program.js';
import type { CheckedRecover } from './recover-options.js';
import { REPORTED } from './validation.js';

/*
 * What a trainer needs to go on when its device is lost: a snapshot in host memory, and patience. The snapshot is taken in
 * queue order while training goes on; what was trained since is trained again, to the same bits on the same kind of adapter.
 */

/** A loss so long after the one before it is a first one again. */
const WINDOW_MS = 120_000;
export class Recovery {
  readonly options: CheckedRecover;
  #snapshot: Snapshot | undefined;
  #taken = 0;
  #taking = false;
  /** Snapshots begun, and which one is kept: one that was begun before it and comes later may be of another history. */
  #begun = 0;
  #kept = 0;
  /** Calls of `set`, and how many of them the snapshot has. */
  #changes = 0;
  #known = 0;
  /** Losses within the window, and when the last one was dealt with. */
  #losses = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(options: CheckedRecover) {
    this.options = options;
  }

  /** Takes a snapshot now, of everything submitted so far. */
  async take(program: Program): Promise<void> {
    this.#taking = true;
    const [known, begun] = [this.#changes, ++this.#begun];
    try {
      this.keep(await takeSnapshot(program), known, begun);
    } finally {
      this.#taking = false;
    }
  }

  /** Has one that came from elsewhere. */
  keep(snapshot: Snapshot, known = this.#changes, begun = ++this.#begun): void {
    if (begun < this.#kept) return;
    this.#snapshot = snapshot;
    this.#kept = begun;
    this.#known = known;
    this.#taken = performance.now();
  }

  /** Takes one in passing, when it is time: training does not wait for it. */
  look(program: Program): void {
    if (this.#taking || performance.now() - this.#taken < 1000 * this.options.every) return;
    // One that fails leaves the one before it; the loss shows elsewhere.
    this.take(program).catch(() => {});
  }

  /** Hyper-parameters were set. */
  changed(): void {
    this.#changes++;
  }

  /**
   * Builds anew what a lost program was at the snapshot, on another device, as often as it takes.
   *
   * @param error how the loss showed
   * @throws DownhillError DEVICE-LOST when it has been tried too often; a signal's reason; what `checkAlive` throws
   */
  async recover(
    build: (device: GPUDevice) => Promise<Built>,
    old: Program,
    error: unknown,
    at: { readonly reached: number; readonly signal: AbortSignal; readonly checkAlive: () => void },
  ): Promise<{ readonly device: GPUDevice; readonly built: Built }> {
    for (let failure = error; ; ) {
      await this.#wait(failure, old.scheduler.step, at.signal);
      at.checkAlive();
      let device: GPUDevice | undefined;
      try {
        device = await this.options.requestDevice();
        const built = await build(device);
        at.checkAlive();
        this.#apply(built.program, old.updater.scalars.rules, at.reached);
        return { device, built };
      } catch (cause) {
        device?.destroy(); // with all that was made on it
        at.checkAlive();
        failure = cause;
      }
    }
  }

  /**
   * Waits until it is time to try again: not at all after a first loss.
   *
   * @throws what it was called with, when that has happened too often
   */
  async #wait(error: unknown, step: number, signal: AbortSignal): Promise<void> {
    if (performance.now() - this.#last > WINDOW_MS) this.#losses = 0;
    const wait = [0, ...this.options.waits][this.#losses];
    if (wait === undefined) throw lost(error);
    this.#losses++;
    this.options.onEvent({ kind: 'lost', step, error, wait });
    if (wait > 0) await sleep(1000 * wait, signal);
    this.#last = performance.now();
  }

  /** A new program becomes what the lost one was at the snapshot. @param rules the lost one's, as `set` left them */
  #apply(program: Program, rules: readonly Rule[], reached: number): void {
    const { scalars } = program.updater;
    const snapshot = this.#snapshot!;
    const states = sourcesOf(rules).map((source) => source.state());
    scalars.change(rules);
    applySnapshot(program, snapshot, { finite: false });
    if (this.#known !== this.#changes) scalars.change(rules);
    // A metric that somebody reported is not reported again; one of a validation is.
    const sources = sourcesOf(scalars.rules);
    const told = sources.map(
      (source) => !program.validation || (source as Partial<ReportedSchedule>).metric === REPORTED,
    );
    if (sources.length === states.length)
      loadSources(
        sources.filter((_, i) => told[i]),
        states.filter((_, i) => told[i]),
      );
    const { step } = program.scheduler;
    this.options.onEvent({ kind: 'recovered', step, reached, otherForms: otherForms(program, snapshot.plan) });
  }
}

/** What is thrown in the end: that the device was lost, whatever kept it from coming back. */
function lost(error: unknown): unknown {
  if (isLost(error)) return error;
  return new DownhillError(
    'DEVICE-LOST',
    `The GPU device was lost, and no other could take its place: ${error instanceof Error ? error.message : show(error)}`,
    'Request a new device, make the trainer again and restore its last checkpoint.',
    error,
  );
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', over);
      resolve();
    }, ms);
    if (signal.aborted) over();
    else signal.addEventListener('abort', over, { once: true });
  });
}
