/* Half precision (IEEE 754 binary16) on the host, by its definition: 2^-10 of a power of two is a step, of 2^-14 at the least. */

/** The bits of the half nearest to a number, ties to even; infinity from 65520 on. */
export function halfOf(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = Math.max(Math.floor(Math.log2(magnitude || 2 ** -24)), -14);
  // Of a float32 just below a power of two Math.log2 is right; 2048 steps are the next power's first.
  const step = 2 ** (exponent - 10);
  const whole = Math.floor(magnitude / step);
  const rest = magnitude / step - whole;
  const steps = whole + (rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? 1 : 0);
  return sign | ((exponent + 14) * 1024 + steps);
}

export function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 0x3ff;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}

/** Numbers rounded to halves. */
export const roundedToHalves = (values: Float32Array): Float32Array<ArrayBuffer> =>
  Float32Array.from(values, (value) => halfValue(halfOf(value)));
