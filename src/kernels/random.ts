/**
 * Counter-based random numbers for data made on the host.
 *
 * A number is a hash of where it is used, not of what was drawn before it: sample 7000 can be made without the 6999
 * before it, and asking for more samples leaves the first ones as they were. Everything here is integer arithmetic and
 * correctly rounded float64 (+ - * /), so every JavaScript engine gives the same bits; Math.log and Math.cos would not.
 */

/**
 * The hash `pcg3d` of Jarzynski & Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020: its last component, after
 * one more `z ^= z >> 16`. Without that the lowest bit is poor: between neighbouring counters it flips up to 40 standard
 * deviations off a fair coin (over 20,000 counters); with it, no bit is 4 off.
 *
 * It maps the 96-bit counter (seed, stream, index) one to one to 96 bits and gives 32 of them, so two streams never
 * walk the same sequence at an offset, as chained 32-bit hashes do among a few thousand streams.
 *
 * @param seed Which run of the experiment. Taken modulo 2^32, as are the others.
 * @param stream Which independent sequence, e.g. the sample.
 * @param index Which number of the sequence.
 * @returns An integer from 0 to 2^32 - 1.
 */
export function pcgHash(seed: number, stream: number, index: number): number {
  let x = (Math.imul(seed, 1664525) + 1013904223) | 0;
  let y = (Math.imul(stream, 1664525) + 1013904223) | 0;
  let z = (Math.imul(index, 1664525) + 1013904223) | 0;
  x = (x + Math.imul(y, z)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  x ^= x >>> 16;
  y ^= y >>> 16;
  z ^= z >>> 16;
  x = (x + Math.imul(y, z)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  return (z ^ (z >>> 16)) >>> 0;
}

/** A sequence of random numbers: `pcgHash(seed, stream, 0)`, `pcgHash(seed, stream, 1)`, ... */
export class Random {
  #index = 0;

  /**
   * @param seed Integer, taken modulo 2^32.
   * @param stream Integer, taken modulo 2^32; different streams of one seed are independent.
   */
  constructor(
    readonly seed: number,
    readonly stream = 0,
  ) {}

  /** The next integer, from 0 to 2^32 - 1. */
  next(): number {
    return pcgHash(this.seed, this.stream, this.#index++);
  }

  /** A float64 uniform in [low, high) on a grid of 2^32 values; [0, 1) by default. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.next() / 4294967296);
  }

  /** An integer uniform in 0 .. count - 1 (bias below count / 2^32). */
  integer(count: number): number {
    return Math.floor(this.uniform(0, count));
  }

  /**
   * A nearly normal number: the centred sum of twelve 16-bit uniforms, whose variance is exactly that of the grid.
   * It ends at 6 standard deviations and has excess kurtosis -0.1; for jitter that is as good as Box-Muller, which
   * needs Math.log and Math.cos and so gives different last bits in different engines.
   *
   * @param mean Default 0.
   * @param std Standard deviation, default 1.
   */
  normal(mean = 0, std = 1): number {
    let sum = 0;
    for (let pair = 0; pair < 6; pair++) {
      const bits = this.next();
      sum += (bits >>> 16) + (bits & 0xffff);
    }
    // Each half is uniform on 0..65535: mean 32767.5, and twelve of them have variance 65536^2 - 1.
    return mean + (std * (sum - 12 * 32767.5)) / 65536;
  }
}
