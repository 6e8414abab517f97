import { atOnce } from '../gpu/turns.js';
import { Random } from '../kernels/random.js';
import { type Init, type Model, OWN_GAIN_SQUARED, type TensorSpec, tensorsOf } from './model.js';

/*
 * Initial weights, drawn on the host in float64 once. Streams are keyed by (seed, tensor), so a network's first layers do
 * not depend on how many follow.
 */

/** Keeps these streams apart from those of data and batches, whatever the seed. */
const STREAM = 0x1217_0000;

/** What a distribution is given of a layer. @param square of the gain: the variance grows with it */
type Draw = (random: Random, fanIn: number, fanOut: number, square: number) => number;

/** A normal number by Box-Muller. */
function normal(random: Random): number {
  // 1 - u lies in (0, 1], so the logarithm is finite.
  const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
  return radius * Math.cos(2 * Math.PI * random.uniform());
}

/** torch.nn.Linear: U(±1/√fan_in), weights and biases. */
const pytorch: Draw = (random, fanIn) => random.uniform(-1, 1) / Math.sqrt(fanIn);

interface Distribution {
  readonly weight: Draw | Fill;
  /** Where biases do not start at 0. */
  readonly bias?: Draw;
}

/** Work that may be left at every yield, for others to have their turn. */
type Work<T> = Generator<void, T, void>;

/** So many numbers are drawn between two yields: well under a millisecond. */
const PIECE = 4096;

/** A distribution of whole matrices. */
interface Fill {
  fill(random: Random, matrix: Float32Array, fanIn: number, fanOut: number, gain: number): Work<void>;
}

/** n orthonormal vectors of m ≥ n elements, uniform among all such: Gram-Schmidt, twice, on normal numbers. */
function* orthonormal(random: Random, n: number, m: number): Work<Float64Array[]> {
  const vectors: Float64Array[] = [];
  for (let k = 0; k < n; k++) {
    const own = Float64Array.from({ length: m }, () => normal(random));
    // Once leaves what rounding and nearly parallel vectors leave; twice is enough (Giraud et al. 2005).
    for (const [j, other] of [...vectors, ...vectors].entries()) {
      if ((j * m) % PIECE < m) yield;
      let along = 0;
      for (let i = 0; i < m; i++) along += own[i]! * other[i]!;
      for (let i = 0; i < m; i++) own[i]! -= along * other[i]!;
    }
    const norm = Math.sqrt(own.reduce((sum, value) => sum + value * value, 0));
    vectors.push(own.map((value) => value / norm));
  }
  return vectors;
}

/**
 * The Q of a normal matrix' QR decomposition with a positive diagonal of R, as torch.nn.init.orthogonal_: of a tall matrix the
 * columns are orthonormal, of a wide one the rows.
 */
const orthogonal: Fill = {
  *fill(random, matrix, fanIn, fanOut, gain) {
    const tall = fanIn >= fanOut;
    const vectors = yield* orthonormal(random, Math.min(fanIn, fanOut), Math.max(fanIn, fanOut));
    for (const [k, vector] of vectors.entries()) {
      yield;
      const [start, step] = tall ? [k, fanOut] : [k * fanOut, 1];
      for (const [i, value] of vector.entries()) matrix[start + i * step] = gain * value;
    }
  },
};

const distributions: Record<Init, Distribution> = {
  /** He et al. 2015: N(0, gain²/fan_in). */
  'he-normal': { weight: (random, fanIn, _, square) => Math.sqrt(square / fanIn) * normal(random) },
  'he-uniform': { weight: (random, fanIn, _, square) => random.uniform(-1, 1) * Math.sqrt((3 * square) / fanIn) },
  /** Glorot & Bengio 2010: variance 2·gain²/(fan_in + fan_out). */
  'xavier-normal': {
    weight: (random, fanIn, fanOut, square) => Math.sqrt((2 * square) / (fanIn + fanOut)) * normal(random),
  },
  'xavier-uniform': {
    weight: (random, fanIn, fanOut, square) => random.uniform(-1, 1) * Math.sqrt((6 * square) / (fanIn + fanOut)),
  },
  /** LeCun et al. 1998: N(0, gain²/fan_in). */
  'lecun-normal': { weight: (random, fanIn, _, square) => Math.sqrt(square / fanIn) * normal(random) },
  /** Saxe, McClelland, Ganguli 2013. */
  orthogonal: { weight: orthogonal },
  pytorch: { weight: pytorch, bias: pytorch },
  zeros: { weight: () => 0 },
};

/** The gain of the activation behind a layer, 1 where the next layer with weights comes before one. */
function gainBehind({ layers }: Model, layer: number): number {
  for (const { row, settings, tensors } of layers.slice(layer + 1)) {
    if (row.gain) return row.gain(settings);
    if (tensors.some(({ role, initial }) => role === 'weight' && initial === undefined)) return 1;
  }
  return 1;
}

function squareOf(model: Model, layer: number): number {
  if (model.gain === undefined) return OWN_GAIN_SQUARED[model.init] ?? 1;
  return (model.gain === 'auto' ? gainBehind(model, layer) : model.gain) ** 2;
}

function* fill(model: Model, { layer, role }: TensorSpec, tensor: Float32Array, random: Random): Work<void> {
  const draw = distributions[model.init][role];
  if (!draw) return;
  const { input, output } = model.layers[layer]!;
  const square = squareOf(model, layer);
  if ('fill' in draw) return yield* draw.fill(random, tensor, input, output, Math.sqrt(square));
  for (let from = 0; from < tensor.length; from += PIECE) {
    const to = Math.min(from + PIECE, tensor.length);
    for (let j = from; j < to; j++) tensor[j] = draw(random, input, output, square);
    yield;
  }
}

/** As {@link initialize}, piece by piece: large layers take a while. */
export function* drawTensors(model: Model, seed: number): Work<Float32Array<ArrayBuffer>[]> {
  const tensors: Float32Array<ArrayBuffer>[] = [];
  for (const [i, spec] of tensorsOf(model).entries()) {
    const tensor = new Float32Array(spec.shape.reduce((product, size) => product * size, 1));
    if (spec.initial !== undefined) tensor.fill(spec.initial);
    else yield* fill(model, spec, tensor, new Random(seed, STREAM + i));
    tensors.push(tensor);
  }
  return tensors;
}

/** The initial tensors of a network in the order of `tensorsOf`: weights [in, out], biases. */
export const initialize = (model: Model, seed: number): Float32Array<ArrayBuffer>[] => atOnce(drawTensors(model, seed));
