import { DownhillError } from '../gpu/errors.js';
import { Random } from '../kernels/random.js';
import type { TensorSpec } from '../nn/model.js';
import { elementsOf } from '../space/space.js';
import { eigenOf } from './eigen.js';
import type { PlanePath } from './types.js';

/*
 * Directions in the space of all parameters, as one list of numbers in the order of the tensors. In float64 on the host, once
 * for each landscape: Gram matrices square what f32 has lost already. What goes along a whole path yields between its parts, for
 * `inTurns`.
 */

/** A point: all parameters, one tensor behind another. */
export type Flat = Float32Array | Float64Array;

/** Keeps the random numbers apart from those of weights, batches and data, whatever the seed. */
const STREAM = 0x91a7_0000;

/** Where a tensor lies among all parameters. */
const offsetsOf = (tensors: readonly TensorSpec[]) => {
  let at = 0;
  return tensors.map((spec) => {
    const [offset, elements] = [at, elementsOf(spec)];
    at += elements;
    return { spec, offset, elements };
  });
};

/**
 * A random direction, filter-normalised (Li, Xu, Taylor, Studer, Goldstein, "Visualizing the Loss Landscape of Neural Nets", 2018,
 * https://arxiv.org/abs/1712.09913): Gaussian numbers, of which each column of a weight matrix [in, out] is scaled to the norm
 * that the column has in the network, d ← d·‖w‖/‖d‖. What is no matrix (biases, the scale and shift of norms) is 0.
 *
 * @param which 0 or 1: the first or the second direction of a seed
 */
export function* filterNormalised(
  tensors: readonly TensorSpec[],
  weights: Flat,
  seed: number,
  which: 0 | 1,
): Generator<void, Float32Array, void> {
  const direction = new Float32Array(weights.length);
  for (const [i, { spec, offset, elements }] of offsetsOf(tensors).entries()) {
    if (spec.shape.length < 2) continue;
    const random = new Random(seed, STREAM + 2 * i + which);
    const columns = spec.shape.at(-1)!;
    const drawn = new Float64Array(elements);
    for (let at = 0; at < elements; at++) {
      drawn[at] = random.normal();
      if (at % columns === 0) yield;
    }
    for (let column = 0; column < columns; column++) {
      let [own, wanted] = [0, 0];
      for (let at = column; at < elements; at += columns) {
        own += drawn[at]! ** 2;
        wanted += weights[offset + at]! ** 2;
      }
      const scale = own > 0 ? Math.sqrt(wanted / own) : 0;
      for (let at = column; at < elements; at += columns) direction[offset + at] = drawn[at]! * scale;
      yield;
    }
  }
  return direction;
}

export const norm = (direction: Flat) => Math.sqrt(dot(direction, direction));

export function dot(a: Flat, b: Flat): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

export function difference(a: Flat, b: Flat): Float64Array {
  const result = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) result[i] = a[i]! - b[i]!;
  return result;
}

/** So many parameters at a time: 200 snapshots of them lie in a CPU's second cache. */
const BLOCK = 512;
/** G[i, j] = (θ_i - θ*)·(θ_j - θ*), T × T. */
export function* gramOf(path: readonly Flat[], centre: Flat): Generator<void, Float64Array, void> {
  const count = path.length;
  const gram = new Float64Array(count * count);
  // Rows of nothing behind the last, since rows are multiplied with four at a time.
  const block = new Float64Array((count + 3) * BLOCK);
  for (let first = 0; first < centre.length; first += BLOCK) {
    const size = Math.min(BLOCK, centre.length - first);
    for (let i = 0; i < count; i++) {
      const point = path[i]!;
      for (let k = 0; k < size; k++) block[i * BLOCK + k] = point[first + k]! - centre[first + k]!;
    }
    addProducts(gram, block, count, size);
    yield;
  }
  for (let i = 0; i < count; i++) for (let j = 0; j < i; j++) gram[j * count + i] = gram[i * count + j]!;
  return gram;
}

/** Adds the products of rows of a block to the lower half: one with four others at a time, which share what is loaded. */
function addProducts(gram: Float64Array, block: Float64Array, count: number, size: number): void {
  for (let i = 0; i < count; i++) {
    const own = i * BLOCK;
    for (let j = 0; j <= i; j += 4) {
      let [at, a, b, c, d] = [j * BLOCK, 0, 0, 0, 0];
      for (let k = 0; k < size; k++, at++) {
        const value = block[own + k]!;
        a += value * block[at]!;
        b += value * block[at + BLOCK]!;
        c += value * block[at + 2 * BLOCK]!;
        d += value * block[at + 3 * BLOCK]!;
      }
      const to = i * count + j;
      gram[to]! += a;
      if (j + 1 <= i) gram[to + 1]! += b;
      if (j + 2 <= i) gram[to + 2]! += c;
      if (j + 3 <= i) gram[to + 3]! += d;
    }
  }
}

interface Components {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly share: readonly [number, number];
}

/** Below this share of the first, a second component is what rounding leaves. */
const FLAT = 1e-10;

/**
 * The two directions in which a path is spread most about θ*: eigenvectors of Σ_t (θ_t - θ*)(θ_t - θ*)ᵀ by way of the path's
 * T × T Gram matrix, p_k = Σ_t v_k[t]·(θ_t - θ*)/√λ_k. Unit vectors; the path's start has coordinates of at least 0.
 *
 * @returns the directions, and what each has of the sum of all squared distances
 * @throws DownhillError OPTION-RANGE for a path that lies on a line through θ*, or does not move
 */
export function* principal(path: readonly Flat[], centre: Flat): Generator<void, Components, void> {
  const count = path.length;
  const gram = yield* gramOf(path, centre);
  const { values, vectors } = yield* eigenOf(gram, count);
  const total = values.reduce((sum, value) => sum + Math.max(value, 0), 0);
  if (!Number.isFinite(total) || !(values[1]! > FLAT * values[0]!)) throw noPlane(total);
  const directions: Float32Array[] = [];
  for (const k of [0, 1]) {
    const direction = new Float64Array(centre.length);
    const own = vectors[k]!;
    // By the first snapshot that lies anywhere along it, so that pictures of one path agree.
    const lead = own.find((value) => Math.abs(value) > 1e-9) ?? 1;
    const scale = Math.sign(lead) / Math.sqrt(values[k]!);
    for (let t = 0; t < count; t++) {
      const [weight, point] = [own[t]! * scale, path[t]!];
      for (let i = 0; i < centre.length; i++) direction[i]! += weight * (point[i]! - centre[i]!);
      yield;
    }
    directions.push(Float32Array.from(direction));
  }
  const [x, y] = directions;
  return { x: x!, y: y!, share: [values[0]! / total, values[1]! / total] };
}

function noPlane(total: number): DownhillError {
  const what = Number.isFinite(total)
    ? 'The path lies on a line through the weights, or does not move: it has no second direction.'
    : 'The path has weights that are not finite.';
  return new DownhillError(
    'OPTION-RANGE',
    `landscape: ${what}`,
    "Take more snapshots of the training, or use plane: 'line' or 'random'.",
  );
}

/**
 * A path on the plane of two directions: for each point the coordinates that are nearest, and how far they are from it.
 *
 * @param y left out for a line
 */
export function* projected(
  path: readonly Flat[],
  centre: Flat,
  x: Flat,
  y: Flat | undefined,
): Generator<void, Omit<PlanePath, 'steps'>, void> {
  const count = path.length;
  const made = { x: new Float64Array(count), y: new Float64Array(count), distance: new Float64Array(count) };
  const [xx, xy, yy] = [dot(x, x), y ? dot(x, y) : 0, y ? dot(y, y) : 1];
  const determinant = xx * yy - xy * xy;
  for (const [t, point] of path.entries()) {
    const d = difference(point, centre);
    const [dx, dy] = [dot(d, x), y ? dot(d, y) : 0];
    const [a, b] = [(dx * yy - dy * xy) / determinant, (dy * xx - dx * xy) / determinant];
    let square = 0;
    for (let i = 0; i < d.length; i++) square += (d[i]! - a * x[i]! - (y ? b * y[i]! : 0)) ** 2;
    made.x[t] = a;
    made.y[t] = y ? b : 0;
    made.distance[t] = Math.sqrt(square);
    yield;
  }
  return made;
}

/** All parameters in a row. */
export function flatten(tensors: readonly TensorSpec[], weights: (name: string) => Float32Array): Float32Array {
  const places = offsetsOf(tensors);
  const flat = new Float32Array(places.reduce((sum, { elements }) => sum + elements, 0));
  for (const { spec, offset } of places) flat.set(weights(spec.name), offset);
  return flat;
}

/** The same by tensor. */
export const byTensor = (tensors: readonly TensorSpec[], flat: Flat): Map<string, Float32Array> =>
  new Map(
    offsetsOf(tensors).map(({ spec, offset, elements }) => [
      spec.name,
      Float32Array.from(flat.subarray(offset, offset + elements)),
    ]),
  );
