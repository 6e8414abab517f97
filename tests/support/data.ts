import type { Dataset, Samples } from '../../src/index.js';

const at = (scaling: Dataset['scale'], i: number) => (typeof scaling === 'number' ? scaling : scaling[i]!);

/** What the network sees of samples: all of them, or one, row-major, in float64. */
export function seen({ x, features, scale, shift }: Samples, sample?: number): number[] {
  const rows = sample === undefined ? x : x.subarray(sample * features, (sample + 1) * features);
  return Array.from(rows, (value, i) => value * at(scale, i % features) + at(shift, i % features));
}
