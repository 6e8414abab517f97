import { Random } from '../kernels/random.js';

/* Data of logistic regression, drawn as the library draws data: the same bits in every engine. */

/** Fixed by the kernel, which keeps a number of every sample in a workgroup's memory. */
export const SAMPLES = 400;
export const FEATURES = 50;

/**
 * Two classes in [SAMPLES, FEATURES] numbers: features are nearly normal, labels those of a random plane with a tenth of them
 * turned round. Every row is multiplied by its label, 1 or -1.
 */
export function samples(seed: number): Float32Array<ArrayBuffer> {
  const plane = new Random(seed, 0);
  const weights = Array.from({ length: FEATURES }, () => plane.normal());
  const out = new Float32Array(SAMPLES * FEATURES);
  for (let s = 0; s < SAMPLES; s++) {
    const random = new Random(seed, s + 1);
    const row = weights.map(() => random.normal());
    const side = row.reduce((sum, value, j) => sum + value * weights[j]!, 0) >= 0 ? 1 : -1;
    const label = random.uniform() < 0.1 ? -side : side;
    for (const [j, value] of row.entries()) out[s * FEATURES + j] = label * value;
  }
  return out;
}
