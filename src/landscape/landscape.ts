import type { Dataset } from '../data/dataset.js';
import { checkUploadable } from '../data/upload.js';
import { DownhillError } from '../gpu/errors.js';
import { inTurns } from '../gpu/turns.js';
import { type Model, type TensorSpec, tensorsOf } from '../nn/model.js';
import { readTensors } from '../space/vectors.js';
import type { Inside } from '../train/inside.js';
import type { Trainer } from '../train/types.js';
import {
  byTensor,
  difference,
  dot,
  type Flat,
  filterNormalised,
  flatten,
  norm,
  principal,
  projected,
} from './directions.js';
import { PlaneEvaluator, type Tensors } from './evaluator.js';
import { membersFor, sizesOf } from './members.js';
import { type CheckedLandscape, checkLandscape, spread } from './options.js';
import { checkTrainer, WeightPath } from './path.js';
import type { Interval, Landscape, LandscapeOptions, PlanePath, PlanePoint } from './types.js';

/**
 * The loss on a plane (or a line) through a network's weights, evaluated many points at a time on the GPU: each point is a
 * replica of the network that a kernel makes from three vectors. In evaluation mode: dropout off, batch norm with the running
 * statistics as they are, at every point the same. The weights are copied at the call; training may go on meanwhile, and is the
 * same to the bit.
 *
 * @example
 * const { x, y, loss, centre } = await landscape(trainer, { plane: 'random', seed: 1 });
 * @throws DownhillError before any GPU work OPTION-*, SHAPE-MISMATCH, DATA-*, RUN-DESTROYED; LIMIT-BINDING where `members` or the
 *   samples are more than the device binds, with how many it takes; DEVICE-LOST, GPU-OUT-OF-MEMORY
 */
export async function landscape(trainer: Trainer, options: LandscapeOptions): Promise<Landscape> {
  const inside = checkTrainer('landscape', trainer);
  const checked = checkLandscape(options, inside);
  const { device } = inside.program;
  const total = checked.grid ** (checked.plane === 'line' ? 1 : 2) + 1;
  const sizes = sizesOf(device, inside.model, checked.samples);
  const split = membersFor(device, inside.model, sizes, checked.members, total);
  const { step } = trainer;
  // Read at once, so both are of this moment.
  const kept = readAll(inside, checked.weights.statistics);
  const own = readAll(inside, { space: checked.weights.space, vector: checked.weights.params });
  const [weights, statistics, data] = await Promise.all([own, kept, spread(checked.data, checked.samples)]);
  checkUploadable(device, data);
  const tensors = tensorsOf(inside.model);
  const path = await flatPath(checked, inside.model);
  const frame = await frameOf(
    checked,
    inside.model,
    flatten(tensors, (name) => weights.get(name)!),
    path,
  );
  const route = await pathOn(checked, frame, path);
  const { points, x, y } = pointsOf(checked, frame, route);
  checked.signal?.throwIfAborted();

  const [base, first, second] = [frame.base, frame.x, frame.y ?? frame.x].map((flat) => byTensor(tensors, flat));
  const evaluator = await PlaneEvaluator.create(device, {
    label: `${inside.program.options.label}-landscape`,
    ...{ model: inside.model, data, statistics, ...split },
    ...{ base: base!, x: first!, y: second! },
  });
  try {
    const sums = await evaluator.evaluate(points, checked.signal, (done) => checked.onProgress?.(done, total));
    return {
      ...{ plane: checked.plane, x, y },
      ...valuesOf(sums, inside.model, data, frame, x.length * y.length),
      ...describe(checked, frame),
      path: route,
      ...{ step, data, members: split.members, passes: split.passes, note: noteOf(checked, data) },
    };
  } finally {
    evaluator.destroy();
  }
}

const readAll = async ({ program }: Inside, { space, vector }: Inside['program']['statistics']): Promise<Tensors> =>
  (await readTensors(program.device, program.options.label, space, [vector]))[0]!;

/** What the coordinates mean: a point is base + x·(first) + y·(second), of a line x·base + (1 - x)·(first). */
interface Frame {
  readonly base: Float32Array;
  readonly x: Float32Array;
  readonly y: Float32Array | undefined;
  readonly share?: readonly [number, number];
  /** The point that the plane goes through. */
  readonly centre: readonly [number, number];
}

async function frameOf(
  { plane, from, to, seed, signal }: CheckedLandscape,
  model: Model,
  weights: Float32Array,
  path: readonly Flat[] | undefined,
): Promise<Frame> {
  const tensors = tensorsOf(model);
  if (plane === 'random') {
    const x = await inTurns(filterNormalised(tensors, weights, seed, 0), signal);
    const y = await inTurns(filterNormalised(tensors, weights, seed, 1), signal);
    if (norm(x) > 0) return { base: weights, x, y, centre: [0, 0] };
    throw noDirection('All weights are 0, so there is nothing to scale random directions to.');
  }
  if (plane === 'pca') return { base: weights, ...(await inTurns(principal(path!, weights), signal)), centre: [0, 0] };
  const [begin, end] = [from, to].map((given) => given && flatten(tensors, (name) => given[name]!));
  const line: Frame = { base: end ?? weights, x: begin ?? Float32Array.from(path![0]!), y: undefined, centre: [1, 0] };
  if (norm(along(line)) > 0) return line;
  throw noDirection('The ends of the line are the same weights.');
}

const noDirection = (what: string) =>
  new DownhillError('OPTION-RANGE', `landscape: ${what}`, 'Train some steps between them, or use other weights.');

/** Snapshots as points, in order. */
async function flatPath({ path }: CheckedLandscape, model: Model): Promise<readonly Flat[] | undefined> {
  if (path === undefined) return undefined;
  const snapshots = path instanceof WeightPath ? await path.read() : path;
  return inTurns(flattened(tensorsOf(model), snapshots));
}

function* flattened(
  tensors: readonly TensorSpec[],
  snapshots: readonly Readonly<Record<string, Float32Array>>[],
): Generator<void, Flat[], void> {
  const flat: Flat[] = [];
  for (const named of snapshots) {
    flat.push(flatten(tensors, (name) => named[name]!));
    yield;
  }
  return flat;
}

/** The direction that an axis goes along. */
const along = ({ base, x, y }: Frame): Flat => (y ? x : difference(base, x));

async function pathOn(
  { path, signal }: CheckedLandscape,
  frame: Frame,
  flat: readonly Flat[] | undefined,
): Promise<PlanePath | undefined> {
  if (!flat) return undefined;
  const made = await inTurns(projected(flat, frame.y ? frame.base : frame.x, along(frame), frame.y), signal);
  return { ...made, steps: path instanceof WeightPath ? path.steps : undefined };
}

function describe({ seed, plane }: CheckedLandscape, frame: Frame) {
  const x = along(frame);
  const { y, share } = frame;
  const norms = y ? [norm(x), norm(y)] : [norm(x)];
  const cosine = y && (norms[0]! * norms[1]! > 0 ? dot(x, y) / (norms[0]! * norms[1]!) : 0);
  return { norms, cosine, seed: plane === 'random' ? seed : undefined, share };
}

/** Share of the path's extent that is shown beside it, on each side. */
const MARGIN = 0.2;

/** From the least to the largest, with a margin; never empty. */
function extent(values: Float64Array): Interval {
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const room = MARGIN * (high - low) || 1;
  return [low - room, high + room];
}

/** Every point of the grid, row by row, then the centre: coefficients (c, a, b, 0). */
function pointsOf({ grid, range, plane }: CheckedLandscape, frame: Frame, path?: PlanePath) {
  const axes = range ?? { x: extent(path!.x), y: extent(path!.y) };
  const axis = ([from, to]: Interval) =>
    Float64Array.from({ length: grid }, (_, i) => (from * (grid - 1 - i) + to * i) / (grid - 1));
  const x = axis(axes.x);
  const y = plane === 'line' ? new Float64Array(1) : axis(axes.y);
  const points = new Float32Array(4 * (x.length * y.length + 1));
  const set = (at: number, a: number, b: number) => points.set(plane === 'line' ? [a, 1 - a, 0] : [1, a, b], 4 * at);
  for (let j = 0; j < y.length; j++) for (let i = 0; i < x.length; i++) set(j * x.length + i, x[i]!, y[j]!);
  set(x.length * y.length, ...frame.centre);
  return { points, x, y };
}

function valuesOf(
  { loss, counted }: { readonly loss: Float64Array; readonly counted: Float64Array },
  { loss: { row } }: Model,
  { samples }: Dataset,
  { centre: [x, y] }: Frame,
  points: number,
) {
  const mean = (sums: Float64Array) => Float32Array.from(sums.subarray(0, points), (sum) => sum / samples);
  const counts = row.counts === 'accuracy';
  const centre: PlanePoint = {
    ...{ x, y, loss: loss[points]! / samples },
    accuracy: counts ? counted[points]! / samples : undefined,
  };
  return { loss: mean(loss), accuracy: counts ? mean(counted) : undefined, centre };
}

function noteOf({ plane, seed }: CheckedLandscape, { samples }: Dataset): string {
  const what = {
    random: `A slice along two random directions (seed ${seed}), filter-normalised: directions of negative curvature hardly show in it, and two such pictures compare only with the same range, samples and colours.`,
    pca: "A slice along the path's two principal components: the contours are of this plane, not of the weights beside it that the path went through; a random walk in many dimensions shows two such components, too.",
    line: 'A straight line between two networks: its shape says little of how well they do, and two trainings of different seeds are apart by permutations of units as well.',
  };
  return `${what[plane]} Mean over ${samples} samples, in evaluation mode.`;
}
