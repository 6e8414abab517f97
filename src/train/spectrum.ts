import type { RitzValue, Spectrum } from './curvature-types.js';
import type { LanczosResult } from './lanczos.js';

/** Ritz values count as negative below this share of the largest: f32 leaves some of either sign near 0. */
const NEGATIVE = -1e-3;

/** What Lanczos' numbers say. @param wanted how many eigenvalues of each end */
export function spectrumOf({ values, first, errors, exhausted }: LanczosResult, wanted: number): Spectrum {
  const ritz = values.map((value, i): RitzValue => ({ value, error: errors[i]! }));
  const top = ritz.at(-1)!.value;
  const sizes = values.map(Math.abs).sort((a, b) => b - a);
  const conditionRank = exhausted ? sizes.length : Math.min(wanted, sizes.length);
  const limit = NEGATIVE * Math.max(top, 0);
  const down = values.flatMap((value, i) => (value < limit ? [i] : []));
  return {
    largest: ritz.slice(-wanted).reverse(),
    smallest: ritz.slice(0, wanted),
    conditionNumber: sizes[0]! / sizes[conditionRank - 1]!,
    conditionRank,
    // The squares of the first components are the weights of a quadrature: they sum to 1.
    negative: { count: down.length, share: down.reduce((sum, i) => sum + first[i]! ** 2, 0) },
    stabilityLimit: top > 0 ? 2 / top : Number.POSITIVE_INFINITY,
    iterations: values.length,
  };
}
