import { ALIGNMENT, type BufferRange, BufferSet, guarded, mapToRead, range, roundUp } from '../gpu/buffers.js';
import { USAGE } from '../gpu/constants.js';
import { DownhillError } from '../gpu/errors.js';
import { createPasses, type Pass } from '../gpu/passes.js';
import { STREAM_BYTES, streamWord } from '../kernels/account.js';
import { SEGMENT } from '../kernels/advance.js';
import { lower } from '../kernels/lower.js';
import { rowStride } from '../kernels/matrix.js';
import type { Op } from '../kernels/op.js';
import { BINS, histogram, MOMENTS, moments, watchForms } from '../kernels/watch.js';
import type { Space, Vector } from '../space/space.js';
import type { WatchedLayer } from './objective.js';
import type { CheckedWatchOptions } from './options.js';
import type { Program } from './program.js';
import { type Flight, MAX_FLIGHTS, recordSteps } from './scheduler.js';
import {
  addMoments,
  type Moments,
  momentsAt,
  normOf,
  outputOf,
  ratioOf,
  summaryOf,
  type WatchReport,
} from './watch-report.js';

/*
 * Looks at some steps of a run: what they leave on the GPU is summed up behind them, in the same submit. The step itself is
 * the one `run` records; a run that does not watch has nothing of this file.
 */

/** Numbers that are summed up into one report each: the tensors of a vector, or the output of one layer. */
interface Watched {
  readonly label: string;
  readonly all: number;
  readonly targets: number;
  /** Per target the place of its first segment, and the end. */
  readonly begins: Uint32Array<ArrayBuffer>;
  /** Where they lie: a dispatch for each. */
  readonly places: readonly {
    readonly values: BufferRange;
    readonly before?: BufferRange;
    readonly stride: number;
    readonly step: number;
    readonly table: Uint32Array<ArrayBuffer>;
  }[];
  /** Elements of each segment; undefined where that is the batch's valid rows. */
  readonly elements?: readonly number[];
  /** Whether bins are counted, too, where that is asked for. */
  readonly spread: boolean;
}

/** The tensors of a vector: all that a space places, cut where one workgroup has enough. */
function tensorsWatched(label: string, space: Space, values: Vector, before?: Vector): Watched {
  const segments = space.tensors.flatMap(({ name }, target) =>
    space.partsOf(name).flatMap(({ span, at, elements }) =>
      Array.from({ length: Math.ceil(elements / SEGMENT) }, (_, k) => ({
        ...{ span, target, first: at + k * SEGMENT },
        count: Math.min(SEGMENT, elements - k * SEGMENT),
      })),
    ),
  );
  const placed = segments.map((segment, place) => ({ ...segment, place }));
  const begins = space.tensors.map((_, target) => placed.findIndex((segment) => segment.target === target));
  return {
    label,
    all: placed.length,
    targets: space.tensors.length,
    begins: Uint32Array.from([...begins, placed.length]),
    places: space.spans.map(({ elements }, i) => ({
      values: values.ranges[i]!,
      ...(before && { before: before.ranges[i]! }),
      stride: elements,
      step: 1,
      table: new Uint32Array(
        placed
          .filter(({ span }) => span === i)
          .flatMap(({ first, count, place, target }) => [first, count, place, target]),
      ),
    })),
    elements: placed.map(({ count }) => count),
    spread: before === undefined,
  };
}

/** The output of a layer: a segment for each of its units. */
const outputWatched = ({ name, width }: WatchedLayer, i: number, values: BufferRange, rows: number): Watched => ({
  label: `${i}-${name}`,
  all: width,
  targets: 1,
  begins: Uint32Array.of(0, width),
  places: [
    {
      values,
      stride: rows * rowStride(width),
      step: rowStride(width),
      table: Uint32Array.from({ length: 4 * width }, (_, k) => [k >> 2, 0, k >> 2, 0][k % 4]!),
    },
  ],
  spread: true,
});

/** Where in the results something watched has its numbers, in bytes. */
interface Place {
  readonly partial: number;
  readonly counts: number | undefined;
}

/** Submits steps as the scheduler does, and looks at those that are asked for. */
export class Watcher {
  /** Staging buffers, one for each flight; a flight gives its own back before the next can be submitted. */
  readonly #free: GPUBuffer[];

  private constructor(
    readonly program: Program,
    readonly every: number,
    readonly buffers: BufferSet,
    readonly made: ReturnType<typeof makeWatch>,
    readonly passes: readonly Pass[],
  ) {
    this.#free = [...made.staging];
  }

  static async create(program: Program, options: CheckedWatchOptions): Promise<Watcher> {
    const { device } = program;
    const buffers = new BufferSet(device, `${program.options.label}-watch`);
    try {
      const made = await guarded(device, buffers.label, () => makeWatch(program, options, buffers));
      const passes = await createPasses(device, lower(made.ops, watchForms, device).passes, buffers);
      return new Watcher(program, options.every, buffers, made, passes);
    } catch (error) {
      buffers.destroy();
      throw error;
    }
  }

  /** As `Scheduler.submit`, up to the next step that is asked for. */
  submit(most: number): Flight | undefined {
    const { scheduler } = this.program;
    const { every } = this;
    const due = every - (scheduler.step % every);
    let staging: GPUBuffer | undefined;
    const flight = scheduler.submit(Math.min(most, due), (encoder, steps, label) => {
      if (steps.length < due) return recordSteps(encoder, steps, label);
      if (steps.length > 1) recordSteps(encoder, steps.slice(0, -1), label);
      staging = this.#free.pop();
      if (!staging) throw new DownhillError('INTERNAL', 'No staging buffer is free.', 'Report this.');
      this.#record(encoder, staging, () => recordSteps(encoder, steps.slice(-1), label));
    });
    if (!flight || !staging) return flight;
    const results = this.#arrive(flight, staging);
    // Whoever awaits the flight sees a rejection; nobody may be left to.
    results.catch(() => {});
    return { ...flight, results };
  }

  #record(encoder: GPUCommandEncoder, staging: GPUBuffer, step: () => void): void {
    const { layout, results, copies, stream } = this.made;
    const { countsAt, bytes } = layout;
    for (const { from, to } of copies)
      encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, from.size);
    step();
    const { partial, counts } = results;
    if (counts) encoder.clearBuffer(counts);
    recordSteps(encoder, [this.passes], `downhill:${this.buffers.label}`);
    encoder.copyBufferToBuffer(partial, 0, staging, 0, countsAt);
    if (counts) encoder.copyBufferToBuffer(counts, 0, staging, countsAt, bytes - countsAt);
    encoder.copyBufferToBuffer(stream.buffer, stream.offset, staging, bytes, stream.size);
  }

  async #arrive(flight: Flight, staging: GPUBuffer) {
    const [results] = await Promise.all([flight.results, mapToRead(this.program.device, staging)]);
    const bytes = staging.getMappedRange().slice(0);
    staging.unmap();
    this.#free.push(staging);
    const { replicas } = this.program.space;
    // Where training came to an end before it, there is nothing to say of the step.
    if (results.length < flight.steps * replicas) return results;
    // Of the last step of the flight, one for each replica.
    return results.map((result, i) => {
      const replica = i - (results.length - replicas);
      return replica < 0 || result.halted ? result : { ...result, watch: this.#report(bytes, replica) };
    });
  }

  #report(bytes: ArrayBuffer, replica: number): WatchReport {
    const { layout, watched } = this.made;
    const { watched: step } = this.program;
    const [valid] = new Uint32Array(bytes, layout.bytes + replica * STREAM_BYTES + 4 * streamWord('valid'), 1);
    const read = watched.map((each, i) => readWatched(each, layout.places[i]!, bytes, replica, valid!));
    const [gradient, weight, update, ...outputs] = read;
    const { tensors } = this.program.space;
    const kept = step.layers.flatMap(({ output }, i) => (output ? [i] : []));
    const norms = tensors.map((_, t) => ({
      gradientNorm: normOf(gradient!.moments[t]!),
      weightNorm: normOf(weight!.moments[t]!),
      updateNorm: normOf(update!.moments[t]!),
    }));
    const together = (own: readonly string[], norm: keyof (typeof norms)[number]) =>
      Math.hypot(...own.map((name) => norms[tensors.findIndex((tensor) => tensor.name === name)]![norm]));
    return {
      layers: step.layers.map(({ name, width, tensors: own }, layer) => {
        const units = outputs[kept.indexOf(layer)];
        const ratio = () => ratioOf(together(own, 'updateNorm'), together(own, 'weightNorm'));
        return {
          ...{ layer, name, width },
          ...(units && { output: outputOf(units.segments, units.counts[0]) }),
          ...(own.length > 0 && { gradientNorm: together(own, 'gradientNorm'), updateRatio: ratio() }),
        };
      }),
      tensors: tensors.map(({ name }, t) => ({
        name,
        ...norms[t]!,
        updateRatio: ratioOf(norms[t]!.updateNorm, norms[t]!.weightNorm),
        gradient: summaryOf(gradient!.moments[t]!, gradient!.counts[t]),
        weight: summaryOf(weight!.moments[t]!, weight!.counts[t]),
      })),
    };
  }

  destroy(): void {
    this.buffers.destroy();
  }
}

/** The moments of each segment and of each target, and the bins, where they were counted. */
function readWatched(watched: Watched, place: Place, bytes: ArrayBuffer, replica: number, valid: number) {
  const { all, begins, targets, elements } = watched;
  const partial = new Float32Array(bytes, place.partial + 4 * MOMENTS * all * replica, MOMENTS * all);
  const segments = Array.from({ length: all }, (_, i) => momentsAt(partial, i, elements?.[i] ?? valid));
  const { counts: at } = place;
  const each = Array.from({ length: targets }, (_, target) => target);
  return {
    segments,
    moments: each.map((target): Moments => addMoments(segments.slice(begins[target]!, begins[target + 1]!))),
    counts: each.map((target) =>
      at === undefined ? undefined : new Uint32Array(bytes, at + 4 * BINS * (replica * targets + target), BINS),
    ),
  };
}

/** Two buffers: one dispatch reads the first and writes the second. */
interface Results {
  readonly partial: GPUBuffer;
  /** Where bins are counted. */
  readonly counts: GPUBuffer | undefined;
}

/** Where everything watched has its results, once they are copied together: first all moments, then all bins. */
function layOut(watched: readonly Watched[], replicas: number, histograms: boolean) {
  let bytes = 0;
  const take = (size: number) => {
    const at = bytes;
    bytes = roundUp(at + size, ALIGNMENT);
    return at;
  };
  const partials = watched.map(({ all }) => take(4 * MOMENTS * all * replicas));
  const countsAt = bytes;
  const places = watched.map(({ targets, spread }, i): Place => {
    const counted = histograms && spread;
    return { partial: partials[i]!, counts: counted ? take(4 * BINS * targets * replicas) : undefined };
  });
  return { places, countsAt, bytes };
}

/** Makes what watching takes, beside the program's own. Creates buffers: call it in an error scope. */
function makeWatch(program: Program, { histograms }: CheckedWatchOptions, buffers: BufferSet) {
  const { space, params, updater, watched: step } = program;
  const { replicas } = space;
  const before = space.vector(buffers, 'before');
  const stream = range(buffers.storage('stream', step.stream.size), 0, step.stream.size);
  const watched = [
    tensorsWatched('gradient', space, updater.gradient),
    tensorsWatched('weight', space, params),
    tensorsWatched('update', space, params, before),
    ...step.layers.flatMap((layer, i) => (layer.output ? [outputWatched(layer, i, layer.output, step.rows)] : [])),
  ];
  const layout = layOut(watched, replicas, histograms);
  const { countsAt, bytes } = layout;
  const results: Results = {
    partial: buffers.storage('partial', countsAt),
    counts: histograms ? buffers.storage('counts', bytes - countsAt) : undefined,
  };
  const operands = { results, stream, replicas };
  const ops = watched.map((each, i) => opsOf(each, layout.places[i]!, countsAt, operands, buffers));
  const from = [...params.ranges, step.stream];
  const to = [...before.ranges, stream];
  return {
    ...{ watched, layout, results, stream },
    // Bins are counted once the ranges are known.
    ops: [...ops.flatMap(({ first }) => first), ...ops.flatMap(({ second }) => second)],
    copies: from.map((each, i) => ({ from: each, to: to[i]! })),
    staging: Array.from({ length: MAX_FLIGHTS }, (_, i) =>
      buffers.make(`staging-${i}`, bytes + stream.size, USAGE.COPY_DST | USAGE.MAP_READ),
    ),
  };
}

function opsOf(
  { label, all, targets, begins, places, elements }: Watched,
  place: Place,
  countsAt: number,
  { results, stream, replicas }: { results: Results; stream: BufferRange; replicas: number },
  buffers: BufferSet,
): { readonly first: Op[]; readonly second: Op[] } {
  const rows = elements === undefined;
  const partial = range(results.partial, place.partial, 4 * MOMENTS * all * replicas);
  const made = places
    .filter(({ table }) => table.length > 0)
    .map(({ values, before, stride, step, table }, i) => ({
      name: `${label}${places.length > 1 ? `-${i}` : ''}`,
      shape: { segments: table.length / 4, all, stride, step, rows },
      before,
      operands: { values, segments: range(buffers.upload(`segments-${label}-${i}`, table)), stream, partial },
    }));
  const title = (kind: string, name: string) => `${buffers.label}/${kind}-${name}`;
  const first = made.map(({ name, shape, before, operands }) =>
    moments(title('moments', name), shape, { ...operands, before }, replicas),
  );
  if (place.counts === undefined || !results.counts) return { first, second: [] };
  const ends = range(buffers.upload(`begins-${label}`, begins));
  const counts = range(results.counts, place.counts - countsAt, 4 * BINS * targets * replicas);
  const second = made.map(({ name, shape, operands }) =>
    histogram(title('histogram', name), { ...shape, targets }, { ...operands, begins: ends, counts }, replicas),
  );
  return { first, second };
}
