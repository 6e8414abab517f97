/** `gradients` gives, for each tensor by name, the buffer that your framework put its gradient into this time. */
export function trainPooled(device, optimizer, gradients, steps) {
  for (let step = 0; step < steps; step++) {
    const grads = gradients(step); // { w: buffer, b: { buffer, offset: 256 } }
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder, { grads });
    device.queue.submit([encoder.finish()]);
  }
}
