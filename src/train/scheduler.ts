import { type BufferRange, type BufferSet, isUnread, mapToRead } from '../gpu/buffers.js';
import { USAGE } from '../gpu/constants.js';
import { DownhillError, show } from '../gpu/errors.js';
import type { Pass } from '../gpu/passes.js';
import { MAX_STEP } from '../kernels/account.js';
import { CLOCK_BYTES, type Clock, FAULT, readClocks } from '../kernels/advance.js';
import { CONTROL_BYTES, type Control, readControls } from '../kernels/judge.js';
import type { Rates, ScalarRing } from '../optim/scalars.js';
import type { Json, NamedRange, Stateful } from '../space/stateful.js';
import { columnsOf, readSteps, type StepColumns, type StepResult } from './step-columns.js';
import type { Validation } from './validation.js';

/*
 * Records whole steps, K at a time, and brings the losses back without waiting for them. Every step's commands are the
 * same (but for what a rule may have in front of some): what changes from step to step is on the GPU (the clocks, the stream) or in the ring of records written ahead.
 */

/** Most steps of one submit of one network. */
export const MAX_STEPS = 256;
/** Of many networks fewer, whose steps take longer: what the rings of losses and records take grows no further. */
const STEPS_OF_ALL = 8192;
const FEWEST_STEPS = 32;
/** Most steps of one submit of so many replicas: a power of two. */
export const mostSteps = (replicas: number): number =>
  Math.min(Math.max(2 ** Math.floor(Math.log2(STEPS_OF_ALL / replicas)), FEWEST_STEPS), MAX_STEPS);
/**
 * Losses kept on the GPU for each replica, more than the steps of all submits that can be in flight; and updates whose
 * records the ring holds: two submits under way, the one to come, and the rest of its block.
 */
export const stepsAhead = (replicas: number): number => 4 * mostSteps(replicas);
/** Bytes of one step's result on the GPU, per replica: the loss and a note. */
export const LOSS_BYTES = 8;
/** Submits not yet delivered: one running, one queued behind it. */
export const MAX_FLIGHTS = 2;
/** Longest submit whatever is asked for, where a step is shorter: systems take a GPU for hung after 2 s. */
const LONGEST_MS = 500;
/** Growth of the next submit: what the first ones tell of a step may be far from it. */
const GROWTH = 4;

/** What a submit takes where nothing else is asked for: a page, and the workers of one, wait behind it for a frame. */
export function usualSubmitMs(globals: object = globalThis): number {
  return 'document' in globals || 'WorkerGlobalScope' in globals ? 50 : 250;
}

/** Steps of the next submit, from what a step of the last one took, and how many that one was to have. */
export function fittingSteps(stepMs: number, submitMs: number, before: number, most = MAX_STEPS): number {
  const fitting = Math.floor(Math.min(submitMs, LONGEST_MS) / stepMs);
  return Math.min(Math.max(fitting, 1), GROWTH * before, most);
}

/** Steps that were submitted together. */
export interface Flight {
  /** Index of the first step, from 0. */
  readonly first: number;
  readonly steps: number;
  /** What came of them. Rejects with DEVICE-LOST; with GPU-READ, after which {@link Scheduler.leave} keeps it for later. */
  readonly columns: Promise<StepColumns>;
  /** The same, step by step, `replicas` for each. */
  readonly results: Promise<StepResult[]>;
  readonly sent: Sent;
}

/** A submit, and what is known of it. */
export interface Sent {
  readonly first: number;
  readonly steps: number;
  readonly staging: GPUBuffer;
  /** When it was submitted. */
  readonly at: number;
  readonly rates: Rates;
  readonly validated: Validation | undefined;
  /** The steps behind it wait for what comes of its validation. */
  readonly awaited: boolean;
  /** What the staging buffer had: from then on it serves the next submit. */
  read?: {
    readonly words: Uint32Array<ArrayBuffer>;
    readonly clocks: readonly Clock[];
    readonly controls: readonly Control[];
  };
  /** While it is asked for, and once it is there. */
  flight: Flight | undefined;
}

/** Whoever makes updates of gradients, as the scheduler sees it: one rule for all replicas, or several, each for its own. */
export interface Updates {
  readonly replicas: number;
  /** One per replica, as they stand behind a step. */
  readonly clock: BufferRange;
  /** Records of the steps to come; rules and rates by replica. */
  readonly scalars: Pick<ScalarRing, 'issued' | 'issue' | 'rates' | 'rules' | 'see'>;
  /** There once it has ended by itself: a step would do nothing. */
  readonly stopped?: unknown;
}

/** Passes in front of some steps. */
export interface Front {
  readonly passes: readonly Pass[];
  /** Of this step, from 0, as it is to be submitted next. */
  due(step: number): boolean;
}

export interface SchedulerParts {
  readonly passes: readonly Pass[];
  readonly front?: Front | undefined;
  readonly updater: Updates;
  /** The ring of losses. */
  readonly losses: BufferRange;
  readonly submitMs: number;
  readonly validation?: Validation | undefined;
  /** Sends the data of the steps to come, where the GPU has not all of it. */
  readonly feed?: Feed | undefined;
  /** Told of a replica whose gradients were not finite too often in a row; by default all fail for it. */
  readonly unusable?: ((replica: number, step: number) => void) | undefined;
}

/** What the host must bring to the GPU before steps can run. */
export interface Feed {
  /** Resolves when there is something for step `first`; undefined where there is already. */
  ready(first: number): Promise<void> | undefined;
  /** Of `most` steps from `first` on, those that it can bring now. */
  room(first: number, most: number): number;
  /** Brings it for so many steps, in queue order: for the next submit. */
  write(first: number, steps: number): void;
}

/** Records steps, of which each has its passes. */
export type Recorder = (encoder: GPUCommandEncoder, steps: readonly (readonly Pass[])[], label: string) => void;

/** All steps in one compute pass. */
export function recordSteps(
  encoder: GPUCommandEncoder,
  steps: readonly (readonly Pass[])[],
  label: string,
  timestampWrites?: GPUComputePassTimestampWrites,
): void {
  const pass = encoder.beginComputePass(timestampWrites ? { label, timestampWrites } : { label });
  let bound: GPUComputePipeline | undefined;
  for (const passes of steps) {
    for (const { pipeline, bindGroup, grid } of passes) {
      if (pipeline !== bound) pass.setPipeline(pipeline);
      bound = pipeline;
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    }
  }
  pass.end();
}

/** A promise for what is under way; nobody need await it. */
function awaiting() {
  let settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => {});
  return { promise, ...settle! };
}

export class Scheduler implements Stateful {
  readonly key = 'scheduler';
  readonly #device: GPUDevice;
  readonly #label: string;
  readonly #parts: SchedulerParts;
  /** Free staging buffers: one more than flights, so that a reader need not hurry. */
  readonly #staging: GPUBuffer[] = [];
  readonly #mostSteps: number;
  readonly #ring: number;
  #failure: DownhillError | undefined;
  #step = 0;
  /** Steps of the next submit. */
  #steps = 1;
  /** There while a validation is under way whose result says how to go on. */
  #awaited: ReturnType<typeof awaiting> | undefined;
  /** What comes of the last submit: of each it is taken in after that of the one before, whichever is there first. */
  #before: Promise<StepColumns> | undefined;
  /** Submits that nobody was told of yet: one could not be read. */
  #left: readonly Sent[] = [];
  #lastArrival = 0;

  constructor(buffers: BufferSet, parts: SchedulerParts) {
    this.#device = buffers.device;
    this.#label = `downhill:${buffers.label}/submit`;
    this.#parts = parts;
    const { replicas } = parts.updater;
    [this.#mostSteps, this.#ring] = [mostSteps(replicas), stepsAhead(replicas)];
    for (let i = 0; i <= MAX_FLIGHTS; i++) {
      const after = CLOCK_BYTES + (parts.validation ? CONTROL_BYTES : 0);
      const bytes = (LOSS_BYTES * this.#mostSteps + after) * replicas;
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

  /** Only while no flight is under way, and after the updater, whose clocks say where it is. */
  load(): void {
    this.#step = this.#parts.updater.scalars.issued;
    this.#failure = undefined;
    this.#forget();
  }

  /** What could not be read belongs to what was. */
  #forget(): void {
    this.#awaited = undefined;
    for (const { read, staging } of this.#left) if (!read) this.#staging.push(staging);
    this.#left = [];
  }

  /** Where a replica joins those that train at this step. Only while no flight is under way. */
  goOn(step: number): void {
    this.#step = step;
    this.#forget();
  }

  /** To be awaited before `submit`, where the host sends the data; else undefined. */
  ready(): Promise<void> | undefined {
    return this.#parts.feed?.ready(this.#step);
  }

  /**
   * Submits up to `most` further steps: as many as fit the time a submit should take, and no more than lead up to the next
   * validation, which follows them. None where steps under way must come back first, to tell whether they get to an update
   * that has no row, or what a schedule makes of a validation; and none once a validation has ended the training.
   *
   * @param record a profile records otherwise than `run`
   * @throws DownhillError HYPER-* where a schedule has no value for the next step; the steps before it were submitted.
   */
  submit(most: number, record: Recorder = recordSteps): Flight | undefined {
    const { updater, validation, feed } = this.#parts;
    if (this.#awaited || validation?.halted || updater.stopped) return undefined;
    const { scalars } = updater;
    const first = this.#step;
    const fitting = Math.min(most, this.#steps, validation?.room(first) ?? this.#mostSteps);
    const room = feed ? feed.room(first, fitting) : fitting;
    const steps = room === 0 ? 0 : scalars.issue(room, true);
    if (steps === 0) return undefined;
    feed?.write(first, steps);

    const { queue } = this.#device;
    const encoder = this.#device.createCommandEncoder({ label: this.#label });
    record(encoder, this.#passesOf(first, steps), this.#label);
    const validated = validation?.due(first + steps) ? validation : undefined;
    if (validated) queue.submit([encoder.finish()]);
    const last = validated?.record() ?? encoder;
    const staging = this.#bringBack(last, first, steps);
    queue.submit([last.finish()]);
    this.#step += steps;
    const awaited = validated?.isAwaited(scalars.rules) ?? false;
    const at = performance.now();
    const sent = { first, steps, staging, at, rates: scalars.rates(), validated, awaited, flight: undefined };
    return this.#ask(sent);
  }

  /** Asks for what comes of a submit, unless that was done and it is there or on its way. */
  #ask(sent: Sent): Flight {
    sent.flight ??= this.#flightOf(sent);
    this.#before = sent.flight.columns;
    return sent.flight;
  }

  #flightOf(sent: Sent): Flight {
    const { first, steps } = sent;
    if (sent.awaited) this.#awaited = awaiting();
    const columns = this.#arrive(sent, this.#before);
    // Whoever awaits the flight sees a rejection; nobody may be left to, after a `break`.
    columns.catch((error: unknown) => {
      sent.flight = undefined;
      this.#arrived(error);
    });
    let results: Promise<StepResult[]> | undefined;
    return {
      ...{ first, steps, columns, sent },
      get results() {
        if (results) return results;
        results = columns.then(readSteps);
        results.catch(() => {});
        return results;
      },
    };
  }

  /** Keeps submits for who trains next, who is told of them first: such as could not be read, and those behind them. */
  leave(flights: readonly Flight[]): void {
    this.#left = [...flights.map(({ sent }) => sent), ...this.#left];
  }

  /** What was left by who trained before, asked for again. While no other flight is under way. */
  again(): Flight[] {
    const flights = this.#askLeft();
    this.#left = [];
    return flights;
  }

  #askLeft(): Flight[] {
    this.#before = undefined;
    return this.#left.map((sent) => this.#ask(sent));
  }

  /** The first step, from 0, whose results nobody was given. */
  get undelivered(): number {
    return this.#left[0]?.first ?? this.#step;
  }

  /** What each step records: the same, but for what stands in front of some. */
  #passesOf(first: number, steps: number): (readonly Pass[])[] {
    const { passes, front } = this.#parts;
    const more = front && [...front.passes, ...passes];
    return Array.from({ length: steps }, (_, i) => (more && front.due(first + i) ? more : passes));
  }

  /**
   * Resolves once the validation under way has been told to the schedules that go by it, before any step is submitted. Rejects
   * with GPU-READ where it cannot be read.
   */
  get awaited(): Promise<void> | undefined {
    if (this.#left.some(({ awaited, flight }) => awaited && !flight)) this.#askLeft();
    return this.#awaited?.promise;
  }

  /** @param error why nothing is known of a submit: while it cannot be read, what waits for it must not go on */
  #arrived(error?: unknown): void {
    if (isUnread(error)) {
      this.#awaited?.reject(error);
      return;
    }
    this.#awaited?.resolve();
    this.#awaited = undefined;
  }

  /** Records the copies of what some steps left: their losses, then the clocks and the controls as they are by then. */
  #bringBack(encoder: GPUCommandEncoder, first: number, steps: number): GPUBuffer {
    const { losses, updater, validation } = this.#parts;
    const { clock } = updater;
    const staging = this.#staging.pop();
    if (!staging) throw new DownhillError('INTERNAL', 'No staging buffer is free.', 'Report this.');
    const perStep = LOSS_BYTES * updater.replicas;
    const from = first % this.#ring;
    const untilWrap = Math.min(steps, this.#ring - from);
    encoder.copyBufferToBuffer(losses.buffer, from * perStep, staging, 0, untilWrap * perStep);
    if (untilWrap < steps)
      encoder.copyBufferToBuffer(losses.buffer, 0, staging, untilWrap * perStep, (steps - untilWrap) * perStep);
    const after = steps * perStep;
    encoder.copyBufferToBuffer(clock.buffer, clock.offset, staging, after, clock.size);
    if (validation) {
      const { buffer, offset, size } = validation.control;
      encoder.copyBufferToBuffer(buffer, offset, staging, after + clock.size, size);
    }
    return staging;
  }

  /** What comes of a submit, taken in after that of the one before, whichever the GPU process tells of first. */
  async #arrive(sent: Sent, before: Promise<StepColumns> | undefined): Promise<StepColumns> {
    sent.read ??= await this.#read(sent);
    await before;
    const { updater, validation } = this.#parts;
    const { first, steps, rates, validated } = sent;
    const { words, clocks, controls } = sent.read;
    this.#checkClocks(clocks, first, steps);
    const validations = validated?.arrive(controls, clocks, first + steps, updater.scalars.rules);
    updater.scalars.see(clocks);
    // Where every replica has stopped, what was submitted behind that did nothing.
    if (validation?.halted || updater.stopped) this.#step = Math.max(...clocks.map(({ step }) => step));
    if (validated) this.#arrived();
    return columnsOf(words, first, clocks, rates, validations);
  }

  /** Empties the staging buffer of a submit. @throws DownhillError DEVICE-LOST, GPU-READ */
  async #read({ staging, steps, at, validated }: Sent): Promise<NonNullable<Sent['read']>> {
    const { updater, validation } = this.#parts;
    const { clock, replicas } = updater;
    const bytes = LOSS_BYTES * steps * replicas;
    const all = bytes + clock.size + (validation?.control.size ?? 0);
    await mapToRead(this.#device, staging, all);
    this.#adapt(steps, at, validated !== undefined);
    const mapped = staging.getMappedRange(0, all);
    const words = new Uint32Array(mapped.slice(0, bytes));
    const clocks = readClocks(mapped.slice(bytes, bytes + clock.size));
    const controls = readControls(mapped.slice(bytes + clock.size));
    staging.unmap();
    this.#staging.push(staging);
    return { words, clocks, controls };
  }

  /** What the clocks say after a flight: whether it ran, and how many updates were applied. */
  #checkClocks(clocks: readonly Clock[], first: number, steps: number): void {
    for (const [replica, { fault, step }] of clocks.entries()) {
      const halted = (fault & FAULT.halted) !== 0;
      if ((fault & FAULT.stale) !== 0) {
        throw new DownhillError('INTERNAL', 'A step found a record of another count in the ring.', 'Report this.');
      }
      if ((fault & FAULT.stopped) !== 0 && this.#parts.unusable) this.#parts.unusable(replica, step);
      else if ((fault & FAULT.stopped) !== 0) {
        // The steps before it are good, and delivered.
        this.#failure = new DownhillError(
          'GRADIENT-NONFINITE',
          `Too many gradients in a row were not finite, up to step ${first + steps}; none of them was applied.`,
          'Lower the learning rate, clip the gradient, or look for bad samples; the parameters are as they were before.',
        );
      }
      // A submit that the GPU process dropped leaves old numbers where the losses should be; its clock stands still.
      if (!halted && step !== (first + steps) % 2 ** 32) {
        throw new DownhillError(
          'GPU-VALIDATION',
          `Steps ${first + 1} to ${first + steps} did not run.`,
          'Report this with your adapter.',
        );
      }
    }
  }

  /**
   * Sizes the next submit from how long this one took: since it was submitted, or since the one before it arrived. What a
   * validation took is no measure of a step.
   */
  #adapt(steps: number, submitted: number, validated: boolean): void {
    const now = performance.now();
    const perStep = Math.max((now - Math.max(submitted, this.#lastArrival)) / steps, 1e-3);
    this.#lastArrival = now;
    if (validated) return;
    this.#steps = fittingSteps(perStep, this.#parts.submitMs, this.#steps, this.#mostSteps);
  }
}
