import { createOptimizer, sgd } from 'downhill';

/** Every fourth call of `step` updates, with the mean of four gradients; each is cleared once it was added. */
export const makeAccumulating = (device, tensors) =>
  createOptimizer(device, sgd({ lr: 0.1 }), tensors, {
    accumulate: { steps: 4, reduce: 'mean' },
    zeroGrad: true,
  });
