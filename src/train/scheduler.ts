import type { BufferRange, BufferSet } from '../gpu/buffers.js';
import { MAP_READ, USAGE } from '../gpu/constants.js';
import { DownhillError, show } from '../gpu/errors.js';
import { untilLost } from '../gpu/lost.js';
import type { Pass } from '../gpu/pipelines.js';
import { LEFT_OUT, MAX_STEP } from '../kernels/account.js';
import { CLOCK_BYTES, type Clock, FAULT, readClocks } from '../kernels/advance.js';
import type { Rates } from '../optim/scalars.js';
import type { Updater } from '../optim/updater.js';
import type { Json, NamedRange, Stateful } from '../space/stateful.js';
import type { WatchReport } from './watch-report.js';

/*
 * Records whole steps, K at a time, and brings the losses back without waiting for them. Every step's commands are the
 * same: what changes from step to step is on the GPU (the clocks, the stream) or in the ring of records written ahead.
 */

/** Most steps of one submit. */
export const MAX_STEPS = 256;
/** Losses kept on the GPU: more than the steps of all submits that can be in flight. */
export const LOSS_RING = 4 * MAX_STEPS;
/** Updates whose records the ring holds: two submits under way, the one to come, and the rest of its block. */
export const SCALARS_AHEAD = 4 * MAX_STEPS;
/** Bytes of one step's result on the GPU, per replica: the loss and a note. */
export const LOSS_BYTES = 8;
/** Submits not yet delivered: one running, one queued behind it. */
export const MAX_FLIGHTS = 2;

/** What came of one step of one replica. */
export interface StepResult {
  readonly loss: number;
  /** Learning rate of its update. */
  readonly lr: number;
  /** Its update was left out, for its gradient. */
  readonly skipped: boolean;
  /** There where the step was looked at (src/train/watch.ts). */
  readonly watch?: WatchReport;
}

/** Steps that were submitted together. */
export interface Flight {
  /** Index of the first step, from 0. */
  readonly first: number;
  readonly steps: number;
  /** What came of them, step by step, `replicas` for each. Rejects with DEVICE-LOST. */
  readonly results: Promise<StepResult[]>;
}

export interface SchedulerParts {
  readonly passes: readonly Pass[];
  readonly updater: Updater;
  /** The ring of losses. */
  readonly losses: BufferRange;
  readonly submitMs: number;
}

/** Records `steps` steps of `passes`. */
export type Recorder = (encoder: GPUCommandEncoder, passes: readonly Pass[], steps: number, label: string) => void;

/** All steps in one compute pass. */
export function recordSteps(
  encoder: GPUCommandEncoder,
  passes: readonly Pass[],
  steps: number,
  label: string,
  timestampWrites?: GPUComputePassTimestampWrites,
): void {
  const pass = encoder.beginComputePass(timestampWrites ? { label, timestampWrites } : { label });
  let bound: GPUComputePipeline | undefined;
  for (let i = 0; i < steps; i++) {
    for (const { pipeline, bindGroup, grid } of passes) {
      if (pipeline !== bound) pass.setPipeline(pipeline);
      bound = pipeline;
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    }
  }
  pass.end();
}

export class Scheduler implements Stateful {
  readonly key = 'scheduler';
  readonly #device: GPUDevice;
  readonly #label: string;
  readonly #parts: SchedulerParts;
  /** Free staging buffers: one more than flights, so that a reader need not hurry. */
  readonly #staging: GPUBuffer[] = [];
  #failure: DownhillError | undefined;
  #step = 0;
  /** Steps of the next submit. */
  #steps = 1;
  #lastArrival = 0;

  constructor(buffers: BufferSet, parts: SchedulerParts) {
    this.#device = buffers.device;
    this.#label = `downhill:${buffers.label}/submit`;
    this.#parts = parts;
    const { replicas } = parts.updater.options.space;
    for (let i = 0; i <= MAX_FLIGHTS; i++) {
      const bytes = LOSS_BYTES * MAX_STEPS * replicas + CLOCK_BYTES * replicas;
      this.#staging.push(buffers.make(`staging-${i}`, bytes, USAGE.COPY_DST | USAGE.MAP_READ));
    }
  }

  /** Why no further step can be applied, once that is so. */
  get failure(): DownhillError | undefined {
    return this.#failure;
  }

  /** Steps submitted so far. */
  get step(): number {
    return this.#step;
  }

  ranges(): readonly NamedRange[] {
    return [];
  }

  freeze(): Pick<Stateful, 'host'> {
    const step = this.#step;
    return { host: () => ({ step }) };
  }

  host(): Json {
    return { step: this.#step };
  }

  check(host: Json): void {
    const { step } = (host ?? {}) as { readonly step?: unknown };
    if (Number.isInteger(step) && (step as number) >= 0 && (step as number) <= MAX_STEP) return;
    throw new DownhillError('CHECKPOINT-CORRUPT', `The file says step ${show(step)}.`, 'Use an earlier checkpoint.');
  }

  /** Only while no flight is under way. */
  load(host: Json): void {
    this.check(host);
    this.#step = (host as { readonly step: number }).step;
    this.#failure = undefined;
  }

  /**
   * Submits up to `most` further steps: as many as fit the time a submit should take. None where steps under way must
   * come back first, to tell whether they get to an update that has no row.
   *
   * @param record a profile records otherwise than `run`
   * @throws DownhillError HYPER-* where a schedule has no value for the next step; the steps before it were submitted.
   */
  submit(most: number, record: Recorder = recordSteps): Flight | undefined {
    const { passes, losses, updater } = this.#parts;
    const { clock, scalars } = updater;
    const first = this.#step;
    const steps = scalars.issue(Math.min(most, this.#steps), true);
    if (steps === 0) return undefined;

    const encoder = this.#device.createCommandEncoder({ label: this.#label });
    record(encoder, passes, steps, this.#label);

    const staging = this.#staging.pop();
    if (!staging) throw new DownhillError('INTERNAL', 'No staging buffer is free.', 'Report this.');
    const perStep = LOSS_BYTES * updater.options.space.replicas;
    const from = first % LOSS_RING;
    const untilWrap = Math.min(steps, LOSS_RING - from);
    encoder.copyBufferToBuffer(losses.buffer, from * perStep, staging, 0, untilWrap * perStep);
    if (untilWrap < steps)
      encoder.copyBufferToBuffer(losses.buffer, 0, staging, untilWrap * perStep, (steps - untilWrap) * perStep);
    encoder.copyBufferToBuffer(clock.buffer, clock.offset, staging, steps * perStep, clock.size);
    this.#device.queue.submit([encoder.finish()]);
    this.#step += steps;
    const flight = { first, steps, results: this.#arrive(staging, first, steps, scalars.rates()) };
    // Whoever awaits the flight sees a rejection; nobody may be left to, after a `break`.
    flight.results.catch(() => {});
    return flight;
  }

  async #arrive(staging: GPUBuffer, first: number, steps: number, rates: Rates): Promise<StepResult[]> {
    const submitted = performance.now();
    const { clock, options } = this.#parts.updater;
    const { replicas } = options.space;
    const bytes = LOSS_BYTES * steps * replicas;
    await untilLost(this.#device, staging.mapAsync(MAP_READ, 0, bytes + clock.size));
    this.#adapt(steps, submitted);
    const mapped = staging.getMappedRange(0, bytes + clock.size);
    const words = new Uint32Array(mapped.slice(0, bytes));
    const clocks = readClocks(mapped.slice(bytes));
    staging.unmap();
    this.#staging.push(staging);
    this.#checkClocks(clocks, first, steps);
    const losses = new Float32Array(words.buffer);
    return Array.from({ length: words.length / 2 }, (_, i) => {
      const note = words[2 * i + 1]!;
      // Of the first group: its records come first, one per replica.
      return { loss: losses[2 * i]!, lr: rates(i % replicas, (note & ~LEFT_OUT) >>> 0), skipped: note >= LEFT_OUT };
    });
  }

  /** What the clocks say after a flight: whether it ran, and how many updates were applied. */
  #checkClocks(clocks: readonly Clock[], first: number, steps: number): void {
    for (const { fault, step } of clocks) {
      if ((fault & FAULT.stale) !== 0) {
        throw new DownhillError('INTERNAL', 'A step found a record of another count in the ring.', 'Report this.');
      }
      if ((fault & FAULT.stopped) !== 0) {
        // The steps before it are good, and delivered.
        this.#failure = new DownhillError(
          'GRADIENT-NONFINITE',
          `Too many gradients in a row were not finite, up to step ${first + steps}; none of them was applied.`,
          'Lower the learning rate, clip the gradient, or look for bad samples; the parameters are as they were before.',
        );
      }
      // A submit that the GPU process dropped leaves old numbers where the losses should be; its clock stands still.
      if (step !== (first + steps) % 2 ** 32) {
        throw new DownhillError(
          'GPU-VALIDATION',
          `Steps ${first + 1} to ${first + steps} did not run.`,
          'Report this with your adapter.',
        );
      }
    }
    this.#parts.updater.scalars.see(clocks);
  }

  /** Sizes the next submit from how long this one took: since it was submitted, or since the one before it arrived. */
  #adapt(steps: number, submitted: number): void {
    const now = performance.now();
    const perStep = Math.max((now - Math.max(submitted, this.#lastArrival)) / steps, 1e-3);
    this.#lastArrival = now;
    const fitting = Math.floor(this.#parts.submitMs / perStep);
    this.#steps = Math.min(Math.max(fitting, 1), 4 * this.#steps, MAX_STEPS);
  }
}
