// The weighted average of updates on the GPU: each is one step of SGD whose gradient is the update turned round and whose rate is its weight.
// The library clips its norm over all tensors, and leaves out one that is not finite, without anything read back.
import { createOptimizer, sgd } from 'downhill';

export async function createAverage(device, weights, { maxNorm }) {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const tensors = [...weights].map(([name, { shape, values }]) => {
    const [param, grad] = ['param', 'grad'].map(() => device.createBuffer({ size: values.byteLength, usage }));
    device.queue.writeBuffer(param, 0, values);
    return { name, shape, param, grad };
  });
  const optimizer = await createOptimizer(device, sgd({ lr: 1 }), tensors, {
    clip: { globalNorm: maxNorm },
    skipNonFinite: true,
  });
  return {
    /** weights += sum of share · clipped update. @param updates {{ update: Map<string, { values: Float32Array }>, samples: number }[]} */
    add(updates) {
      const all = updates.reduce((sum, { samples }) => sum + samples, 0);
      for (const { update, samples } of updates) {
        for (const { name, grad } of tensors)
          device.queue.writeBuffer(
            grad,
            0,
            update.get(name).values.map((value) => -value),
          );
        optimizer.set({ lr: samples / all });
        const encoder = device.createCommandEncoder();
        optimizer.step(encoder);
        device.queue.submit([encoder.finish()]);
      }
    },
    async read() {
      const result = new Map();
      for (const { name, shape, param } of tensors) {
        const copy = device.createBuffer({
          size: param.size,
          usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
        });
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(param, 0, copy, 0, param.size);
        device.queue.submit([encoder.finish()]);
        await copy.mapAsync(GPUMapMode.READ);
        result.set(name, { shape, values: new Float32Array(copy.getMappedRange().slice(0)) });
        copy.destroy();
      }
      return result;
    },
  };
}
