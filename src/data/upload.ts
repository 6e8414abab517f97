import { type BufferRange, BufferSet, checkBindable, range } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { rowStride } from '../kernels/matrix.js';
import type { Dataset } from './dataset.js';
import { isScaledOnHost, scaleRows } from './scaling.js';
import { isSource } from './source.js';
import { kindOf } from './targets.js';

/** Samples without targets: what a network takes to predict. */
export type Samples = Pick<Dataset, 'samples' | 'features' | 'x' | 'scale' | 'shift'>;

/** Samples on the GPU: bytes stay bytes, rows start at multiples of 4 values. */
export interface DeviceSamples {
  readonly samples: number;
  readonly encoding: 'bytes' | 'f32';
  readonly scale: number;
  readonly shift: number;
  readonly x: BufferRange;
  readonly bytes: number;
}

/** A data set on the GPU. */
export interface DeviceData extends DeviceSamples {
  /** One u32 per sample, or [samples, width] float32. */
  readonly targets: BufferRange;
}

/** Rows moved at once when samples must be padded: bounds the host memory it takes. */
const CHUNK_ROWS = 4096;

/** Throws LIMIT-BINDING when samples, or their targets, cannot be one binding; OPTION-TYPE when they are a source's. */
export function checkUploadable(device: GPUDevice, data: Samples & Partial<Pick<Dataset, 'targets'>>): void {
  const { samples, targets } = data;
  if (isSource(data)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `A source of ${samples} samples cannot be on the GPU as a whole, as it has to be here.`,
      'Pass samples in memory, made with arrays() or idx().',
    );
  }
  const { encoding, bytesPerRow } = encodingOf(data);
  const bytes = samples * bytesPerRow;
  const fix =
    encoding === 'f32' ? 'Keep the values as bytes (Uint8Array), or use fewer samples.' : 'Use fewer samples.';
  checkBindable(device, `The data set (${samples} samples)`, bytes, fix);
  if (!targets) return;
  const targetBytes = 4 * samples * kindOf(targets).perSample(targets);
  checkBindable(device, `The targets of ${samples} samples`, targetBytes, 'Use fewer samples.');
}

/** How samples lie on the GPU, and what their first layer makes of them. */
export function encodingOf(data: Samples) {
  const onHost = isScaledOnHost(data);
  const bytesPerValue = onHost ? 4 : data.x.BYTES_PER_ELEMENT;
  const [scale, shift] = onHost ? [1, 0] : [data.scale as number, data.shift as number];
  const encoding = bytesPerValue === 1 ? ('bytes' as const) : ('f32' as const);
  return { encoding, scale, shift, bytesPerRow: rowStride(data.features) * bytesPerValue };
}

/** Uploads samples. The buffer belongs to `buffers`. */
export function uploadSamples(buffers: BufferSet, data: Samples): DeviceSamples {
  const { encoding, scale, shift, bytesPerRow } = encodingOf(data);
  const x = buffers.storage('data', data.samples * bytesPerRow);
  writeSamples(buffers.device.queue, x, 0, data);
  return { samples: data.samples, encoding, scale, shift, x: range(x), bytes: x.size };
}

/** Writes samples into a buffer, from a row on. */
export function writeSamples(queue: GPUQueue, x: GPUBuffer, row: number, data: Samples): void {
  const { samples, features } = data;
  const { encoding, bytesPerRow } = encodingOf(data);
  const onHost = isScaledOnHost(data);
  const stride = rowStride(features);
  for (let first = 0; first < samples; first += CHUNK_ROWS) {
    const rows = Math.min(CHUNK_ROWS, samples - first);
    // Node's Buffer is a Uint8Array too, so not `data.x.constructor`.
    const Values = encoding === 'bytes' ? Uint8Array : Float32Array;
    const source = data.x.subarray(first * features, (first + rows) * features);
    const padded = new Values(rows * stride);
    if (onHost) scaleRows(source, features, data, padded as Float32Array, stride);
    else if (stride === features) padded.set(source);
    else for (let i = 0; i < rows; i++) padded.set(source.subarray(i * features, (i + 1) * features), i * stride);
    queue.writeBuffer(x, (row + first) * bytesPerRow, padded);
  }
}

/** Uploads a data set. The buffers belong to `buffers`. */
export function uploadDataset(buffers: BufferSet, data: Dataset): DeviceData {
  const { targets } = data;
  const wanted = kindOf(targets).upload(targets);
  const onGpu = uploadSamples(buffers, data);
  return { ...onGpu, targets: range(buffers.upload('targets', wanted)), bytes: onGpu.bytes + wanted.byteLength };
}

/** One copy of each data set on the GPU, for as long as somebody uses it. */
export class Uploads {
  readonly #held = new Map<Dataset, { readonly buffers: BufferSet; readonly data: DeviceData; users: number }>();

  constructor(
    readonly device: GPUDevice,
    readonly label: string,
  ) {}

  /** The data set's copy; `give` it back. Creates buffers where there is none yet: call it in an error scope. */
  take(data: Dataset): DeviceData {
    let held = this.#held.get(data);
    if (!held) {
      const buffers = new BufferSet(this.device, this.label);
      try {
        held = { buffers, data: uploadDataset(buffers, data), users: 0 };
      } catch (error) {
        buffers.destroy();
        throw error;
      }
      this.#held.set(data, held);
    }
    held.users++;
    return held.data;
  }

  give(data: Dataset): void {
    const held = this.#held.get(data);
    if (!held || --held.users > 0) return;
    held.buffers.destroy();
    this.#held.delete(data);
  }

  /** Frees all copies, whoever uses them. */
  destroy(): void {
    for (const { buffers } of this.#held.values()) buffers.destroy();
    this.#held.clear();
  }
}
