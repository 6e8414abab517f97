import {
  createTrainer,
  type Dataset,
  type Evaluation,
  type PlanReport,
  type StepReport,
  type Trainer,
  type TrainerOptions,
} from '../src/index.js';
import { PageError } from './problem.js';

/*
 * One run, as a state machine. Buttons only state a wish (`pause`, `resume`, `stop`); one loop reads the wish between
 * runs of the trainer and is the only place that touches it. So nothing runs twice, however fast someone clicks.
 *
 *   idle -> preparing -> running <-> paused -> done;  any -> failed;  done, failed -> preparing | idle
 */
export type Phase = 'idle' | 'preparing' | 'running' | 'paused' | 'done' | 'failed';

/** What a run needs; the slow parts come when they are asked for. */
export interface Job {
  device(): Promise<GPUDevice>;
  data(): Promise<{ readonly train: Dataset; readonly test: Dataset }>;
  options(train: Dataset): Omit<TrainerOptions, 'data'>;
  readonly epochs: number;
}

export interface Listener {
  /** The phase, the activity or the speed is another. */
  changed(): void;
  planned(plan: PlanReport): void;
  stepped(report: StepReport): void;
  /** `epoch`: how many are done, in fractions where the run was stopped inside one. */
  evaluated(evaluation: Evaluation, epoch: number): void;
  failed(error: unknown): void;
}

type Wish = 'run' | 'pause' | 'stop';

/** At most this share of the time goes into testing, where epochs are short (full batch: every step is one). */
const TEST_SHARE = 0.25;

export class Training {
  phase: Phase = 'idle';
  /** What is going on besides training; empty when nothing is. */
  activity = '';
  /** Steps of the whole run; 0 before it is planned. */
  totalSteps = 0;
  epochs = 0;
  stepsPerSecond: number | undefined;
  #wish: Wish = 'run';
  #trainer: Trainer | undefined;
  #abort = new AbortController();
  #wake: () => void = () => {};
  /** Which run is current: what an abandoned one still has to say is not heard. */
  #current = 0;
  /** For the speed: training time and steps since the last figure. */
  #speed = { steps: 0, ms: 0 };
  #tested = { step: -1, ms: 0 };

  constructor(private readonly listener: Listener) {}

  /** Whether a run is under way, so that settings must wait. */
  get busy(): boolean {
    return this.phase === 'preparing' || this.phase === 'running' || this.phase === 'paused';
  }

  start(job: Job): void {
    if (this.busy) return;
    this.#release();
    const run = ++this.#current;
    this.#wish = 'run';
    this.epochs = job.epochs;
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
    this.#release();
    this.#set('idle', '');
  }

  /** Ends the run with an error: its own, or one that came from outside (a lost device). */
  fail(error: unknown): void {
    if (this.phase === 'failed') return; // the first error is the cause, those after it are its consequences
    this.#release();
    this.#set('failed', '');
    this.listener.failed(error);
  }

  #set(phase: Phase, activity: string): void {
    this.phase = phase;
    this.activity = activity;
    this.listener.changed();
  }

  /** Abandons whatever runs and frees the trainer. */
  #release(): void {
    this.#current++;
    this.#abort.abort();
    this.#wake();
    try {
      this.#trainer?.destroy();
    } catch {
      // A trainer on a lost device has nothing left to free.
    }
    this.#trainer = undefined;
    this.totalSteps = 0;
    this.stepsPerSecond = undefined;
    this.#speed = { steps: 0, ms: 0 };
    this.#tested = { step: -1, ms: 0 };
  }

  async #drive(job: Job, run: number): Promise<void> {
    const current = () => run === this.#current;
    this.#set('preparing', 'Asking for a GPU');
    const device = await job.device();
    if (!current()) return;
    this.#set('preparing', 'Preparing the data');
    const { train, test } = await job.data();
    if (!current()) return;
    this.#set('preparing', 'Compiling the kernels');
    const trainer = await createTrainer(device, { ...job.options(train), data: train });
    if (!current()) return trainer.destroy();

    this.#trainer = trainer;
    this.totalSteps = job.epochs * trainer.stepsPerEpoch;
    this.listener.planned(trainer.describe());
    this.#set('running', '');
    while (current()) {
      if (this.#wish === 'run') await this.#train(trainer, current);
      if (current()) await this.#test(trainer, test, current);
      if (!current()) return;
      const wish: Wish = this.#wish; // it may be another one than before the await
      if (wish === 'stop' || trainer.step >= this.totalSteps) return this.#set('done', '');
      if (wish === 'pause') {
        this.#set('paused', '');
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** Trains up to the next test, or to the wish for something else. */
  async #train(trainer: Trainer, current: () => boolean): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    let since = performance.now();
    let steps = 0;
    const measure = () => {
      const now = performance.now();
      this.#measure(steps, now - since);
      since = now;
      steps = 0;
    };
    try {
      const target = Math.min(this.totalSteps, this.#nextTest(trainer));
      for await (const report of trainer.run({ steps: target - trainer.step, signal: abort.signal })) {
        if (!current()) return;
        if (!Number.isFinite(report.loss)) {
          throw new PageError(
            `The loss is ${report.loss} at step ${report.step}: the training has diverged.`,
            'Lower the learning rate, then start again.',
          );
        }
        this.listener.stepped(report);
        steps++;
        // Reports come in bursts, one per submit: only a longer span gives a steady figure.
        if (steps % 16 === 0 && performance.now() - since > 500) measure();
      }
    } catch (error) {
      // Aborting for a pause still delivers every step that was submitted, so the curve has no gap; then it throws this.
      if (!abort.signal.aborted || error !== abort.signal.reason) throw error;
    } finally {
      measure();
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
    this.listener.changed();
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
    this.listener.evaluated(evaluation, evaluation.step / trainer.stepsPerEpoch);
    this.#set(this.phase, '');
  }
}
