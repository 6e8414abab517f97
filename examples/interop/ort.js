import { adam, createOptimizer } from 'downhill';
import { tensor, trained } from 'downhill/interop/ort';

/**
 * Fits weights by a model that computes their gradient: inputs `x`, `y` and `w`, output `gradient`. The session is on this device:
 * { executionProviders: [{ name: 'webgpu', device }], preferredOutputLocation: 'gpu-buffer' }.
 */
export async function train(ort, session, device, { w, x, y }, steps) {
  let optimizer;
  for (let i = 0; i < steps; i++) {
    const { gradient } = await session.run({ x, y, w: tensor(ort, w) }); // w: { buffer, shape }
    optimizer ??= await createOptimizer(device, adam({ lr: 0.05 }), [trained('w', w, gradient)]);
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder, { grads: { w: gradient.gpuBuffer } });
    device.queue.submit([encoder.finish()]);
    gradient.dispose();
  }
  return optimizer;
}
