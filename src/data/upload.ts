import { type BufferRange, type BufferSet, checkBindable, range } from '../gpu/buffers.js';
import { rowStride } from '../kernels/matrix.js';
import type { Dataset } from './dataset.js';

/** A data set on the GPU: bytes stay bytes, rows start at multiples of 4 values. */
export interface DeviceData {
  readonly samples: number;
  readonly features: number;
  readonly encoding: 'bytes' | 'f32';
  readonly scale: number;
  readonly shift: number;
  readonly x: BufferRange;
  /** One u32 per sample, or [samples, width] float32. */
  readonly targets: BufferRange;
  readonly bytes: number;
}

/** Rows moved at once when a data set must be padded: bounds the host memory it takes. */
const CHUNK_ROWS = 4096;

/**
 * Throws LIMIT-BINDING when the data set cannot be one binding.
 */
export function checkUploadable(device: GPUDevice, data: Dataset): void {
  const { samples, targets } = data;
  const width = data.x instanceof Uint8Array ? 1 : 4;
  const bytes = samples * rowStride(data.features) * width;
  const fix = width === 4 ? 'Keep the values as bytes (Uint8Array), or use fewer samples.' : 'Use fewer samples.';
  checkBindable(device, `The data set (${samples} samples)`, bytes, fix);
  const perSample = targets.kind === 'classes' ? 1 : targets.width;
  checkBindable(device, `The targets of ${samples} samples`, 4 * samples * perSample, 'Use fewer samples.');
}

/** Uploads a data set. The buffers belong to `buffers`. */
export function uploadDataset(buffers: BufferSet, data: Dataset): DeviceData {
  const { samples, features, targets } = data;
  const bytesPerValue = data.x.BYTES_PER_ELEMENT;
  const stride = rowStride(features);
  const x = buffers.storage('data', samples * stride * bytesPerValue);
  for (let first = 0; first < samples; first += CHUNK_ROWS) {
    const rows = Math.min(CHUNK_ROWS, samples - first);
    // Node's Buffer is a Uint8Array too, so not `data.x.constructor`.
    const Values = data.x instanceof Uint8Array ? Uint8Array : Float32Array;
    const source = data.x.subarray(first * features, (first + rows) * features);
    const padded = new Values(rows * stride);
    if (stride === features) padded.set(source);
    else
      for (let row = 0; row < rows; row++)
        padded.set(source.subarray(row * features, (row + 1) * features), row * stride);
    buffers.device.queue.writeBuffer(x, first * stride * bytesPerValue, padded);
  }
  const wanted = targets.kind === 'classes' ? Uint32Array.from(targets.labels) : new Float32Array(targets.values);
  return {
    samples,
    features,
    encoding: bytesPerValue === 1 ? 'bytes' : 'f32',
    scale: data.scale,
    shift: data.shift,
    x: range(x),
    targets: range(buffers.upload('targets', wanted)),
    bytes: x.size + wanted.byteLength,
  };
}
