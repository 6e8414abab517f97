import { adam, createOptimizer } from 'downhill';
import { deviceOf, tensor } from 'downhill/interop/three';

/** Moves points that three.js draws: the compute node `gradient` writes `gradients` by `points`, both StorageBufferAttributes. */
export async function makeStep(renderer, { points, gradients, gradient }) {
  renderer.compute(gradient); // first use: before it there are no buffers
  const device = deviceOf(renderer);
  const optimizer = await createOptimizer(device, adam({ lr: 0.05 }), [tensor(renderer, 'points', points, gradients)]);
  return () => {
    renderer.compute(gradient); // three.js submits it, so what is submitted next comes after it
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder);
    device.queue.submit([encoder.finish()]);
  };
}
