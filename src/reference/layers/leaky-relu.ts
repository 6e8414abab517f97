import { elementwise } from '../layer.js';

/** PyTorch's default, stated here again: the oracle reads nothing from what it checks. */
const SLOPE = 0.01;

const of = (negativeSlope: number) => ({
  value: (z: number) => (z > 0 ? z : negativeSlope * z),
  slope: (z: number) => (z > 0 ? 1 : negativeSlope),
  bend: () => 0,
});

/** As PyTorch's: slope 0.01 at 0. */
export const leakyRelu = elementwise(of(SLOPE), (settings) =>
  of((settings as { negativeSlope: number }).negativeSlope),
);
