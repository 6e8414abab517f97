import type { Activation } from '../nn/mlp.js';
import { erfc } from './erf.js';

/** An activation y = f(z) and its slope f'(z). */
export interface ReferenceActivation {
  value(z: number): number;
  slope(z: number): number;
}

/** PyTorch's default, stated here again: the oracle reads nothing from what it checks. */
const LEAKY_SLOPE = 0.01;

/** 1 / (1 + exp(-z)), keeping its relative accuracy for z far below 0. */
function sigmoid(z: number): number {
  const e = Math.exp(-Math.abs(z));
  return (z < 0 ? e : 1) / (1 + e);
}

/** Φ(z), the distribution function of the standard normal. */
const normal = (z: number): number => 0.5 * erfc(-z * Math.SQRT1_2);

/**
 * Every activation, exactly as PyTorch defines it: relu has slope 0 at 0, leaky-relu 0.01 at 0, gelu is z·Φ(z). A NaN
 * stays a NaN.
 */
export const referenceActivations: Readonly<Record<Activation, ReferenceActivation>> = {
  linear: { value: (z) => z, slope: () => 1 },
  relu: { value: (z) => Math.max(z, 0), slope: (z) => (z <= 0 ? 0 : 1) },
  'leaky-relu': { value: (z) => (z > 0 ? z : LEAKY_SLOPE * z), slope: (z) => (z > 0 ? 1 : LEAKY_SLOPE) },
  // 1 - tanh² = 4 s(2z) s(-2z), without the difference that vanishes for large z.
  tanh: { value: Math.tanh, slope: (z) => 4 * sigmoid(2 * z) * sigmoid(-2 * z) },
  sigmoid: { value: sigmoid, slope: (z) => sigmoid(z) * sigmoid(-z) },
  gelu: {
    value: (z) => z * normal(z),
    slope: (z) => normal(z) + (z * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI),
  },
  silu: { value: (z) => z * sigmoid(z), slope: (z) => sigmoid(z) * (1 + z * sigmoid(-z)) },
};
