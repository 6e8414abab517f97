import { adamw, createOptimizer, scale } from 'downhill';
import { cosine, linear, warmup } from 'downhill/schedules';

/** Any number may be a function of the update count, which is 0 at the first update. */
export const makeScheduled = (device, tensors) => {
  const lr = warmup(cosine(1e-3, { steps: 9_500 }), { steps: 500 });
  const weightDecay = linear(0.1, { to: 0.01, steps: 10_000 });
  const beta1 = (count) => (count < 500 ? 0.85 : 0.9);
  return createOptimizer(device, adamw({ lr, weightDecay, betas: [beta1, 0.999] }), tensors);
};

/** Later, for every step submitted from here on: a tenth of each group's rate. */
export const slowDown = (optimizer) => optimizer.set({ lr: scale(0.1) });
