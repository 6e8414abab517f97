import { adamw, createOptimizer } from 'downhill';

/** `param` and `grad` are buffers of yours, on your device. */
export async function attach(device, param, grad) {
  const optimizer = await createOptimizer(device, adamw({ lr: 1e-3 }), [{ name: 'w', shape: [784, 10], param, grad }]);
  return (encoder) => optimizer.step(encoder); // one update; submits, maps and allocates nothing
}
