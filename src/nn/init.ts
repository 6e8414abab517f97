import { Random } from '../kernels/random.js';
import { type Init, type Mlp, tensorsOf } from './mlp.js';

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

const draws: Record<Init, Draw> = {
  /** He et al. 2015: N(0, 2/fan_in). */
  'he-normal': (random, fanIn) => Math.sqrt(2 / fanIn) * normal(random),
  'he-uniform': (random, fanIn) => random.uniform(-1, 1) * Math.sqrt(6 / fanIn),
  /** Glorot & Bengio 2010: variance 2/(fan_in + fan_out). */
  'xavier-normal': (random, fanIn, fanOut) => Math.sqrt(2 / (fanIn + fanOut)) * normal(random),
  'xavier-uniform': (random, fanIn, fanOut) => random.uniform(-1, 1) * Math.sqrt(6 / (fanIn + fanOut)),
  /** LeCun et al. 1998: N(0, 1/fan_in). */
  'lecun-normal': (random, fanIn) => Math.sqrt(1 / fanIn) * normal(random),
  /** torch.nn.Linear: U(±1/√fan_in), weights and biases. */
  pytorch: (random, fanIn) => random.uniform(-1, 1) / Math.sqrt(fanIn),
  zeros: () => 0,
};

/** The initial tensors of a network in the order of `tensorsOf`: weights [in, out], biases. */
export function initialize(model: Mlp, seed: number): Float32Array<ArrayBuffer>[] {
  return tensorsOf(model).map(({ shape, layer, role }, i) => {
    const tensor = new Float32Array(shape.reduce((product, size) => product * size, 1));
    if (role === 'bias' && model.init !== 'pytorch') return tensor;
    const random = new Random(seed, STREAM + i);
    const draw = draws[model.init];
    for (let j = 0; j < tensor.length; j++) tensor[j] = draw(random, model.sizes[layer]!, model.sizes[layer + 1]!);
    return tensor;
  });
}
