import { elementwise } from '../layer.js';

const of = (alpha: number) => ({
  value: (z: number) => (z > 0 ? z : alpha * Math.expm1(z)),
  slope: (z: number) => (z > 0 ? 1 : alpha * Math.exp(z)),
  bend: (z: number) => (z > 0 ? 0 : alpha * Math.exp(z)),
});

/** As PyTorch's: alpha 1 where nothing else is said. */
export const elu = elementwise(of(1), (settings) => of((settings as { alpha: number }).alpha));
