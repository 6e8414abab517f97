import { createOptimizer, scheduleFreeAdamw } from 'downhill';

export const makeScheduleFree = (device, tensors) =>
  createOptimizer(device, scheduleFreeAdamw({ lr: 0.0025, warmupSteps: 100 }), tensors);

/** One step, and a look at what it is worth so far. */
export function stepAndLook(optimizer, encoder, evaluate) {
  optimizer.step(encoder);
  optimizer.eval(encoder);
  evaluate(encoder);
  optimizer.train(encoder);
}
