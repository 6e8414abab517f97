import { adam, createOptimizer } from 'downhill';
import { deviceOf, step, tensors } from 'downhill/interop/tfjs';

/** Trains variables of TensorFlow.js; `lossOf(step)` computes the loss from them with its operations. */
export async function train(tf, variables, lossOf, steps) {
  let optimizer;
  for (let i = 0; i < steps; i++) {
    const { value, grads } = tf.variableGrads(() => lossOf(i), variables);
    // 1e-7 is the eps of TensorFlow.js' own Adam; PyTorch's, the default here, is 1e-8.
    optimizer ??= await createOptimizer(deviceOf(tf), adam({ lr: 0.01, eps: 1e-7 }), tensors(tf, grads));
    step(tf, optimizer, grads);
    tf.dispose([value, grads]);
  }
  return optimizer;
}
