import { adamw, createOptimizer } from 'downhill';

/**
 * Weights and gradients in float16, as shaders with `enable f16;` have them: 15 numbers, and 5 right behind them. The loss was
 * multiplied by `lossScale`, so that small gradients are not lost in float16; where it made some infinite, the step is left out.
 */
export function makeMixed(device, { weights, gradients, lossScale }) {
  const half = (buffer, offset) => ({ buffer, offset, dtype: 'f16' });
  const tensors = [
    { name: 'w', shape: [3, 5], param: half(weights, 0), grad: half(gradients, 0) },
    { name: 'b', shape: [5], param: half(weights, 30), grad: half(gradients, 30) },
  ];
  return createOptimizer(device, adamw({ lr: 1e-4 }), tensors, { gradScale: 1 / lossScale, skipNonFinite: true });
}
