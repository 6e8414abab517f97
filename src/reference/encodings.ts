/*
 * Optimizer state in fewer bytes, in float64: which values an encoding has, and where a value lies among them. It says nothing
 * of bits, which are random.
 */

/** An encoding of state. */
export type ReferenceEncoding = 'bf16' | 'f16' | '8bit';

/**
 * The values of the 8-bit map that are not negative, from 0 up: Dettmers et al. 2022, 8-bit optimizers via block-wise quantization
 * (https://arxiv.org/abs/2110.02861), as in bitsandbytes' `create_dynamic_map`, without its last one, 1. Seven decades, i from 0,
 * each the middles of 2^i (with a sign) or 2^(i+1) (without) equal parts of [0.1, 1]·10^(i-6).
 */
export function dynamicMap(positive: boolean): Float64Array {
  const values = [0];
  for (let decade = 0; decade < 7; decade++) {
    const parts = 2 ** (decade + (positive ? 1 : 0));
    for (let j = 0; j < parts; j++) values.push(10 ** (decade - 6) * (0.1 + (0.9 * (j + 0.5)) / parts));
  }
  return Float64Array.from(values);
}

const maps = { true: dynamicMap(true), false: dynamicMap(false) };

/** What the values of a block are times, by the largest magnitude in it. */
export function blockScale(encoding: ReferenceEncoding, positive: boolean, most: number): number {
  if (encoding === 'bf16') return 1;
  if (encoding === '8bit') return most < 2 ** -126 ? 0 : most / maps[`${positive}`].at(-1)!;
  // The largest comes to lie in [2^14, 2^15).
  return 2 ** (Math.max(Math.floor(Math.log2(most)), -112) - 14);
}

/** The two values of an encoding, of magnitude at least 0, that a magnitude lies between; twice the same where it is one. */
export function neighbours(
  encoding: ReferenceEncoding,
  positive: boolean,
  magnitude: number,
  scale: number,
): readonly [number, number] {
  if (magnitude === 0 || scale === 0) return [0, 0];
  if (encoding === '8bit') {
    const map = maps[`${positive}`];
    const y = magnitude / scale;
    const above = map.findIndex((value) => value >= y);
    if (above < 0) return [map.at(-1)! * scale, map.at(-1)! * scale];
    return [map[map[above] === y ? above : Math.max(above - 1, 0)]! * scale, map[above]! * scale];
  }
  const exponent = Math.floor(Math.log2(magnitude / scale));
  const step =
    scale * (encoding === 'bf16' ? 2 ** (Math.max(exponent, -126) - 7) : 2 ** (Math.max(exponent, -14) - 10));
  return [Math.floor(magnitude / step) * step, Math.ceil(magnitude / step) * step];
}
