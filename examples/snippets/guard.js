import { adam, createOptimizer } from 'downhill';

export const makeGuarded = (device, tensors) =>
  createOptimizer(device, adam({ lr: 1e-3 }), tensors, {
    clip: { value: 10, globalNorm: 1 },
    skipNonFinite: { atMost: 3 },
  });

/** Now and then, not every step: it waits for the GPU. */
export async function check(optimizer) {
  const { step, count, skipped, stopped, gradNorm, lr } = await optimizer.read();
  if (stopped) throw new Error(`three unusable gradients in a row, after ${count} updates`);
  return `step ${step}: ${count} updates, ${skipped} skipped, gradient ${gradNorm}, rate ${lr}`;
}
