import { type BufferRange, BufferSet, guarded, readRanges } from '../../src/gpu/buffers.js';
import { createPasses, encodePass, type PassSpec } from '../../src/gpu/passes.js';
import { requestDevice } from '../../src/node/index.js';

export { randomFloats } from './numbers.js';

/** One device per test file: drivers for CPU adapters do not like many. */
let device: Promise<GPUDevice> | undefined;
export const testDevice = (): Promise<GPUDevice> => {
  device ??= requestDevice();
  return device;
};

/** Runs passes once, in order, and fails on any GPU error. */
export async function dispatch(gpu: GPUDevice, specs: readonly PassSpec[]): Promise<void> {
  const passes = await createPasses(gpu, specs);
  await guarded(gpu, 'test', () => {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const each of passes) encodePass(each, pass);
    pass.end();
    gpu.queue.submit([encoder.finish()]);
  });
}

export async function readFloats(gpu: GPUDevice, at: BufferRange): Promise<Float32Array> {
  const [bytes] = await readRanges(gpu, 'test', [at]);
  return new Float32Array(bytes!);
}

export const buffersFor = (gpu: GPUDevice, name: string) => new BufferSet(gpu, `test-${name}`);

/** Rows of `width` values set at a stride, with NaN in the padding: what must not be read shows. */
export function strided(
  values: Float32Array,
  width: number,
  stride: number,
  padding = Number.NaN,
): Float32Array<ArrayBuffer> {
  const rows = values.length / width;
  const out = new Float32Array(rows * stride).fill(padding);
  for (let row = 0; row < rows; row++) out.set(values.subarray(row * width, (row + 1) * width), row * stride);
  return out;
}

/** The inverse of `strided`. */
export function dense(values: Float32Array, width: number, stride: number): Float32Array {
  const rows = Math.floor(values.length / stride);
  const out = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) out.set(values.subarray(row * stride, row * stride + width), row * width);
  return out;
}

/** The same device that says other things of itself: smaller limits, or that it is another adapter's. */
export const likeDevice = (
  own: GPUDevice,
  { limits, description }: { readonly limits?: Readonly<Record<string, number>>; readonly description?: string },
): GPUDevice =>
  new Proxy(own, {
    get: (target, key) => {
      if (key === 'limits' && limits) {
        return new Proxy(target.limits, {
          get: (all, name) => limits[name as string] ?? Reflect.get(all, name, all),
        });
      }
      if (key === 'adapterInfo' && description !== undefined) return { description };
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
