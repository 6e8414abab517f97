import { makeOptimizer } from './fit.js';
import { WORDS } from './kernels.js';

/**
 * Milliseconds of one update of `count` splats, on the host's clock: the shortest of ten rounds of `steps` in one submit.
 *
 * @param {Uint32Array} [seen] who takes part; default everybody, without a mask
 */
export async function timeUpdate(device, { count, seen, steps = 10 }) {
  const { STORAGE, COPY_DST } = GPUBufferUsage;
  const make = (words) => device.createBuffer({ size: 4 * words, usage: STORAGE | COPY_DST });
  const [splats, gradients, mask] = [make(WORDS * count), make(WORDS * count), make(count)];
  device.queue.writeBuffer(gradients, 0, new Int32Array(WORDS * count).fill(1000));
  if (seen) device.queue.writeBuffer(mask, 0, seen);
  const visible = seen ? mask : undefined;
  const optimizer = await makeOptimizer(device, { splats, gradients, visible, count, room: count, steps: 1000 });
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 11; round++) {
    const begin = performance.now();
    const encoder = device.createCommandEncoder();
    for (let i = 0; i < steps; i++) optimizer.step(encoder);
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    if (round > 0) best = Math.min(best, (performance.now() - begin) / steps); // the first round warms up
  }
  optimizer.destroy();
  for (const buffer of [splats, gradients, mask]) buffer.destroy();
  return best;
}
