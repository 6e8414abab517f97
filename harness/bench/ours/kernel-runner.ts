/** Runs passes of downhill/kernels over and over: what contenders that are kernels share. */
import { encodePass, type Pass } from '../../../src/kernels/index.js';

/** Iterations of one submit. */
const PER_SUBMIT = 256;

export class KernelRunner {
  constructor(
    readonly device: GPUDevice,
    /** What one iteration dispatches, in order. Each writes what it or the next reads, so none can be skipped or overlap. */
    protected readonly encode: (pass: GPUComputePassEncoder) => void,
  ) {}

  static of(device: GPUDevice, passes: readonly Pass[]): KernelRunner {
    return new KernelRunner(device, (encoder) => {
      for (const pass of passes) encodePass(pass, encoder);
    });
  }

  record(iterations: number): void {
    for (let done = 0; done < iterations; done += PER_SUBMIT) {
      const encoder = this.device.createCommandEncoder({ label: 'bench' });
      const pass = encoder.beginComputePass({ label: 'bench' });
      for (let i = Math.min(PER_SUBMIT, iterations - done); i > 0; i--) this.encode(pass);
      pass.end();
      this.device.queue.submit([encoder.finish()]);
    }
  }

  settle(): Promise<void> {
    return this.device.queue.onSubmittedWorkDone();
  }

  run(iterations: number): Promise<void> {
    this.record(iterations);
    return this.settle();
  }
}

/** A storage buffer with `values`, or of so many floats; at least as large as the smallest binding. */
export function storage(device: GPUDevice, values: Float32Array<ArrayBuffer> | number): GPUBuffer {
  const length = typeof values === 'number' ? values : values.length;
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const size = Math.max(16 * Math.ceil(length / 4), 256);
  const buffer = device.createBuffer({ label: 'bench', size, usage: STORAGE | COPY_SRC | COPY_DST });
  if (typeof values !== 'number') device.queue.writeBuffer(buffer, 0, values);
  return buffer;
}

export async function readFloats(device: GPUDevice, buffer: GPUBuffer, length: number): Promise<Float32Array> {
  const { COPY_DST, MAP_READ } = GPUBufferUsage;
  const staging = device.createBuffer({ label: 'bench', size: 4 * length, usage: COPY_DST | MAP_READ });
  const encoder = device.createCommandEncoder({ label: 'bench' });
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, 4 * length);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return values;
}
