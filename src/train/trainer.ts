import { batchOf } from '../data/batching.js';
import type { Dataset } from '../data/dataset.js';
import { isUploadable } from '../data/ring.js';
import { checkSameScaling, checkSameTargets, unscaleOutputs } from '../data/scaling.js';
import { isSource, targetsOf } from '../data/source.js';
import type { Samples, Uploads } from '../data/upload.js';
import { DownhillError } from '../gpu/errors.js';
import { checkInteger, type Fields } from '../gpu/fields.js';
import { checkNotLost, isLost } from '../gpu/lost.js';
import { checkTimestamps } from '../gpu/timing.js';
import { MAX_STEP } from '../kernels/account.js';
import { metricInput } from '../nn/metric.js';
import type { Model } from '../nn/model.js';
import type { SetOptions } from '../optim/groups.js';
import type { FieldsOf, Rule } from '../optim/rule.js';
import type { Vector } from '../space/space.js';
import { type Built, buildAgain, buildProgram, choiceOf } from './build.js';
import { takeSnapshot } from './checkpoint.js';
import type { CheckpointOptions, ImportOptions } from './checkpoint-types.js';
import type { Curvature } from './curvature-types.js';
import { Evaluator, type PlacedWeights, type Trained } from './evaluate.js';
import { StreamedEvaluator, samplesEvaluator } from './evaluate-stream.js';
import { Hold, type Holder } from './hold.js';
import { opened } from './inside.js';
import { trainLoop } from './loop.js';
import {
  type CheckedOptions,
  type CheckedWatchOptions,
  checkCheckpointOptions,
  checkData,
  checkEvaluateOptions,
  checkProfileOptions,
  checkRunOptions,
  checkTrainerOptions,
  checkWatchOptions,
  checkWeights,
} from './options.js';
import { Pause } from './pause.js';
import { samplesOf } from './predict.js';
import type { Submit } from './profile.js';
import type { Program, ProgramOptions } from './program.js';
import type { Recovery } from './recover.js';
import type { Evaluation, Profile, StepReport, Stopped, ValidationReport } from './report-types.js';
import type { StepResult } from './step-columns.js';
import type {
  Batch,
  CurvatureOptions,
  EvaluateOptions,
  ProfileOptions,
  RunOptions,
  Trainer,
  TrainerOptions,
  WeightsOptions,
} from './types.js';
import { checkReportedValues, namedMeans, validationReport } from './validation-options.js';

/**
 * A network in training: its parameters, optimizer, data and batches on the GPU, ready to run.
 *
 * The same seed on the same adapter, driver and plan gives the same losses, bit for bit.
 *
 * @param device adopted: never destroyed, its error handlers untouched. From `requestDevice`, or your own.
 * @example
 * const trainer = await createTrainer(device, {
 *   model: mlp({ sizes: [784, 100, 10] }), rule: adam({ lr: 1e-3 }), data: digits(), batchSize: 64,
 * });
 * for await (const { step, loss } of trainer.run({ epochs: 10 })) console.log(step, loss);
 * @throws DownhillError before any GPU work: OPTION-* for options, SHAPE-MISMATCH where model and data disagree,
 * LIMIT-BINDING where a batch or the data exceeds what the device binds; DEVICE-LOST when the device is gone;
 * GPU-OUT-OF-MEMORY, SHADER-COMPILE.
 */
export async function createTrainer<R extends Rule>(
  device: GPUDevice,
  options: Omit<TrainerOptions<FieldsOf<R>>, 'rule'> & { readonly rule: R },
): Promise<Trainer<FieldsOf<R>>> {
  const given = options as unknown as TrainerOptions;
  const checked = checkTrainerOptions(device, given);
  if (checked.row.minimizer) (await import('./minimizer-options.js')).checkMinimizer(given, checked);
  await checkNotLost(device);
  return NetworkTrainer.create<FieldsOf<R>>(device, checked, await choiceOf(device, checked));
}

interface RunParts {
  /** Who has the trainer for it; none where a profile has it. */
  readonly holder?: Holder;
  readonly signal?: AbortSignal | undefined;
  readonly watch?: CheckedWatchOptions | undefined;
  /** Submits the steps of a profile. */
  readonly profiled?: Submit;
}

/** Data sets whose evaluation stays ready on the GPU, of each kind of weights: to train on, to validate, to test. */
const KEPT_EVALUATORS = 3;

/** Frees an evaluator once it is made and idle; one that failed has freed itself. */
const release = (evaluator: Promise<Evaluator>) => void evaluator.then((made) => made.destroy()).catch(() => {});

class NetworkTrainer<F extends Fields> implements Trainer<F> {
  readonly #options: CheckedOptions;
  #program: Program;
  #uploads: Uploads;
  /** A device that took the place of a lost one. */
  #own: GPUDevice | undefined;
  readonly #recovery: Recovery | undefined;
  readonly #model: Model;
  readonly #data: Dataset;
  /** By the weights they evaluate. */
  readonly #evaluators = new Map<Vector, Map<Dataset, Promise<Evaluator>>>();
  readonly #pause = new Pause();
  readonly #streams: boolean;
  readonly #hold = new Hold('trainer');
  #destroyed = false;
  /** Ends waiting for a device where the trainer is destroyed. */
  readonly #ended = new AbortController();

  private constructor({ program, uploads }: Built, options: CheckedOptions, recovery: Recovery | undefined) {
    this.#options = options;
    this.#program = program;
    this.#uploads = uploads;
    this.#model = options.model;
    this.#data = options.data;
    this.#streams = options.stream;
    this.#recovery = recovery;
    opened(this, () => {
      this.#checkAlive();
      return { program: this.#program, model: this.#model, data: this.#data };
    });
  }

  static async create<F extends Fields>(
    device: GPUDevice,
    options: CheckedOptions,
    choice: ProgramOptions['choice'],
  ): Promise<NetworkTrainer<F>> {
    const recovery = options.recover && new (await import('./recover.js')).Recovery(options.recover);
    const built = await buildProgram(device, options, choice);
    const trainer = new NetworkTrainer<F>(built, options, recovery);
    await recovery?.take(built.program).catch((error) => {
      trainer.destroy();
      throw error;
    });
    return trainer;
  }

  get step(): number {
    return this.#program.scheduler.step;
  }

  get stepsPerEpoch(): number {
    return this.#program.options.objective.stepsPerEpoch;
  }

  get paused(): boolean {
    return this.#pause.on;
  }

  pause(): void {
    this.#checkAlive();
    this.#pause.set(true);
  }

  resume(): void {
    this.#pause.set(false);
  }

  get best(): ValidationReport | undefined {
    const best = this.#program.validation?.bestResult();
    return best && validationReport(this.#model, best);
  }

  get stopped(): Stopped | undefined {
    const { validation, updater } = this.#program;
    if (updater.stopped) return { reason: updater.stopped, step: this.step };
    const step = validation?.stoppedAt();
    if (step === undefined) return undefined;
    const best = validation!.bestResult();
    return {
      reason: 'early-stopping',
      step,
      ...(best && { best: { step: best.step, value: validation!.metric(best) } }),
    };
  }

  run(options: RunOptions): AsyncGenerator<StepReport, void, void> {
    this.#checkAlive();
    const steps = checkRunOptions(options, this);
    const watch = options.watch === undefined ? undefined : checkWatchOptions(options.watch);
    return this.#hold.run((holder) => this.#run(steps, { holder, signal: options.signal, watch }));
  }

  batch(step: number): Batch {
    const { rows, sampling, seed } = this.#options;
    const index = checkInteger('batch: the step', step, 0, MAX_STEP);
    const plan = { samples: this.#data.samples, rows, stepsPerEpoch: this.stepsPerEpoch, sampling };
    const { indices, valid, epoch } = batchOf(plan, seed, index);
    return { samples: indices.slice(0, valid), epoch };
  }

  async profile(options: ProfileOptions = {}): Promise<Profile> {
    this.#checkAlive();
    const checked = checkProfileOptions(options, MAX_STEP - this.step);
    checkTimestamps(this.#program.device);
    await this.#begin();
    try {
      const { profileSteps } = await import('./profile.js');
      return await profileSteps(this.#program, checked, (steps, profiled) => this.#run(steps, { profiled }));
    } finally {
      this.#hold.give();
    }
  }

  /** Takes the trainer; whoever did gives it back. @throws DownhillError RUN-BUSY, RUN-DESTROYED */
  async #begin(holder?: Holder): Promise<void> {
    await this.#hold.take(holder);
    if (this.#destroyed) this.#hold.give();
    this.#checkAlive();
  }

  async *#run(steps: number, { holder, signal, watch, profiled }: RunParts): AsyncGenerator<StepReport, void, void> {
    if (holder) await this.#begin(holder);
    const start = this.step;
    const end = start + steps;
    let reached = this.#program.scheduler.undelivered;
    const loop = {
      ...{ end, signal, watch, profiled, pause: this.#pause },
      destroyed: () => this.#destroyed,
      checkAlive: () => this.#checkAlive(),
      look: () => this.#recovery?.look(this.#program),
    };
    try {
      for (let goOn = true; ; ) {
        try {
          for await (const { first, results } of trainLoop(this.#program, { ...loop, goOn })) {
            for (const [i, result] of results.entries()) {
              if (first + i < reached) continue; // trained again, after a loss
              reached = first + i + 1;
              const report = this.#report(first + i, result);
              if (holder) holder.idle = true;
              yield report;
              if (holder) holder.idle = false;
            }
          }
          // After a loss it comes by stops again that this run, or one before it, was asked to go on from.
          goOn = this.step <= start && this.#program.validation?.halted === true && this.step < end;
          if (!goOn) return;
        } catch (error) {
          if (profiled || !this.#recovery || !isLost(error)) throw error;
          await this.#recover(this.#recovery, error, reached, signal);
          goOn = false;
        }
      }
    } finally {
      if (holder) this.#hold.give();
    }
  }

  /** Makes everything anew on another device, as it was at the last snapshot. @throws what cannot be mended */
  async #recover(recovery: Recovery, error: unknown, reached: number, signal: AbortSignal | undefined): Promise<void> {
    const build = (device: GPUDevice) => buildAgain(device, this.#options, this.#program.choice);
    const { device, built } = await recovery.recover(build, this.#program, error, {
      ...{ reached, signal: signal ? AbortSignal.any([signal, this.#ended.signal]) : this.#ended.signal },
      checkAlive: () => this.#checkAlive(),
    });
    this.#replace(built);
    this.#own?.destroy();
    this.#own = device;
  }

  #report(index: number, { loss, lr, skipped, watch, validation }: StepResult): StepReport {
    return {
      step: index + 1,
      epoch: Math.floor(index / this.stepsPerEpoch),
      loss,
      lr,
      ...(skipped && { skipped }),
      ...(watch && { watch }),
      ...(validation && { validation: validationReport(this.#model, validation) }),
    };
  }

  set(options: SetOptions<F>, tensors?: readonly string[]): void {
    this.#checkAlive();
    checkReportedValues(Object.values(options ?? {}).flat(), this.#model, this.#program.validation !== undefined);
    this.#program.updater.set(options, tensors);
    this.#recovery?.changed();
  }

  async state() {
    this.#checkAlive();
    return this.#program.state();
  }

  /** The network with these weights. */
  #trained(weights: PlacedWeights): Trained {
    return { ...weights, label: `${this.#program.options.label}-evaluate`, model: this.#model };
  }

  async evaluate(data: Dataset, options: EvaluateOptions = {}): Promise<Evaluation> {
    this.#checkAlive();
    const { weights, metrics: asked } = checkEvaluateOptions(this.#model, options);
    const placed = this.#program.weights(weights);
    checkData(this.#model, data);
    checkSameScaling(this.#data, data);
    checkSameTargets(this.#data.targets, data.targets);
    const evaluator = this.#isStreamed(data)
      ? await StreamedEvaluator.ofDataset(this.#program.device, this.#trained(placed), data)
      : await this.#evaluatorOf(data, placed);
    this.#checkAlive();
    const { step } = this;
    const { outputs, ...means } = await evaluator.evaluate(asked.length > 0).finally(() => {
      if (evaluator instanceof StreamedEvaluator) evaluator.destroy();
    });
    const evaluation = { step, ...namedMeans(this.#model, means) };
    if (!outputs) return evaluation;
    const targets = isSource(data) ? await targetsOf(data) : data.targets;
    const input = metricInput(this.#model.loss, targets, outputs, this.#model.output);
    const metrics = Object.fromEntries(asked.map(({ row, settings }) => [row.name, row.compute(input, settings)]));
    return { ...evaluation, metrics };
  }

  async curvature(options: CurvatureOptions = {}): Promise<Curvature> {
    this.#checkAlive();
    const { curvatureOf } = await import('./curvature.js');
    this.#checkAlive();
    const { penalty } = this.#options;
    return curvatureOf({ program: this.#program, model: this.#model, data: this.#data, penalty }, options);
  }

  /** Those of the last few data sets stay ready. */
  #evaluatorOf(data: Dataset, placed: PlacedWeights): Promise<Evaluator> {
    const kept = this.#evaluators.get(placed.params) ?? new Map<Dataset, Promise<Evaluator>>();
    this.#evaluators.set(placed.params, kept);
    const evaluator =
      kept.get(data) ?? Evaluator.ofDataset(this.#program.device, this.#trained(placed), data, this.#uploads);
    // Again, so that the most recently used come last; those before the last few give their memory back.
    kept.delete(data);
    kept.set(data, evaluator);
    evaluator.catch(() => kept.delete(data));
    for (const [old, made] of [...kept].slice(0, -KEPT_EVALUATORS)) {
      kept.delete(old);
      release(made);
    }
    return evaluator;
  }

  /** Whether a data set is not to be on the GPU as a whole, or cannot be. */
  #isStreamed(data: Dataset): boolean {
    return !isUploadable(this.#program.device, data) || (this.#streams && data === this.#data);
  }

  async predict(x: Float32Array | Uint8Array | Samples, options: WeightsOptions = {}): Promise<Float32Array> {
    this.#checkAlive();
    const trained = this.#trained(this.#program.weights(checkWeights('predict', options)));
    const { device } = this.#program;
    const samples = samplesOf(this.#model, this.#data, x);
    const evaluator = await samplesEvaluator(device, trained, samples);
    try {
      this.#checkAlive();
      const outputs = await evaluator.predict();
      const { targets } = this.#data;
      return targets.kind === 'values' ? unscaleOutputs(outputs, targets) : outputs;
    } finally {
      evaluator.destroy();
    }
  }

  parameters() {
    this.#checkAlive();
    return this.#program.parameters();
  }

  async readParameters(options: WeightsOptions = {}) {
    this.#checkAlive();
    const weights = checkWeights('readParameters', options) ?? (this.#program.average ? 'average' : 'current');
    return this.#program.readParameters(0, weights);
  }

  async checkpoint(options?: CheckpointOptions) {
    this.#checkAlive();
    const checked = checkCheckpointOptions(options);
    const snapshot = await takeSnapshot(this.#program, checked);
    const { encodeSnapshot } = await import('./persist.js');
    return encodeSnapshot(snapshot, this.#options, checked.state);
  }

  async restore(bytes: Uint8Array) {
    await this.#begin();
    try {
      const { openCheckpoint, restoreBuilt } = await import('./restore.js');
      this.#checkAlive();
      const opened = openCheckpoint(bytes, this.#options);
      const { built, restored } = await restoreBuilt(
        { program: this.#program, uploads: this.#uploads },
        this.#options,
        opened,
        () => this.#checkAlive(),
      );
      if (built.program !== this.#program) this.#replace(built);
      this.#recovery?.keep({ ...opened, ...opened.saved });
      return restored;
    } finally {
      this.#hold.give();
    }
  }

  async importWeights(bytes: Uint8Array, options?: ImportOptions) {
    this.#checkAlive();
    const { importTensors } = await import('./persist.js');
    this.#checkAlive();
    const imported = importTensors(this.#program, bytes, options);
    this.#program.follow();
    await this.#recovery?.take(this.#program);
    return imported;
  }

  describe() {
    return this.#program.describe();
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#ended.abort(destroyed());
    this.#pause.set(false); // a run that waits for its end ends
    this.#release();
    this.#own?.destroy();
  }

  /** Another program takes the place of this one's. */
  #replace({ program, uploads }: Built): void {
    this.#release();
    [this.#program, this.#uploads] = [program, uploads];
  }

  #release(): void {
    this.#program.destroy();
    this.#uploads.destroy();
    for (const kept of this.#evaluators.values()) for (const evaluator of kept.values()) release(evaluator);
    this.#evaluators.clear();
  }

  #checkAlive(): void {
    if (this.#destroyed) {
      throw destroyed();
    }
  }
}

const destroyed = () =>
  new DownhillError('RUN-DESTROYED', 'This trainer was destroyed.', 'Make a new one with createTrainer.');
