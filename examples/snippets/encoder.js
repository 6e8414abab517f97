/** Many steps in one submit, each a compute pass of the optimizer's own. */
export function trainMany(device, optimizer, recordGradients, steps) {
  const encoder = device.createCommandEncoder();
  for (let step = 0; step < steps; step++) {
    recordGradients(encoder);
    optimizer.step(encoder);
  }
  device.queue.submit([encoder.finish()]);
}
