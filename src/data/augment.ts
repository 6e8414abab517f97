import { pcgHash } from '../kernels/random.js';

/*
 * Which rows of a batch are mixed and what is cut out of them, on the host: the twin of shaders/data/augment.wgsl, bit for
 * bit, and the table of λ that it reads.
 */

const MIX = 0x4d58;
const CUT = 0x4355;

/** Entries of the table of λ: a step picks one of them. */
export const QUANTILES = 4096;

/** log of the incomplete beta function B(x; a, a), x in (0, 1/2]: all terms are positive, so that no digit is lost. */
function logIncompleteBeta(x: number, a: number): number {
  // x^a (1-x)^a / a · 2F1(2a, 1; a + 1; x), DLMF 8.17.8; a term is (2a + n)/(a + 1 + n)·x, below 1, of the one before.
  let [sum, term] = [1, 1];
  for (let n = 0; term > 1e-17 * sum; n++) {
    term *= ((2 * a + n) / (a + 1 + n)) * x;
    sum += term;
  }
  return a * (Math.log(x) + Math.log1p(-x)) - Math.log(a) + Math.log(sum);
}

/** Smallest λ: below it f32 has no normal numbers. */
const LEAST = Math.log(2 ** -126);

/**
 * The (i + 1/2)/count quantiles of Beta(alpha, alpha), rising. A pick among them has its distribution but for steps of
 * 1/count; the deviation of the mean is 0, by symmetry.
 */
export function betaQuantiles(alpha: number, count = QUANTILES): Float64Array {
  const quantiles = new Float64Array(count).fill(0.5);
  const whole = logIncompleteBeta(0.5, alpha);
  for (let i = 0; i < Math.floor(count / 2); i++) {
    const wanted = Math.log((2 * i + 1) / count) + whole;
    // In logarithms: with a small alpha the first quantiles are as small as numbers get.
    let [low, high] = [LEAST, Math.log(0.5)];
    for (let halving = 0; halving < 60; halving++) {
      const middle = (low + high) / 2;
      if (logIncompleteBeta(Math.exp(middle), alpha) < wanted) low = middle;
      else high = middle;
    }
    quantiles[i] = Math.exp(high);
    quantiles[count - 1 - i] = 1 - Math.exp(high);
  }
  return quantiles;
}

/** What a step mixes: the place of its λ in the table, and how many rows further a row's partner is. */
export function mixOf(seed: number, step: number, valid: number, quantiles = QUANTILES) {
  const key = pcgHash(seed, MIX, step);
  const further = valid > 1 ? 1 + (pcgHash(key, 1, 0) % (valid - 1)) : 0;
  return { quantile: pcgHash(key, 0, 0) & (quantiles - 1), further };
}

/** The first line and column of the square that is cut out of a row; they may lie outside. */
export function cornerOf(
  seed: number,
  step: number,
  row: number,
  [height, width]: readonly [number, number],
  size: number,
): [number, number] {
  const key = pcgHash(seed, CUT, step);
  const half = Math.floor(size / 2);
  return [(pcgHash(key, row, 0) % height) - half, (pcgHash(key, row, 1) % width) - half];
}
