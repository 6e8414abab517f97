import { adam, createOptimizer } from 'downhill';

/**
 * Splats in records of 16 floats (64 bytes), gradients in others of 12 that kernels add to as atomic<i32>. `count` are there, the
 * buffers hold `room`; `visible` has a u32 for each.
 */
export function makeSplats(device, { splats, gradients, visible, count, room }) {
  const field = (name, width, [at, gradAt], lr, unit, rest) => ({
    ...{ name, shape: [count, width], group: { lr }, gradients: { fixed: unit } },
    param: { buffer: splats, offset: 4 * at, stride: 64 },
    grad: { buffer: gradients, offset: 4 * gradAt, stride: 48 },
    ...{ active: visible, reserve: room, ...rest },
  });
  const tensors = [
    field('position', 2, [0, 0], 2e-3, 2 ** -16),
    field('scale', 2, [4, 2], 5e-3, 2 ** -16),
    field('angle', 1, [6, 4], 1e-2, 2 ** -16),
    field('opacity', 1, [7, 5], 5e-2, 2 ** -20),
    // Six coefficients, the last three at a twentieth of the rate.
    field('colour', 6, [8, 6], 1e-2, 2 ** -20, { rates: { period: Float32Array.of(1, 1, 1, 0.05, 0.05, 0.05) } }),
  ];
  return createOptimizer(device, adam({ eps: 1e-15 }), tensors, { zeroGrad: true });
}

/** Keeps and splits: splat i is then what kept[i] was. The copies' moments start anew, and so do those of the last, new ones. */
export function densify(encoder, optimizer, { kept, copies, added }) {
  optimizer.gather(encoder, kept, { params: true });
  optimizer.reset(encoder, copies);
  optimizer.grow(encoder, kept.length + added);
}
