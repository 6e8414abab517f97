// What server and clients agree on, and how tensors travel: a safetensors file, whose reader takes nothing that is damaged.
import { decodeSafetensors, encodeSafetensors, mlp } from 'downhill';

export const model = mlp({ sizes: [784, 32, 10], activation: 'relu' });

/** Weights among the tensors of a checkpoint: '0.weight', '2.bias' … */
const isWeight = (name) => /^\d+\.(weight|bias)$/.test(name);

/** @returns {Promise<Map<string, { shape: readonly number[], values: Float32Array }>>} of a trainer, as it is now */
export async function weightsOf(trainer) {
  const { tensors } = decodeSafetensors(await trainer.checkpoint());
  return new Map([...tensors].filter(([name]) => isWeight(name)).map(([name, tensor]) => [name, floats(tensor)]));
}

const floats = ({ shape, bytes }) => ({ shape, values: new Float32Array(bytes.slice().buffer) });

/** @param {Record<string, string>} texts such as the round */
export function packed(weights, texts) {
  const bytes = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const tensors = [...weights].map(([name, { shape, values }]) => [
    name,
    { dtype: 'F32', shape, bytes: bytes(values) },
  ]);
  return encodeSafetensors(new Map(tensors), texts);
}

/** @throws DownhillError CHECKPOINT-CORRUPT; Error for a tensor of another kind */
export function unpacked(bytes) {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const weights = [...tensors].map(([name, tensor]) => {
    if (tensor.dtype !== 'F32') throw new Error(`${name} is no float32`);
    return [name, floats(tensor)];
  });
  return { weights: new Map(weights), metadata };
}
