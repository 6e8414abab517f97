import { elementwise } from '../layer.js';

/** y = z. */
export const identity = elementwise({
  value: (z) => z,
  slope: () => 1,
  bend: () => 0,
});
