import type { BufferSet } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { untilLost } from '../gpu/lost.js';
import type { Pass } from '../gpu/pipelines.js';
import { CLOCK_BYTES, clockWord, packRow, ROW_BLOCK, ROW_RING, ROW_WORDS } from '../kernels/update.js';
import { type Rule, rowFor } from '../optim/rule.js';

/*
 * Records whole steps, K at a time, and brings the losses back without waiting for them. Every step's commands are the
 * same: what changes from step to step is on the GPU (the clocks) or in the ring of rows written ahead.
 */

/** Most steps of one submit. */
export const MAX_STEPS = 256;
/** Losses kept on the GPU: more than the steps of all submits that can be in flight. */
export const LOSS_RING = 4 * MAX_STEPS;
/** Submits not yet delivered: one running, one queued behind it. */
export const MAX_FLIGHTS = 2;

export const ringBytes = (replicas: number) => 4 * ROW_WORDS * ROW_RING * replicas;

/** One of the networks that train in the same dispatches: same shape, same rule, own seed and hyper-parameters. */
export interface Replica {
  readonly seed: number;
  readonly rule: Rule;
}

/** Steps that were submitted together. */
export interface Flight {
  /** Index of the first step, from 0. */
  readonly first: number;
  readonly steps: number;
  /** Their losses, step by step, `replicas` for each. Rejects with DEVICE-LOST. */
  readonly losses: Promise<Float32Array>;
}

export interface SchedulerParts {
  readonly passes: readonly Pass[];
  readonly replicas: readonly Replica[];
  readonly submitMs: number;
  readonly clock: GPUBuffer;
  readonly losses: GPUBuffer;
  readonly ring: GPUBuffer;
}

export class Scheduler {
  readonly #device: GPUDevice;
  readonly #label: string;
  readonly #parts: SchedulerParts;
  /** Free staging buffers: one more than flights, so that a reader need not hurry. */
  readonly #staging: GPUBuffer[] = [];
  /** One block of rows, packed here and uploaded at once. */
  readonly #block: { readonly u32: Uint32Array<ArrayBuffer>; readonly f32: Float32Array<ArrayBuffer> };
  #blocksWritten = 0;
  #step = 0;
  /** Steps of the next submit. */
  #steps = 1;
  #lastArrival = 0;

  constructor(buffers: BufferSet, parts: SchedulerParts) {
    this.#device = buffers.device;
    this.#label = `downhill:${buffers.label}/submit`;
    this.#parts = parts;
    const replicas = parts.replicas.length;
    for (let i = 0; i <= MAX_FLIGHTS; i++) {
      const bytes = 4 * MAX_STEPS * replicas + CLOCK_BYTES * replicas;
      this.#staging.push(buffers.make(`staging-${i}`, bytes, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ));
    }
    const bytes = new ArrayBuffer(ringBytes(replicas) / (ROW_RING / ROW_BLOCK));
    this.#block = { u32: new Uint32Array(bytes), f32: new Float32Array(bytes) };
  }

  /** Steps submitted so far. */
  get step(): number {
    return this.#step;
  }

  /** Submits up to `most` further steps: as many as fit the time a submit should take. */
  submit(most: number): Flight {
    const { passes, losses, clock, replicas } = this.#parts;
    const steps = Math.min(most, this.#steps);
    const first = this.#step;
    this.#writeRows(first + steps);

    const encoder = this.#device.createCommandEncoder({ label: this.#label });
    const pass = encoder.beginComputePass({ label: this.#label });
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

    const staging = this.#staging.pop();
    if (!staging) throw new DownhillError('INTERNAL', 'No staging buffer is free.', 'Report this.');
    const perStep = 4 * replicas.length;
    const from = first % LOSS_RING;
    const untilWrap = Math.min(steps, LOSS_RING - from);
    encoder.copyBufferToBuffer(losses, from * perStep, staging, 0, untilWrap * perStep);
    if (untilWrap < steps)
      encoder.copyBufferToBuffer(losses, 0, staging, untilWrap * perStep, (steps - untilWrap) * perStep);
    encoder.copyBufferToBuffer(clock, 0, staging, steps * perStep, CLOCK_BYTES * replicas.length);
    this.#device.queue.submit([encoder.finish()]);
    this.#step += steps;
    const flight = { first, steps, losses: this.#arrive(staging, first, steps, performance.now()) };
    // Whoever awaits the flight sees a rejection; nobody may be left to, after a `break`.
    flight.losses.catch(() => {});
    return flight;
  }

  async #arrive(staging: GPUBuffer, first: number, steps: number, submitted: number): Promise<Float32Array> {
    const { replicas } = this.#parts;
    const bytes = 4 * steps * replicas.length;
    await untilLost(this.#device, staging.mapAsync(GPUMapMode.READ, 0, bytes + CLOCK_BYTES * replicas.length));
    this.#adapt(steps, submitted);
    const mapped = staging.getMappedRange(0, bytes + CLOCK_BYTES * replicas.length);
    const losses = new Float32Array(mapped.slice(0, bytes));
    const clocks = new Uint32Array(mapped.slice(bytes));
    staging.unmap();
    this.#staging.push(staging);
    for (let replica = 0; replica < replicas.length; replica++) {
      const clock = clocks.subarray((replica * CLOCK_BYTES) / 4);
      if (clock[clockWord('fault')] !== 0) {
        throw new DownhillError('INTERNAL', 'A step found a row of another count in the ring.', 'Report this.');
      }
      // A submit that the GPU process dropped leaves old numbers where the losses should be; its clock stands still.
      if (clock[clockWord('step')] !== (first + steps) % 2 ** 32) {
        throw new DownhillError(
          'GPU-VALIDATION',
          `Steps ${first + 1} to ${first + steps} did not run.`,
          'Report this with your adapter.',
        );
      }
    }
    return losses;
  }

  /** Sizes the next submit from how long this one took: since it was submitted, or since the one before it arrived. */
  #adapt(steps: number, submitted: number): void {
    const now = performance.now();
    const perStep = Math.max((now - Math.max(submitted, this.#lastArrival)) / steps, 1e-3);
    this.#lastArrival = now;
    const fitting = Math.floor(this.#parts.submitMs / perStep);
    this.#steps = Math.min(Math.max(fitting, 1), 4 * this.#steps, MAX_STEPS);
  }

  /**
   * Makes sure the rows of all updates before `end` are in the ring. A block overwrites the one before the last, whose
   * updates were all submitted earlier; the queue keeps that order.
   */
  #writeRows(end: number): void {
    const { replicas, ring } = this.#parts;
    while (this.#blocksWritten * ROW_BLOCK < end) {
      const first = this.#blocksWritten * ROW_BLOCK;
      for (let i = 0; i < ROW_BLOCK; i++) {
        for (const [replica, { rule }] of replicas.entries()) {
          packRow(rule.row.shader, this.#block, i * replicas.length + replica, rowFor(rule, first + i));
        }
      }
      const at = (this.#blocksWritten % (ROW_RING / ROW_BLOCK)) * this.#block.u32.byteLength;
      this.#device.queue.writeBuffer(ring, at, this.#block.u32);
      this.#blocksWritten++;
    }
  }
}
