import { createPopulation, type Dataset, type Population, populationMemory, type Rule } from '../../src/index.js';
import type { Experiment } from '../experiment/config.js';
import { populationOf } from '../search/setup.js';
import { turn } from '../shell/turn.js';

/*
 * Members in one population, as a state machine like app/train/training.ts: buttons state a wish, one loop reads it between runs
 * and is the only place that touches the population. What was measured stays, however it ends.
 *
 *   idle -> preparing -> [tuning ->] running <-> paused -> done;  any -> failed;  done, failed -> preparing
 */
export type Phase = 'idle' | 'preparing' | 'tuning' | 'running' | 'paused' | 'done' | 'failed';

/** What is trained: known once the data is read, and rates are tuned. */
export interface Plan {
  readonly experiment: Experiment;
  readonly rules: readonly Rule[];
}

export interface Planned {
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly batchSize: number;
  /** Bytes of state, by member. */
  readonly stateBytes: readonly number[];
}

export interface Listener {
  changed(): void;
  planned(planned: Planned): void;
  stepped(step: number, losses: Float32Array, lrs: Float64Array, seconds: number): void;
  tested(step: number, losses: Float64Array, accuracies: Float64Array | undefined): void;
  failed(error: unknown): void;
}

type Wish = 'run' | 'pause' | 'stop';

/** Of the population, in what the device says of its work. */
export const LABEL = 'compare';
/** At most this share of the time goes into testing. */
const TEST_SHARE = 0.2;

export class Together {
  phase: Phase = 'idle';
  activity = '';
  totalSteps = 0;
  /** Of training all members, without pauses and tests. */
  seconds = 0;
  step = 0;
  #wish: Wish = 'run';
  #abort = new AbortController();
  #wake: () => void = () => {};
  #current = 0;
  #population: Population | undefined;
  #tested = { step: -1, ms: 0 };

  constructor(private readonly listener: Listener) {}

  get busy(): boolean {
    return !['idle', 'done', 'failed'].includes(this.phase);
  }

  /** @param plan makes what is trained; its signal ends it when it is stopped */
  start(device: () => Promise<GPUDevice>, plan: (device: GPUDevice, signal: AbortSignal) => Promise<Plan>): void {
    if (this.busy) return;
    this.#release();
    const run = ++this.#current;
    this.#wish = 'run';
    this.#abort = new AbortController();
    this.#drive(device, plan, () => run === this.#current).catch((error: unknown) => {
      if (run === this.#current) this.fail(error);
    });
  }

  pause(): void {
    if (this.phase !== 'running' || this.#wish !== 'run') return;
    this.#wish = 'pause';
    this.#abort.abort();
    this.set('paused', 'Finishing');
  }

  resume(): void {
    if (this.phase !== 'paused') return;
    this.#wish = 'run';
    this.set('running', '');
    this.#wake();
  }

  /** Ends it with what was reached; what only prepares is dropped. */
  stop(): void {
    if (!this.busy) return;
    if (this.phase === 'preparing' || this.phase === 'tuning') {
      this.#release();
      this.set('idle', '');
      return;
    }
    this.#wish = 'stop';
    this.#abort.abort();
    this.set(this.phase, 'Stopping');
    this.#wake();
  }

  fail(error: unknown): void {
    if (this.phase === 'failed') return;
    this.#release();
    this.set('failed', '');
    this.listener.failed(error);
  }

  /** A member that diverged stands still from now on. */
  halt(member: number): void {
    this.#population?.stop(member);
  }

  set(phase: Phase, activity: string): void {
    this.phase = phase;
    this.activity = activity;
    this.listener.changed();
  }

  #release(): void {
    this.#current++;
    this.#abort.abort();
    this.#wake();
    try {
      this.#population?.destroy();
    } catch {
      // On a lost device there is nothing left to free.
    }
    this.#population = undefined;
    this.#tested = { step: -1, ms: 0 };
  }

  async #drive(
    device: () => Promise<GPUDevice>,
    plan: (device: GPUDevice, signal: AbortSignal) => Promise<Plan>,
    current: () => boolean,
  ): Promise<void> {
    const { signal } = this.#abort;
    this.seconds = 0;
    this.step = 0;
    this.set('preparing', 'Asking for a GPU');
    const gpu = await device();
    if (!current()) return;
    this.set('preparing', 'Preparing the data');
    const made = await plan(gpu, signal);
    if (!current()) return;
    this.set('preparing', 'Compiling the kernels');
    const { experiment, rules } = made;
    const options = populationOf(experiment, rules, LABEL);
    const population = await createPopulation(gpu, options);
    if (!current()) return population.destroy();
    this.#population = population;
    const { stepsPerEpoch } = population;
    this.totalSteps = experiment.steps;
    const stateBytes = rules.map((rule) => stateOf(gpu, experiment, rule));
    const batchSize = options.batchSize ?? options.data.samples;
    await turn(); // members on the shelf, with chart and table, are long enough; so is what the first submit records
    if (!current()) return;
    this.listener.planned({ stepsPerEpoch, totalSteps: this.totalSteps, batchSize, stateBytes });
    await turn();
    if (!current()) return;
    this.set('running', '');
    await this.#loop(population, experiment.data.test, current);
  }

  async #loop(population: Population, test: Dataset, current: () => boolean): Promise<void> {
    while (current()) {
      if (this.#wish === 'run') await this.#train(population, current);
      if (current()) await this.#test(population, test, current);
      if (!current()) return;
      const wish: Wish = this.#wish; // it may be another one than before the await
      const idle = population.members.every(({ stopped }) => stopped);
      if (wish === 'stop' || idle || population.step >= this.totalSteps) return this.#end();
      if (wish !== 'pause') continue;
      this.set('paused', '');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Nothing more is asked of the population: its memory is another run's. */
  #end(): void {
    this.#release();
    this.set('done', '');
  }

  async #train(population: Population, current: () => boolean): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    let since = performance.now();
    try {
      const steps = Math.min(this.totalSteps, this.#nextTest(population)) - population.step;
      for await (const { step, losses, lrs } of population.run({ steps, signal: abort.signal })) {
        if (!current()) return;
        const now = performance.now();
        this.seconds += (now - since) / 1000;
        since = now;
        this.step = step;
        this.listener.stepped(step, losses, lrs, this.seconds);
      }
    } catch (error) {
      // Aborting for a pause still delivers every step that was submitted; then it throws this.
      if (!abort.signal.aborted || error !== abort.signal.reason) throw error;
    }
  }

  /** The end of this epoch, or of a later one where testing after each would take longer than the training. */
  #nextTest({ stepsPerEpoch, step }: Population): number {
    const perSecond = this.step / (this.seconds || 1);
    const between = (this.#tested.ms / TEST_SHARE / 1000) * perSecond;
    const epoch = Math.floor(step / stepsPerEpoch) + 1;
    return Math.max(epoch, Math.floor((step + between) / stepsPerEpoch)) * stepsPerEpoch;
  }

  async #test(population: Population, test: Dataset, current: () => boolean): Promise<void> {
    if (population.step === this.#tested.step) return;
    const since = performance.now();
    this.set(this.phase, 'Testing');
    const { step, losses, accuracies } = await population.evaluate(test);
    if (!current()) return;
    // The first test also compiles and uploads.
    this.#tested = { step, ms: this.#tested.step < 0 ? 0 : performance.now() - since };
    this.listener.tested(step, losses, accuracies);
    this.set(this.phase, '');
  }
}

/** Bytes that a rule keeps beside the weights. */
const stateOf = (device: GPUDevice, experiment: Experiment, rule: Rule): number =>
  populationMemory(device, populationOf(experiment, [rule], LABEL)).perMember.state;
