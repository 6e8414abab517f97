import { adam, createTrainer, mlp, source } from 'downhill';

/** A billion points of the plane, made as they are needed: which side of the circle are they on? */
export function circle() {
  const at = (i) => [Math.sin(i * 12.9898), Math.sin(i * 78.233)];
  return source({
    samples: 1e9,
    features: 2,
    classes: 2,
    read: (indices) => ({
      x: Float32Array.from({ length: 2 * indices.length }, (_, k) => at(indices[k >> 1])[k & 1]),
      y: Uint8Array.from(indices, (i) => (Math.hypot(...at(i)) < 0.8 ? 1 : 0)),
    }),
  });
}

export const trainOn = (device, data) =>
  createTrainer(device, { model: mlp({ sizes: [2, 16, 2] }), rule: adam({ lr: 0.01 }), data, batchSize: 64 });
