import { adam, createOptimizer } from 'downhill';
import { step, tensors } from 'downhill/interop/jax';

/** Trains arrays of jax-js, { w: np.array(…) }; `gradOf` is the jitted grad of a loss of such an object. */
export async function train({ getWebGPUDevice, tree }, params, gradOf, steps) {
  const device = getWebGPUDevice();
  let optimizer;
  for (let i = 0; i < steps; i++) {
    const grads = gradOf(tree.ref(params));
    optimizer ??= await createOptimizer(device, adam({ lr: 0.01 }), tensors(params, grads));
    step(device, optimizer, grads);
    tree.dispose(grads);
  }
  return optimizer;
}
