import type { JobData } from '../../harness/train/data.js';
import { LossCourse } from '../../harness/train/divergence.js';
import {
  createTrainer,
  type Dataset,
  type Evaluation,
  type StepReport,
  type Trainer,
  type TrainerOptions,
  type WatchOptions,
} from '../../src/index.js';

/*
 * One run, as a state machine. Buttons only state a wish (`pause`, `resume`, `step`, `stop`); one loop reads the wish between
 * runs of the trainer and is the only place that runs it. So nothing runs twice, however fast someone clicks.
 *
 *   idle -> preparing -> running <-> paused -> done | diverged;  any -> failed;  done, diverged, failed -> preparing | idle
 *
 * For what stands beside it (live settings, instruments):
 * - `listen({ began, stepped, evaluated, rested, released … })` tells of a run; all of them are optional.
 * - `trainer` and `data` are there from `began` to `released`, also after the end of the run: what a person looks at stays usable.
 *   `trainer.set`, `evaluate`, `predict` and `readParameters` may be called at any time between; they reject with RUN-DESTROYED
 *   where the run is dropped meanwhile.
 * - `whenIdle(action)` is for several calls that must see the same step: the run waits for the action, and goes on. It costs
 *   what was submitted beforehand, up to 100 ms: not for every step.
 * - `watch` is taken up with the next piece of the run; `whenIdle(() => {})` makes that now.
 * - `step(n)` trains exactly n steps and pauses.
 */
export type Phase = 'idle' | 'preparing' | 'running' | 'paused' | 'done' | 'diverged' | 'failed';

/** What a run needs; the slow parts come when they are asked for. */
export interface Job<D extends JobData = JobData> {
  device(): Promise<GPUDevice>;
  data(device: GPUDevice): Promise<D>;
  options(data: D, device: GPUDevice): Omit<TrainerOptions, 'data'>;
  readonly epochs: number;
  /** Pauses by itself after so many steps. */
  readonly pauseAfter?: number;
}

export interface Listener {
  /** The phase, the activity or the speed is another. */
  changed(): void;
  /** A run has its trainer, and no step yet: what was of the run before goes now. */
  began(trainer: Trainer): void;
  stepped(report: StepReport): void;
  /** `epoch`: how many are done, in fractions where the run was stopped inside one. */
  evaluated(evaluation: Evaluation, epoch: number): void;
  /** It paused or ended, and was tested: the trainer does nothing until somebody wishes it. */
  rested(trainer: Trainer): void;
  /** The trainer is gone, and what was read of it is all there is. */
  released(): void;
  failed(error: unknown): void;
}

type Wish = 'run' | 'pause' | 'stop';

interface Action {
  run(trainer: Trainer): Promise<void>;
  /** It will not be run. */
  drop(): void;
}

/** At most this share of the time goes into testing, where epochs are short (full batch: every step is one). */
const TEST_SHARE = 0.25;

export class Training {
  phase: Phase = 'idle';
  /** What is going on besides training; empty when nothing is. */
  activity = '';
  /** Steps of the whole run; 0 before it is planned. */
  totalSteps = 0;
  epochs = 0;
  /** Samples of a step. */
  batchSize = 0;
  stepsPerSecond: number | undefined;
  /** Why the run is called diverged, in words; undefined where it is not. */
  divergence: string | undefined;
  /** What every so many steps are looked at for; their reports carry it. */
  watch: WatchOptions | undefined;
  #seconds = 0;
  /** Since when it trains without a figure of its time. */
  #since: number | undefined;
  #wish: Wish = 'run';
  #pauseAt = Number.POSITIVE_INFINITY;
  #trainer: Trainer | undefined;
  #data: JobData | undefined;
  #abort = new AbortController();
  #wake: () => void = () => {};
  #actions: Action[] = [];
  /** Which run is current: what an abandoned one still has to say is not heard. */
  #current = 0;
  /** For the speed: training time and steps since the last figure. */
  #speed = { steps: 0, ms: 0 };
  #tested = { step: -1, ms: 0 };
  /** The step after which the next test is due. */
  #testAt = 0;
  /** The loss is not finite any more. */
  #broken = false;
  #course = new LossCourse(1);
  readonly #listeners: Partial<Listener>[] = [];

  listen(listener: Partial<Listener>): void {
    this.#listeners.push(listener);
  }

  /** Whether a run is under way. */
  get busy(): boolean {
    return this.phase === 'preparing' || this.phase === 'running' || this.phase === 'paused';
  }

  /** It pauses by itself after a number of steps. */
  get stepping(): boolean {
    return Number.isFinite(this.#pauseAt);
  }

  /** Of training, without pauses and tests. */
  get seconds(): number {
    return this.#seconds + (this.#since === undefined ? 0 : (performance.now() - this.#since) / 1000);
  }

  /** Of the run that is under way or has ended; undefined before it is made, and once it is dropped. */
  get trainer(): Trainer | undefined {
    return this.#trainer;
  }

  get data(): JobData | undefined {
    return this.#data;
  }

  start<D extends JobData>(job: Job<D>): void {
    if (this.busy) return;
    this.release();
    const run = ++this.#current;
    this.#wish = 'run';
    this.#pauseAt = job.pauseAfter ?? Number.POSITIVE_INFINITY;
    this.#drive(job, run).catch((error: unknown) => {
      if (run === this.#current) this.fail(error);
    });
  }

  pause(): void {
    if (this.phase !== 'running' || this.#wish !== 'run') return;
    this.#wish = 'pause';
    this.#abort.abort();
    this.#set('paused', 'Finishing'); // what was submitted still comes in
  }

  resume(): void {
    if (this.phase !== 'paused') return;
    this.#pauseAt = Number.POSITIVE_INFINITY;
    this.#go();
  }

  /** Trains exactly `steps` steps of a paused run, and pauses again. One that is not paused by then is not changed. */
  step(steps: number): void {
    if (this.phase !== 'paused' || this.activity !== '' || !this.#trainer) return;
    this.#pauseAt = this.#trainer.step + steps;
    this.#go();
  }

  #go(): void {
    this.#wish = 'run';
    this.#set('running', '');
    this.#wake();
  }

  /** Ends the run with what was reached; a run that only prepares is dropped. */
  stop(): void {
    if (this.phase === 'preparing') this.reset();
    if (!this.busy) return;
    this.#wish = 'stop';
    this.#abort.abort();
    this.#set(this.phase, 'Stopping');
    this.#wake();
  }

  reset(): void {
    this.release();
    this.#set('idle', '');
  }

  /** Ends the run with an error: its own, or one that came from outside (a lost device). */
  fail(error: unknown): void {
    if (this.phase === 'failed') return; // the first error is the cause, those after it are its consequences
    this.release();
    this.#set('failed', '');
    this.#tell((listener) => listener.failed?.(error));
  }

  /**
   * Runs `action` where no step is under way, as soon as that is; a running training goes on behind it.
   *
   * @returns what it returns; undefined where there is no run, or it is dropped before
   */
  whenIdle<T>(action: (trainer: Trainer) => T | Promise<T>): Promise<T | undefined> {
    if (!this.#trainer) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#actions.push({
        run: async (trainer) => {
          try {
            resolve(await action(trainer));
          } catch (error) {
            reject(error);
          }
        },
        drop: () => resolve(undefined),
      });
      this.#abort.abort();
      this.#wake();
    });
  }

  #tell(what: (listener: Partial<Listener>) => void): void {
    for (const listener of this.#listeners) what(listener);
  }

  #set(phase: Phase, activity: string): void {
    this.phase = phase;
    this.activity = activity;
    this.#tell((listener) => listener.changed?.());
  }

  /** Abandons whatever runs and frees the trainer; the phase stays. */
  release(): void {
    this.#current++;
    this.#abort.abort();
    this.#wake();
    for (const { drop } of this.#actions.splice(0)) drop();
    const trainer = this.#trainer;
    this.#trainer = undefined;
    this.#data = undefined;
    if (!trainer) return;
    try {
      trainer.destroy();
    } catch {
      // A trainer on a lost device has nothing left to free.
    }
    this.#tell((listener) => listener.released?.());
  }

  /** The figures of a run that begins. */
  #clear(): void {
    this.#seconds = 0;
    this.#since = undefined;
    this.stepsPerSecond = undefined;
    this.divergence = undefined;
    this.#speed = { steps: 0, ms: 0 };
    this.#tested = { step: -1, ms: 0 };
    this.#broken = false;
    this.#course = new LossCourse(this.batchSize);
  }

  async #drive<D extends JobData>(job: Job<D>, run: number): Promise<void> {
    const current = () => run === this.#current;
    this.#set('preparing', 'Asking for a GPU');
    const device = await job.device();
    if (!current()) return;
    this.#set('preparing', 'Preparing the data');
    const data = await job.data(device);
    if (!current()) return;
    this.#set('preparing', 'Compiling the kernels');
    const { train, test } = data;
    const options = job.options(data, device);
    const trainer = await createTrainer(device, { ...options, data: train });
    if (!current()) return trainer.destroy();

    this.#trainer = trainer;
    this.#data = data;
    this.epochs = job.epochs;
    this.totalSteps = job.epochs * trainer.stepsPerEpoch;
    this.batchSize = Math.min(options.batchSize ?? train.samples, train.samples);
    this.#clear();
    this.#testAt = this.#nextTest(trainer);
    this.#tell((listener) => listener.began?.(trainer));
    this.#set('running', '');
    while (current()) {
      const goesOn = () => this.#wish === 'run' && !this.#over(trainer);
      if (goesOn() && this.#actions.length === 0) await this.#train(trainer, current);
      if (current() && (!goesOn() || trainer.step >= this.#testAt)) await this.#test(trainer, test, current);
      await this.#attend(trainer, current);
      if (!current()) return;
      if (!goesOn()) await this.#rest(trainer, current);
    }
  }

  /** Nothing is left to train. */
  #over(trainer: Trainer): boolean {
    return this.#broken || trainer.step >= this.totalSteps || trainer.stopped !== undefined;
  }

  /** Runs what waits for the trainer. */
  async #attend(trainer: Trainer, current: () => boolean): Promise<void> {
    while (current() && this.#actions.length > 0) await this.#actions.shift()!.run(trainer);
  }

  /** Waits until the run goes on, or for ever where it has ended; does what is asked of the trainer meanwhile. */
  async #rest(trainer: Trainer, current: () => boolean): Promise<void> {
    const ended = () => this.#over(trainer) || this.#wish === 'stop';
    this.#set(!ended() ? 'paused' : this.divergence === undefined ? 'done' : 'diverged', '');
    this.#tell((listener) => listener.rested?.(trainer));
    while (current() && (ended() || this.#wish === 'pause')) {
      if (this.#actions.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      await this.#attend(trainer, current);
      if (current() && this.#wish === 'stop' && this.phase === 'paused') return; // as an end, not as a pause
    }
  }

  /** Trains up to the next test, or to the wish for something else. */
  async #train(trainer: Trainer, current: () => boolean): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    let since = performance.now();
    let steps = 0;
    this.#since = since;
    const measure = () => {
      const now = performance.now();
      this.#seconds += (now - since) / 1000;
      this.#measure(steps, now - since);
      this.#since = since = now;
      steps = 0;
    };
    try {
      const target = Math.min(this.totalSteps, this.#testAt, this.#pauseAt);
      const run = { steps: target - trainer.step, signal: abort.signal, ...(this.watch && { watch: this.watch }) };
      for await (const report of trainer.run(run)) {
        if (!current()) return;
        this.#course.push(report.loss);
        this.#tell((listener) => listener.stepped?.(report));
        steps++;
        this.#broken = !Number.isFinite(report.loss) && !report.skipped;
        if (this.#broken) break; // every step after it would be of weights that are no numbers
        // Reports come in bursts, one per submit: only a longer span gives a steady figure.
        if (steps % 16 === 0 && performance.now() - since > 500) measure();
      }
      if (trainer.step >= this.#pauseAt && this.#wish === 'run') this.#wish = 'pause';
    } catch (error) {
      // Aborting for a pause still delivers every step that was submitted, so the curve has no gap; then it throws this.
      if (!abort.signal.aborted || error !== abort.signal.reason) throw error;
    } finally {
      if (current()) {
        measure();
        this.#since = undefined;
        this.divergence = this.#course.divergence;
      }
    }
  }

  #measure(steps: number, ms: number): void {
    const speed = this.#speed;
    speed.steps += steps;
    speed.ms += ms;
    if (speed.ms < 400 && this.stepsPerSecond !== undefined) return;
    if (speed.steps === 0) return;
    this.stepsPerSecond = (speed.steps / speed.ms) * 1000;
    this.#speed = { steps: 0, ms: 0 };
    this.#tell((listener) => listener.changed?.());
  }

  /** The end of this epoch, or of a later one where testing after each would take longer than the training. */
  #nextTest(trainer: Trainer): number {
    const { stepsPerEpoch, step } = trainer;
    const between = (this.#tested.ms / TEST_SHARE / 1000) * (this.stepsPerSecond ?? 0);
    const epoch = Math.floor(step / stepsPerEpoch) + 1;
    return Math.max(epoch, Math.floor((step + between) / stepsPerEpoch)) * stepsPerEpoch;
  }

  async #test(trainer: Trainer, test: Dataset, current: () => boolean): Promise<void> {
    if (trainer.step === this.#tested.step) return;
    const since = performance.now();
    this.#set(this.phase, 'Testing');
    const evaluation = await trainer.evaluate(test);
    if (!current()) return;
    // The first test also compiles and uploads, so its time says nothing about the next.
    this.#tested = { step: evaluation.step, ms: this.#tested.step < 0 ? 0 : performance.now() - since };
    this.#testAt = this.#nextTest(trainer);
    this.#tell((listener) => listener.evaluated?.(evaluation, evaluation.step / trainer.stepsPerEpoch));
    this.#set(this.phase, '');
  }
}
