import type { Dataset } from '../data/dataset.js';
import { Uploads } from '../data/upload.js';
import { BufferSet, guarded, range, readRanges } from '../gpu/buffers.js';
import { untilLost } from '../gpu/lost.js';
import { createPasses, encodePasses, type Pass } from '../gpu/passes.js';
import { SUMS_BYTES } from '../kernels/judge.js';
import { lower } from '../kernels/lower.js';
import { POINT_BYTES, planeForms, planePoints } from '../kernels/plane.js';
import { buffersOf, type Model, tensorsOf } from '../nn/model.js';
import { arenaSpace, largestArena } from '../space/arena.js';
import type { PlacedVector, Space, Vector } from '../space/space.js';
import { writeTensor } from '../space/vectors.js';
import { Evaluator } from '../train/evaluate.js';

/** Numbers by tensor, in host memory. */
export type Tensors = ReadonlyMap<string, Float32Array>;

export interface PlaneOptions {
  readonly label: string;
  readonly model: Model;
  /** Points are c·base + a·x + b·y. */
  readonly base: Tensors;
  readonly x: Tensors;
  readonly y: Tensors;
  /** What layers keep, the same at every point. */
  readonly statistics: Tensors;
  readonly data: Dataset;
  /** Points in the same dispatches. */
  readonly members: number;
  /** Chunks of samples in a submit. */
  readonly chunks: number;
}

/** Of every point, sums over the samples. */
export interface PointSums {
  readonly loss: Float64Array;
  readonly counted: Float64Array;
}

/** Evaluates a network at points of a plane, several at a time: each is a replica, made on the GPU from three vectors. */
export class PlaneEvaluator {
  private constructor(
    readonly buffers: BufferSet,
    readonly options: PlaneOptions,
    readonly points: GPUBuffer,
    readonly place: readonly Pass[],
    readonly evaluator: Evaluator,
    readonly uploads: Uploads,
  ) {}

  static async create(device: GPUDevice, options: PlaneOptions): Promise<PlaneEvaluator> {
    const { label, model, data, members } = options;
    const buffers = new BufferSet(device, label);
    const uploads = new Uploads(device, label);
    try {
      const made = await guarded(device, label, () => {
        const points = buffers.storage('points', POINT_BYTES * members);
        const maxBytes = largestArena(device);
        const space = arenaSpace(tensorsOf(model), { replicas: members, maxBytes });
        const params = space.vector(buffers, 'parameters');
        // Cut as the points are.
        const one = arenaSpace(tensorsOf(model), { maxBytes });
        const [base, x, y] = (['base', 'x', 'y'] as const).map((name) => written(buffers, one, name, options[name]));
        const ops = space.spans.map(({ elements }, i) => {
          const own = { base: base!.ranges[i]!, x: x!.ranges[i]!, y: y!.ranges[i]! };
          const ranges = { points: range(points), ...own, result: params.ranges[i]! };
          return planePoints(`${label}/plane`, { elements }, ranges, members);
        });
        return {
          points,
          space,
          params,
          statistics: keptBy(buffers, options),
          specs: lower(ops, planeForms, device).passes,
        };
      });
      const { space, params, statistics } = made;
      const place = await createPasses(device, made.specs, buffers);
      const trained = { label: `${label}-evaluate`, model, space, params, statistics, replicas: members };
      const evaluator = await Evaluator.ofDataset(device, trained, data, uploads);
      return new PlaneEvaluator(buffers, options, made.points, place, evaluator, uploads);
    } catch (error) {
      buffers.destroy();
      uploads.destroy();
      throw error;
    }
  }

  /**
   * @param coefficients (c, a, b, 0) of each point
   * @param done is told how many points came back
   */
  async evaluate(
    coefficients: Float32Array,
    signal: AbortSignal | undefined,
    done: (points: number) => void,
  ): Promise<PointSums> {
    const total = coefficients.length / 4;
    const { members } = this.options;
    const sums = { loss: new Float64Array(total), counted: new Float64Array(total) };
    let reading: Promise<void> | undefined;
    const pending: Promise<void>[] = [];
    try {
      for (let first = 0; first < total; first += members) {
        await this.#submit(coefficients, first, signal);
        const count = Math.min(members, total - first);
        const read = this.#read(sums, first, count);
        read.catch(() => {}); // it may fail before it is waited for
        pending.push(read);
        // The next points are submitted before these are back.
        await reading;
        if (reading) done(first);
        reading = read;
      }
      await reading;
      done(total);
      return sums;
    } finally {
      await Promise.allSettled(pending);
    }
  }

  /** Submits the points from `first` on, a few chunks at a time, at most two submits ahead of the GPU. */
  async #submit(coefficients: Float32Array, first: number, signal: AbortSignal | undefined): Promise<void> {
    const { device } = this.buffers;
    const { members, chunks: atOnce } = this.options;
    const own = new Float32Array(4 * members);
    own.set(coefficients.subarray(4 * first, 4 * (first + members)));
    const label = `downhill:${this.buffers.label}/submit`;
    const { chunks, sums } = this.evaluator;
    let before: Promise<undefined> | undefined;
    for (let from = 0; from < chunks.length; from += atOnce) {
      signal?.throwIfAborted();
      if (from === 0) device.queue.writeBuffer(this.points, 0, own);
      const encoder = device.createCommandEncoder({ label });
      const passes = chunks.slice(from, from + atOnce).flatMap((chunk) => chunk.passes);
      const last = from + atOnce >= chunks.length;
      encodePasses(encoder, label, [...(from === 0 ? this.place : []), ...passes, ...(last ? sums!.passes : [])]);
      device.queue.submit([encoder.finish()]);
      const after = untilLost(device, device.queue.onSubmittedWorkDone());
      after.catch(() => {}); // whoever reads what came of it is told
      await before;
      before = after;
    }
  }

  async #read(sums: PointSums, first: number, count: number): Promise<void> {
    const { device, label } = this.buffers;
    const own = { ...this.evaluator.sums!.range, size: SUMS_BYTES * count };
    const [bytes] = await readRanges(device, label, [own]);
    const values = new Float32Array(bytes!);
    for (let i = 0; i < count; i++) {
      sums.loss[first + i] = values[2 * i]!;
      sums.counted[first + i] = values[2 * i + 1]!;
    }
  }

  destroy(): void {
    this.evaluator.destroy();
    this.buffers.destroy();
    this.uploads.destroy();
  }
}

/** A vector with these numbers. */
function written(buffers: BufferSet, space: Space, name: string, tensors: Tensors): Vector {
  const vector = space.vector(buffers, name);
  for (const [tensor, values] of tensors) writeTensor(buffers.device, space, vector, tensor, values);
  return vector;
}

/** What layers keep, once for all points: from one replica's to the next's it is 0 elements. */
function keptBy(buffers: BufferSet, { model, statistics }: PlaneOptions): PlacedVector {
  const space = arenaSpace(buffersOf(model), { maxBytes: largestArena(buffers.device) });
  const vector = written(buffers, space, 'statistics', statistics);
  return { space: { ...space, spans: space.spans.map((span) => ({ ...span, elements: 0 })) }, vector };
}
