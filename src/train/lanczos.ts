import { type BufferRange, type BufferSet, guarded, range, readRanges } from '../gpu/buffers.js';
import { createPasses, encodePasses, type Pass } from '../gpu/passes.js';
import { basisDots, basisForms, basisSegments, basisSubtract, basisSums, unit } from '../kernels/basis.js';
import { lower } from '../kernels/lower.js';
import type { Op } from '../kernels/op.js';
import { Random } from '../kernels/random.js';
import { arenaSpace, largestArena } from '../space/arena.js';
import { elementsOf, type Space, type TensorShape, type Vector } from '../space/space.js';
import { writeTensor } from '../space/vectors.js';
import { type TridiagonalSpectrum, tridiagonalSpectrum } from './tridiagonal.js';

/*
 * Lanczos' iteration on the GPU: of a symmetric matrix that is there only as w = A·v, a tridiagonal one whose eigenvalues are
 * close to its outermost ones. With full re-orthogonalisation: without it 30 steps in f32 give the largest eigenvalue three to
 * five times.
 *
 *   w = A q_k;  twice: c = Qᵀ w, w -= Q c;  β_k = ‖w‖, q_{k+1} = w / β_k;  α_k = the sum of both c_k
 *
 * Lanczos 1950; Golub, Van Loan, Matrix Computations, chapter 10.
 */

/** What Lanczos found of a matrix. */
export interface LanczosResult extends TridiagonalSpectrum {
  /** By eigenvalue: A has one at most so far away. */
  readonly errors: readonly number[];
  /** The start reaches no more eigenvalues: they are all there. */
  readonly exhausted: boolean;
}

/** Where a step's numbers lie, in floats: the two sums with the basis, 64 floats apart at least, and the square of the norm. */
interface Numbers {
  readonly once: BufferRange;
  readonly twice: BufferRange;
  readonly square: BufferRange;
}

/** A norm is 0 where it is this much below the largest: what f32 leaves of a vector that lies within the basis. */
const NOTHING = 1e-5;
/** So that starts and samples of one seed are drawn apart. */
const START = 0x4c414e43;

/** The vectors of an iteration, and its passes. */
export class Lanczos {
  private constructor(
    readonly buffers: BufferSet,
    readonly label: string,
    /** One replica: of v and w. */
    readonly space: Space,
    readonly iterations: number,
    /** A unit vector; `product` writes w = A·v. */
    readonly v: Vector,
    readonly w: Vector,
    readonly basis: Vector,
    readonly numbers: Numbers,
    readonly passes: readonly Pass[],
  ) {}

  /**
   * Memory for the vectors of the basis, two more, and the passes that make one orthogonal. No product can take a span of it
   * that all vectors together could not be bound in: it is cut into more spans than other vectors are.
   */
  static async create(
    buffers: BufferSet,
    label: string,
    tensors: readonly TensorShape[],
    iterations: number,
  ): Promise<Lanczos> {
    const { device } = buffers;
    const whole = arenaSpace(tensors, { replicas: iterations, maxBytes: largestArena(device) });
    const space = arenaSpace(tensors, { maxBytes: Math.floor(largestArena(device) / iterations) });
    const { v, w, basis, numbers, ops } = await guarded(device, label, () => {
      const basis = whole.vector(buffers, 'basis');
      const [v, w] = [space.vector(buffers, 'v'), space.vector(buffers, 'w')];
      const number = (name: string, count: number) => range(buffers.storage(name, 4 * count), 0, 4 * count);
      const numbers = {
        once: number('sums', iterations),
        twice: number('sums-again', iterations),
        square: number('square', 1),
      };
      const all = space.spans.reduce((sum, { elements }) => sum + basisSegments(elements), 0);
      const partial = range(buffers.storage('partial', 4 * all * iterations));
      return {
        v,
        w,
        basis,
        numbers,
        ops: orthogonalOps(label, space, { v, w, basis, partial, all, iterations }, numbers),
      };
    });
    const passes = await createPasses(device, lower(ops, basisForms, device).passes, buffers);
    return new Lanczos(buffers, label, space, iterations, v, w, basis, numbers, passes);
  }

  /**
   * Runs it.
   *
   * @param seed of the first vector
   * @param product submits what makes w = A·v, and may wait
   * @param wait after each step: what keeps the queue short
   */
  async run(seed: number, product: () => Promise<void>): Promise<LanczosResult> {
    const { buffers, label, iterations, numbers } = this;
    const { device } = buffers;
    const log = await guarded(device, label, () => range(buffers.storage('log', 12 * iterations), 0, 12 * iterations));
    this.#start(seed);
    for (let k = 0; k < iterations; k++) {
      await product();
      const encoder = device.createCommandEncoder({ label: `downhill:${label}/lanczos` });
      encodePasses(encoder, `downhill:${label}/lanczos`, this.passes);
      for (const [i, { buffer, offset }] of [numbers.once, numbers.twice, numbers.square].entries())
        encoder.copyBufferToBuffer(buffer, i < 2 ? offset + 4 * k : offset, log.buffer, 12 * k + 4 * i, 4);
      if (k + 1 < iterations) this.#keep(encoder, k + 1);
      device.queue.submit([encoder.finish()]);
    }
    const [bytes] = await readRanges(device, label, [log]);
    return resultOf(new Float32Array(bytes!));
  }

  /** The first vector of the basis: normally distributed, of length 1. */
  #start(seed: number): void {
    const { device } = this.buffers;
    const { tensors } = this.space;
    const values = tensors.map((tensor, i) => {
      const random = new Random(seed, START + i);
      return Float64Array.from({ length: elementsOf(tensor) }, () => random.normal());
    });
    const norm = Math.sqrt(values.reduce((sum, own) => sum + own.reduce((s, x) => s + x * x, 0), 0));
    for (const [i, { name }] of tensors.entries())
      writeTensor(
        device,
        this.space,
        this.v,
        name,
        Float32Array.from(values[i]!, (x) => x / norm),
      );
    const encoder = device.createCommandEncoder({ label: `downhill:${this.label}/start` });
    this.#keep(encoder, 0);
    device.queue.submit([encoder.finish()]);
  }

  /** v becomes the k-th vector of the basis. */
  #keep(encoder: GPUCommandEncoder, k: number): void {
    for (const [i, { buffer, offset, size }] of this.v.ranges.entries()) {
      const to = this.basis.ranges[i]!;
      encoder.copyBufferToBuffer(buffer, offset, to.buffer, to.offset + k * size, size);
    }
  }
}

function orthogonalOps(
  label: string,
  { spans }: Space,
  given: {
    readonly v: Vector;
    readonly w: Vector;
    readonly basis: Vector;
    readonly partial: BufferRange;
    readonly all: number;
    readonly iterations: number;
  },
  { once, twice, square }: Numbers,
): Op[] {
  const { v, w, basis, partial, all, iterations } = given;
  const named = (pass: string, i: number) => `${label}/${pass}${spans.length > 1 ? `-${i}` : ''}`;
  const places: number[] = [];
  let place = 0;
  for (const { elements } of spans) {
    places.push(place);
    place += basisSegments(elements);
  }
  const sums = (pass: string, own: Vector, vectors: number, to: BufferRange) => [
    ...spans.map(({ elements }, i) =>
      basisDots(
        named(`${pass}-dots`, i),
        { elements, all, place: places[i]! },
        { basis: own.ranges[i]!, vector: w.ranges[i]!, partial },
        vectors,
      ),
    ),
    basisSums(`${label}/${pass}-sums`, { all }, { partial, sums: to }, vectors),
  ];
  const orthogonal = (pass: string, to: BufferRange) => [
    ...sums(pass, basis, iterations, to),
    ...spans.map(({ elements }, i) =>
      basisSubtract(
        named(pass, i),
        { elements, vectors: iterations },
        { basis: basis.ranges[i]!, sums: to, vector: w.ranges[i]! },
      ),
    ),
  ];
  return [
    ...orthogonal('orthogonal', once),
    ...orthogonal('orthogonal-again', twice),
    ...sums('norm', w, 1, square),
    ...spans.map(({ elements }, i) =>
      unit(named('unit', i), { elements }, { vector: w.ranges[i]!, square, result: v.ranges[i]! }),
    ),
  ];
}

/** @param log per step c_k, what the second pass added to it, β_k² */
function resultOf(log: Float32Array): LanczosResult {
  const alpha: number[] = [];
  const beta: number[] = [];
  let largest = 0;
  for (let k = 0; 3 * k < log.length; k++) {
    alpha.push(log[3 * k]! + log[3 * k + 1]!);
    beta.push(Math.sqrt(log[3 * k + 2]!));
    largest = Math.max(largest, Math.abs(alpha.at(-1)!), beta.at(-1)!);
    // Behind a norm of 0 there is nothing but rounding.
    if (beta.at(-1)! <= NOTHING * largest) break;
  }
  const spectrum = tridiagonalSpectrum(alpha, beta.slice(0, -1));
  const errors = spectrum.last.map((component) => Math.abs(beta.at(-1)! * component));
  return { ...spectrum, errors, exhausted: beta.at(-1)! <= NOTHING * largest };
}
