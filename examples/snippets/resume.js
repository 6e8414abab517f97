import { adam, createOptimizer } from 'downhill';

/** Goes on with another optimizer, on another device too. You move the parameters; they are yours. */
export async function moveTo(device, tensors, optimizer) {
  const state = await optimizer.state();
  optimizer.destroy();
  const next = await createOptimizer(device, adam({ lr: 1e-3 }), tensors);
  next.load(state);
  return next;
}
