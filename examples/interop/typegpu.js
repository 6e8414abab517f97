import { adam, createOptimizer } from 'downhill';
import { tensor } from 'downhill/interop/typegpu';

/** Buffers of d.arrayOf(d.vec2f, n) and d.arrayOf(d.f32, n), all with the usage 'storage'; each has a gradient of its own schema. */
export const makeOptimizer = (root, { points, weights, gradients }) =>
  createOptimizer(root.device, adam({ lr: 0.05 }), [
    tensor(root, 'points', points, gradients.points),
    tensor(root, 'weights', weights, gradients.weights, { group: { lr: 0.01 } }),
  ]);
