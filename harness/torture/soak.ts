/** A million steps of Adam on the GPU beside the float64 reference: far longer than any test, for what adds up slowly. */
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { adam, createOptimizer } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { Path, referenceRules, referenceState, ulp, worst } from '../../src/reference/index.js';
import { findGpu } from '../common/quiet.js';
import type { Campaign, Context } from './campaign.js';
import { followBuffers } from './gpu/faults.js';

const LENGTH = 10_000;
/** Steps of one submit. */
const BLOCK = 100;
/** Looks at the parameters between powers of ten. */
const LOOK_EVERY = 100_000;
/** What is compiled and cached early does not count as growth. */
const WARM = 10_000;
const MOST_GROWTH = 1_000_000;

/**
 * Gradients that the GPU and the CPU make alike to the bit: of element i in step t a hash's 24 bits, shifted so that some
 * elements have a drift, times a power of two between 2^-20 and 2^11: all of it exact in f32.
 */
const GRADIENTS = `
@group(0) @binding(0) var<storage, read_write> step: u32;
@group(0) @binding(1) var<storage, read_write> grad: array<f32>;

fn hash(x: u32) -> u32 {
  let state = x * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

@compute @workgroup_size(64)
fn fill(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&grad)) { return; }
  let drawn = i32(hash(hash(id.x) + step) >> 8u) - (1 << 23u) + (i32(id.x & 3u) << 20u);
  grad[id.x] = ldexp(f32(drawn), i32((id.x >> 2u) & 31u) - 43);
}

@compute @workgroup_size(1)
fn next() { step += 1u; }
`;

function hash(x: number): number {
  const state = (Math.imul(x, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

const KEYS = Uint32Array.from({ length: LENGTH }, (_, i) => hash(i));
const SCALES = Float64Array.from({ length: LENGTH }, (_, i) => 2 ** (((i >> 2) & 31) - 43));

function fillGradients(grad: Float64Array, step: number): void {
  for (let i = 0; i < LENGTH; i++) {
    const drawn = (hash((KEYS[i]! + step) >>> 0) >>> 8) - 2 ** 23 + ((i & 3) << 20);
    grad[i] = drawn * SCALES[i]!;
  }
}

export const soak: Campaign = {
  name: 'soak',
  attacks: 'Adam on 10,000 parameters for a million steps beside float64, with memory watched',
  unit: 'steps',
  sizes: { short: 2000, full: 1_000_000 },
  async run(context) {
    await findGpu();
    const device = await requestDevice({ label: 'downhill:soak' });
    try {
      await steps(device, context);
    } finally {
      device.destroy();
    }
  },
};

/** A step is one of these. */
const isLook = (step: number): boolean => step % LOOK_EVERY === 0 || /^10*$/.test(String(step));

async function steps(device: GPUDevice, context: Context): Promise<void> {
  const { size, signal, random, tried, figure } = context;
  const start = Float32Array.from({ length: LENGTH }, () => 2 * random() - 1);
  const buffers = followBuffers(device);
  const gpu = await onDevice(device, start);
  const twin = new Twin(start);
  const memory = new Memory(() => buffers.live().length, context);
  for (let step = 0; step < size && !signal.aborted; ) {
    const block = Math.min(BLOCK, size - step);
    const done = gpu.train(block);
    for (let i = 0; i < block; i++) twin.step(step++);
    await done;
    tried(block);
    if (!isLook(step) && step !== size) continue;
    compare(await gpu.read(), twin, step, context);
    if (step >= Math.min(WARM, size / 2)) await memory.look(step);
  }
  figure('parameters', String(LENGTH));
  gpu.destroy();
}

/** The same in float64. */
class Twin {
  readonly param: Float64Array;
  readonly path: Path;
  readonly #grad = new Float64Array(LENGTH);
  readonly #state = referenceState(referenceRules.adam, LENGTH);

  constructor(start: Float32Array) {
    this.param = new Float64Array(start);
    this.path = new Path(this.param);
  }

  step(step: number): void {
    fillGradients(this.#grad, step);
    referenceRules.adam.update(this.param, this.#grad, this.#state, step + 1);
    this.path.advance(this.param);
  }
}

interface Read {
  readonly values: Float32Array;
  readonly count: number;
}

function compare({ values, count }: Read, { param, path }: Twin, step: number, { fail, figure }: Context): void {
  if (count !== step) fail(`After ${step} steps the optimizer counts ${count}.`);
  const { index, ratio, actual, expected, limit } = worst(values, param, (i) => path.limit(i, step));
  if (!(ratio <= 1))
    fail(`After ${step} steps element ${index} is ${actual} instead of ${expected}, more than ${limit} off.`);
  const errors = Array.from(values, (value, i) => Math.abs(value - param[i]!) / ulp(path.largest[i]!));
  errors.sort((a, b) => a - b);
  const [most, usual] = [errors.at(-1)!, errors[Math.floor(0.99 * LENGTH)]!].map((each) => each.toFixed(1));
  figure(`after ${step}`, `${most} ULP (99 %: ${usual}), ${ratio.toFixed(3)} of the limit`);
}

/** What is there after a while must be there at the end, and no more. */
class Memory {
  readonly #collect: () => Promise<number>;
  #first: { readonly step: number; readonly heap: number; readonly buffers: number } | undefined;

  constructor(
    readonly buffers: () => number,
    readonly context: Context,
  ) {
    this.#collect = garbageCollector();
  }

  async look(step: number): Promise<void> {
    const { fail, figure } = this.context;
    const now = { step, heap: await this.#collect(), buffers: this.buffers() };
    this.#first ??= now;
    const { heap, buffers, step: since } = this.#first;
    figure('heap growth', `${now.heap - heap} B since step ${since}`);
    figure('buffers', `${now.buffers}, ${buffers} at step ${since}`);
    if (now.heap - heap > MOST_GROWTH)
      fail(`The heap has ${now.heap - heap} bytes more at step ${step} than at ${since}.`);
    if (now.buffers !== buffers) fail(`${now.buffers} buffers are there at step ${step}, ${buffers} at ${since}.`);
  }
}

/** Gives the bytes of JavaScript that are there for good. */
function garbageCollector(): () => Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  return async () => {
    let fewest = Number.POSITIVE_INFINITY;
    // One collection leaves what the next ones take: wrappers of which the native side is freed first.
    for (let i = 0; i < 5; i++) {
      await setTimeout(100);
      collect();
      const { heapUsed, external } = process.memoryUsage();
      fewest = Math.min(fewest, heapUsed + external);
    }
    return fewest;
  };
}

/** The optimizer on its own buffers, with the kernel that fills gradients before each step. */
async function onDevice(device: GPUDevice, start: Float32Array<ArrayBuffer>) {
  const make = (size: number, usage: number) => device.createBuffer({ label: 'soak', size, usage });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const param = make(4 * LENGTH, STORAGE | COPY_SRC | COPY_DST);
  const grad = make(4 * LENGTH, STORAGE);
  const clock = make(4, STORAGE);
  const staging = make(4 * LENGTH, MAP_READ | COPY_DST);
  device.queue.writeBuffer(param, 0, start);
  const module = device.createShaderModule({ label: 'soak', code: GRADIENTS });
  const binding = (binding: number) => ({
    binding,
    visibility: GPUShaderStage.COMPUTE,
    buffer: { type: 'storage' as const },
  });
  const layout = device.createBindGroupLayout({ entries: [binding(0), binding(1)] });
  const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
  const pipeline = (entryPoint: string) =>
    device.createComputePipeline({ layout: pipelineLayout, compute: { module, entryPoint } });
  const [fill, next] = [pipeline('fill'), pipeline('next')];
  const entries = [clock, grad].map((buffer, i) => ({ binding: i, resource: { buffer } }));
  const group = device.createBindGroup({ layout, entries });
  const optimizer = await createOptimizer(device, adam(), [{ name: 'w', shape: [LENGTH], param, grad }]);
  return {
    /** Records so many steps and submits them; resolves when they are done. */
    train(count: number): Promise<undefined> {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (let i = 0; i < count; i++) {
        pass.setBindGroup(0, group);
        pass.setPipeline(fill);
        pass.dispatchWorkgroups(Math.ceil(LENGTH / 64));
        pass.setPipeline(next);
        pass.dispatchWorkgroups(1);
        optimizer.step(pass);
      }
      pass.end();
      device.queue.submit([encoder.finish()]);
      return device.queue.onSubmittedWorkDone();
    },
    async read(): Promise<Read> {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(param, 0, staging, 0, 4 * LENGTH);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const values = new Float32Array(staging.getMappedRange()).slice();
      staging.unmap();
      return { values, count: (await optimizer.read()).count };
    },
    destroy: () => optimizer.destroy(),
  };
}
