import { adamw, createOptimizer } from 'downhill';

/** Trains on your device and buffers; `recordGradients` dispatches your own kernels. */
export async function train(device, { params, gradients, recordGradients, steps }) {
  const bias = 4 * 784 * 100; // bytes: it lies right behind the weights
  const tensors = [
    { name: 'w', shape: [784, 100], param: params, grad: gradients },
    {
      name: 'b',
      shape: [100],
      param: { buffer: params, offset: bias },
      grad: { buffer: gradients, offset: bias },
      group: { weightDecay: 0 },
    },
  ];
  const options = { clip: { globalNorm: 1 }, skipNonFinite: true };
  const optimizer = await createOptimizer(device, adamw({ lr: 1e-3 }), tensors, options);
  for (let step = 0; step < steps; step++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    recordGradients(pass);
    optimizer.step(pass); // records four dispatches; submits, maps and allocates nothing
    pass.end();
    device.queue.submit([encoder.finish()]);
  }
  return optimizer;
}
