import { adam, createOptimizer } from 'downhill';
import { fields } from 'downhill/interop/typegpu';

/** Splats of a d.struct in one buffer, their gradients in another of the same schema: each field at a rate of its own, one dispatch. */
export const makeOptimizer = (root, d, splats, gradients) =>
  createOptimizer(
    root.device,
    adam({ lr: 0.05 }),
    fields(root, d, splats, gradients, { colour: { lr: 0.01 }, opacity: { lr: 0.02 } }),
  );
