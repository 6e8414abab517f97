import { BufferSet, guarded } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { checkInteger, checkOptions } from '../gpu/fields.js';
import type { Space, Vector } from '../space/space.js';
import { readTensors } from '../space/vectors.js';
import { type Inside, insideOf } from '../train/inside.js';
import { checkRunOptions } from '../train/options.js';
import type { StepReport } from '../train/report-types.js';
import type { RunOptions, Trainer, WeightsOptions } from '../train/types.js';

/** Options of {@link recordPath}. */
export interface PathOptions extends WeightsOptions {
  /** Steps from one snapshot to the next. Default 10. */
  readonly every?: number;
  /** Snapshots kept, 3 to 200. When there would be more, every second one is dropped and `every` doubles. Default 100. */
  readonly most?: number;
}

const MOST = 200;

interface Snapshot {
  readonly step: number;
  readonly buffers: BufferSet;
  readonly vector: Vector;
}

/**
 * Keeps a trainer's weights along its training, on the GPU, for `landscape(trainer, { plane: 'pca', path })`. A snapshot is a copy
 * in passing: nothing is read, nothing of the training changes.
 *
 * @example
 * const path = await recordPath(trainer, { every: 20 });
 * for await (const { step, loss } of path.run({ epochs: 5 })) console.log(step, loss);
 * const { x, y, loss } = await landscape(trainer, { plane: 'pca', path });
 * path.destroy();
 * @returns with the weights as they are now as the first snapshot
 * @throws DownhillError OPTION-*, RUN-DESTROYED, GPU-OUT-OF-MEMORY
 */
export async function recordPath(trainer: Trainer, options: PathOptions = {}): Promise<WeightPath> {
  checkOptions('recordPath', options, ['every', 'most', 'weights']);
  const inside = checkTrainer('recordPath', trainer);
  const every = checkInteger('recordPath: every', options.every ?? 10, 1);
  const most = checkInteger('recordPath: most', options.most ?? 100, 3, MOST);
  inside.program.weights(options.weights);
  const path = new WeightPath(trainer, every, most, options.weights, inside.program.space);
  await path.take();
  return path;
}

/** What is inside a trainer. @throws DownhillError OPTION-TYPE, RUN-DESTROYED */
export function checkTrainer(where: string, trainer: Trainer): Inside {
  const inside = typeof trainer === 'object' && trainer !== null ? insideOf(trainer) : undefined;
  if (inside) return inside;
  throw new DownhillError(
    'OPTION-TYPE',
    `${where} needs a trainer first.`,
    "Pass what `await createTrainer(device, …)` of 'downhill' gave: one of 'downhill/bundle', or of another copy, is not known here.",
  );
}

/** Weights along a training, kept on the GPU. Made by {@link recordPath}. */
export class WeightPath {
  #snapshots: Snapshot[] = [];
  #every: number;

  /** @internal */
  constructor(
    readonly trainer: Trainer,
    every: number,
    readonly most: number,
    readonly weights: WeightsOptions['weights'],
    readonly space: Space,
  ) {
    this.#every = every;
  }

  /** Of each snapshot, the steps that the trainer had done. */
  get steps(): readonly number[] {
    return this.#snapshots.map(({ step }) => step);
  }

  /** Steps from one snapshot to the next; it grows where there would be more than `most`. */
  get every(): number {
    return this.#every;
  }

  /** Of GPU memory. */
  get bytes(): number {
    return this.#snapshots.reduce((sum, { buffers }) => sum + buffers.bytes, 0);
  }

  /** Takes a snapshot of the weights after everything submitted so far, where there is none of this step. */
  async take(): Promise<void> {
    const { program } = checkTrainer('recordPath', this.trainer);
    const { device, space } = program;
    const { step } = this.trainer;
    const before = this.#snapshots.at(-1);
    if (before && before.buffers.device !== device) throw otherDevice();
    if (before?.step === step) return;
    const buffers = new BufferSet(device, 'path');
    try {
      const vector = await guarded(device, 'path', () => {
        const made = space.vector(buffers, `step-${step}`, true);
        const encoder = device.createCommandEncoder({ label: 'downhill:path/take' });
        for (const [i, { buffer, offset, size }] of program.weights(this.weights).params.ranges.entries())
          encoder.copyBufferToBuffer(buffer, offset, made.ranges[i]!.buffer, made.ranges[i]!.offset, size);
        device.queue.submit([encoder.finish()]);
        return made;
      });
      this.#snapshots.push({ step, buffers, vector });
    } catch (error) {
      buffers.destroy();
      throw error;
    }
    if (this.#snapshots.length > this.most) this.#thin();
  }

  /** The first stays, and of the others every second one. */
  #thin(): void {
    const dropped = this.#snapshots.filter((_, i) => i % 2 === 1);
    this.#snapshots = this.#snapshots.filter((_, i) => i % 2 === 0);
    this.#every *= 2;
    for (const { buffers } of dropped) buffers.destroy();
  }

  /**
   * Trains as `trainer.run`, to the same bits, and takes a snapshot every so many steps and at the end. The GPU waits there until
   * the steps before have been delivered: with a small `every`, training is slower.
   *
   * @throws DownhillError as `trainer.run`
   */
  async *run(options: RunOptions): AsyncGenerator<StepReport, void, void> {
    const { trainer } = this;
    checkTrainer('recordPath', trainer);
    const end = trainer.step + checkRunOptions(options, trainer);
    const { signal, watch } = options;
    const settings = { ...(signal && { signal }), ...(watch && { watch }) };
    while (trainer.step < end) {
      const next = (this.steps.at(-1) ?? trainer.step) + this.#every;
      const steps = Math.min(Math.max(next - trainer.step, 1), end - trainer.step);
      let came = 0;
      for await (const report of trainer.run({ ...settings, steps })) {
        came++;
        yield report;
      }
      await this.take();
      if (came < steps || trainer.stopped) return; // a validation stopped the training
    }
  }

  /** The weights of every snapshot, in host memory, by tensor. */
  async read(): Promise<Record<string, Float32Array>[]> {
    // All recorded now, so that they are of one moment; each is copied when it comes, with turns for the page between.
    const reads = this.#snapshots.map(({ buffers, vector }) =>
      readTensors(buffers.device, 'path', this.space, [vector]),
    );
    const read = await Promise.all(reads);
    return read.map(([tensors]) => Object.fromEntries(tensors!));
  }

  /** Frees the snapshots. */
  destroy(): void {
    for (const { buffers } of this.#snapshots) buffers.destroy();
    this.#snapshots = [];
  }
}

const otherDevice = () =>
  new DownhillError(
    'DEVICE-LOST',
    'The device of this path was lost, and its snapshots with it; the trainer has another one.',
    'Begin a new path with recordPath().',
  );
