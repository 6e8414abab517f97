import { elementwise } from '../layer.js';

/** As PyTorch's: slope 0 at 0; a NaN stays one. */
export const relu = elementwise({
  value: (z) => Math.max(z, 0),
  slope: (z) => (z <= 0 ? 0 : 1),
  bend: () => 0,
});
