/*
 * A constant in the encodings of optimizer state (shaders/optim/encode.wgsl), to the nearest: what state starts with, where that is
 * not 0.
 */

const words = new Uint32Array(1);
const floats = new Float32Array(words.buffer);

const bitsOf = (value: number): number => {
  floats[0] = value;
  return words[0]!;
};

/** The last entry of the 8-bit map. */
const MOST = { signed: 1 - 0.45 / 64, positive: 1 - 0.45 / 128 } as const;

/** The word that a block of this value consists of, and the block's scale: 1 where the encoding has none. */
export function encodeConstant(
  encoding: 'bf16' | 'f16' | '8bit',
  value: number,
  positive: boolean,
): { readonly word: number; readonly scale: number } {
  const bits = bitsOf(value);
  const sign = bits >>> 31;
  if (encoding === 'bf16') {
    const half = (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
    return { word: ((half << 16) | half) >>> 0, scale: 1 };
  }
  if (encoding === 'f16') {
    // x · 2^k lies in [2^14, 2^15): ten bits of the mantissa, and the exponent of 2^14.
    const exponent = Math.max((bits >>> 23) & 0xff, 15);
    const half = (((bits & 0x7f_ffff) + 0xfff + ((bits >>> 13) & 1)) >>> 13) + (29 << 10) + (sign << 15);
    return { word: ((half << 16) | half) >>> 0, scale: 2 ** (exponent - 14 - 127) };
  }
  const byte = positive ? 254 : 127 + (sign << 7);
  return {
    word: Math.imul(byte, 0x0101_0101) >>> 0,
    scale: Math.abs(value) / (positive ? MOST.positive : MOST.signed),
  };
}
