/*
 * The error function in float64, for gelu. JavaScript has none.
 *
 * erf is the Maclaurin series near 0; erfc elsewhere is the trapezoidal rule of
 *
 *     erfc(x) = (x / π) exp(-x²) ∫ exp(-s²) / (s² + x²) ds        over the real line
 *
 * with spacing h, whose error is known in closed form from the poles at ±ix (Chiarella, Reich 1968, "On the evaluation
 * of integrals related to the error function"): what stays is of relative size exp(-π²/h²), 7e-18 at h = 1/2.
 */

const H = 0.5;

/** exp(-(n h)²) for n = 1, 2, …: the next one, below 6e-22, no longer changes the sum. */
const NODES = Array.from({ length: 13 }, (_, i) => ({
  square: ((i + 1) * H) ** 2,
  weight: Math.exp(-(((i + 1) * H) ** 2)),
}));

/** Below this erf needs 14 terms and erfc has lost no digit to 1 - erf. */
const NEAR = 0.5;

/** exp(-x²) to a few units of the last place: x² rounded would cost x² of them, so x = head + tail with head² exact. */
function expMinusSquare(x: number): number {
  const head = Math.fround(x);
  const tail = x - head;
  return Math.exp(-head * head) * Math.exp(-tail * (x + head));
}

/** erf(x) = 2/√π Σ (-1)^n x^(2n+1) / (n! (2n+1)), |x| < 1/2. */
function erfNearZero(x: number): number {
  const square = x * x;
  let sum = 0;
  // Horner's scheme; the first term left out is below 0.25^15 / (15! · 31) = 3e-23.
  for (let n = 14; n >= 0; n--) sum = 1 / (2 * n + 1) - (sum * square) / (n + 1);
  return (2 / Math.sqrt(Math.PI)) * x * sum;
}

function erfcPositive(x: number): number {
  if (x > 27.3) return 0; // Below half of the smallest positive number.
  let sum = 1 / (x * x);
  for (const { square, weight } of NODES) sum += (2 * weight) / (square + x * x);
  const integral = ((H * x) / Math.PI) * expMinusSquare(x) * sum;
  // The poles' share. Past π/h the strip of the error bound no longer holds them.
  return x < Math.PI / H ? integral - 2 / Math.expm1((2 * Math.PI * x) / H) : integral;
}

/** The error function 2/√π ∫₀ˣ exp(-s²) ds. Relative error below 1e-15. */
export function erf(x: number): number {
  if (Math.abs(x) < NEAR) return erfNearZero(x);
  return x < 0 ? erfcPositive(-x) - 1 : 1 - erfcPositive(x);
}

/** 1 - erf(x) without its cancellation for large x. Relative error below 1e-15 where the result is a normal number. */
export function erfc(x: number): number {
  if (Math.abs(x) < NEAR) return 1 - erfNearZero(x);
  return x < 0 ? 2 - erfcPositive(-x) : erfcPositive(x);
}
