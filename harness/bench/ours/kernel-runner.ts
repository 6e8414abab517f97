/** Runs passes of downhill/kernels over and over: what contenders that are kernels share. */
import { encodePass, type Pass } from '../../../src/kernels/index.js';
import { generator } from '../../common/random.js';
import type { Part } from '../contract.js';

/** Iterations of one submit. */
const PER_SUBMIT = 256;

/** What one iteration dispatches, in order. Each writes what it or the next reads, so none can be skipped or overlap. */
type Encode = (pass: GPUComputePassEncoder) => void;

export const encodeAll =
  (passes: readonly Pass[]): Encode =>
  (encoder) => {
    for (const pass of passes) encodePass(pass, encoder);
  };

/** A kernel on arrays of its own, which can be moved. */
export class KernelRunner<Name extends string> implements Part {
  #encode: Encode = () => {};
  #arrays: Readonly<Record<Name, GPUBuffer>>;
  #spacer: GPUBuffer | undefined;
  readonly #random = generator(1);

  private constructor(
    readonly device: GPUDevice,
    private readonly lengths: Readonly<Record<Name, number>>,
    private readonly bind: (arrays: Readonly<Record<Name, GPUBuffer>>) => Encode | Promise<Encode>,
  ) {
    this.#arrays = this.#allocate();
  }

  /**
   * @param lengths floats of each array; they start as zeros
   * @param bind makes an iteration of the arrays; called again whenever they are elsewhere
   */
  static async create<Name extends string>(
    device: GPUDevice,
    lengths: Readonly<Record<Name, number>>,
    bind: (arrays: Readonly<Record<Name, GPUBuffer>>) => Encode | Promise<Encode>,
  ): Promise<KernelRunner<Name>> {
    const runner = new KernelRunner(device, lengths, bind);
    runner.#encode = await bind(runner.#arrays);
    return runner;
  }

  record(iterations: number): void {
    for (let done = 0; done < iterations; done += PER_SUBMIT) {
      const encoder = this.device.createCommandEncoder({ label: 'bench' });
      const pass = encoder.beginComputePass({ label: 'bench' });
      for (let i = Math.min(PER_SUBMIT, iterations - done); i > 0; i--) this.#encode(pass);
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

  /** @param offset bytes */
  write(name: Name, values: Float32Array<ArrayBuffer>, offset = 0): void {
    this.device.queue.writeBuffer(this.#arrays[name], offset, values);
  }

  fill(name: Name, value: number): void {
    this.write(name, new Float32Array(this.lengths[name]).fill(value));
  }

  read(name: Name, length = this.lengths[name]): Promise<Float32Array> {
    return readFloats(this.device, this.#arrays[name], length);
  }

  /** Moves the arrays elsewhere, contents and all, and binds anew. */
  async relocate(): Promise<void> {
    const [old, spacer] = [this.#arrays, this.#spacer];
    // While the old ones still have their place; in another order, and behind something of another size.
    this.#spacer = storage(this.device, 1024 * Math.ceil(1 + 63 * this.#random()));
    this.#arrays = this.#allocate();
    const encoder = this.device.createCommandEncoder({ label: 'bench' });
    for (const name of Object.keys(old) as Name[]) {
      encoder.copyBufferToBuffer(old[name], 0, this.#arrays[name], 0, old[name].size);
    }
    this.device.queue.submit([encoder.finish()]);
    this.#encode = await this.bind(this.#arrays);
    await this.settle();
    for (const buffer of [...(Object.values(old) as GPUBuffer[]), spacer]) buffer?.destroy();
  }

  destroy(): void {
    this.device.destroy();
  }

  #allocate(): Record<Name, GPUBuffer> {
    const names = Object.keys(this.lengths) as Name[];
    const order = names.map((name) => [this.#random(), name] as const).sort(([a], [b]) => a - b);
    return Object.fromEntries(order.map(([, name]) => [name, storage(this.device, this.lengths[name])])) as Record<
      Name,
      GPUBuffer
    >;
  }
}

/** A storage buffer of so many floats; at least as large as the smallest binding. */
function storage(device: GPUDevice, length: number): GPUBuffer {
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const size = Math.max(16 * Math.ceil(length / 4), 256);
  return device.createBuffer({ label: 'bench', size, usage: STORAGE | COPY_SRC | COPY_DST });
}

async function readFloats(device: GPUDevice, buffer: GPUBuffer, length: number): Promise<Float32Array> {
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
