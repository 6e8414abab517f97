import { Random } from '../kernels/random.js';
import { type Init, type Model, tensorsOf } from './model.js';

/*
 * Initial weights, drawn on the host in float64 once. Streams are keyed by (seed, tensor), so a network's first layers do
 * not depend on how many follow.
 */

/** Keeps these streams apart from those of data and batches, whatever the seed. */
const STREAM = 0x1217_0000;

type Draw = (random: Random, fanIn: number, fanOut: number) => number;

/** A normal number by Box-Muller. */
function normal(random: Random): number {
  // 1 - u lies in (0, 1], so the logarithm is finite.
  const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
  return radius * Math.cos(2 * Math.PI * random.uniform());
}

/** torch.nn.Linear: U(±1/√fan_in), weights and biases. */
const pytorch: Draw = (random, fanIn) => random.uniform(-1, 1) / Math.sqrt(fanIn);

/** Of weights, and of biases where these do not start at 0. */
const draws: Record<Init, { readonly weight: Draw; readonly bias?: Draw }> = {
  /** He et al. 2015: N(0, 2/fan_in). */
  'he-normal': { weight: (random, fanIn) => Math.sqrt(2 / fanIn) * normal(random) },
  'he-uniform': { weight: (random, fanIn) => random.uniform(-1, 1) * Math.sqrt(6 / fanIn) },
  /** Glorot & Bengio 2010: variance 2/(fan_in + fan_out). */
  'xavier-normal': { weight: (random, fanIn, fanOut) => Math.sqrt(2 / (fanIn + fanOut)) * normal(random) },
  'xavier-uniform': { weight: (random, fanIn, fanOut) => random.uniform(-1, 1) * Math.sqrt(6 / (fanIn + fanOut)) },
  /** LeCun et al. 1998: N(0, 1/fan_in). */
  'lecun-normal': { weight: (random, fanIn) => Math.sqrt(1 / fanIn) * normal(random) },
  pytorch: { weight: pytorch, bias: pytorch },
  zeros: { weight: () => 0 },
};

/** The initial tensors of a network in the order of `tensorsOf`: weights [in, out], biases. */
export function initialize(model: Model, seed: number): Float32Array<ArrayBuffer>[] {
  return tensorsOf(model).map(({ shape, layer, role, initial }, i) => {
    const tensor = new Float32Array(shape.reduce((product, size) => product * size, 1));
    if (initial !== undefined) return tensor.fill(initial);
    const draw = draws[model.init][role];
    if (!draw) return tensor;
    const random = new Random(seed, STREAM + i);
    const { input, output } = model.layers[layer]!;
    for (let j = 0; j < tensor.length; j++) tensor[j] = draw(random, input, output);
    return tensor;
  });
}
