/*
 * What is attacked: one of each kind of object that computes on a device, small and with all that it has, behind one set of
 * calls. What they come to is bytes, to be compared bit by bit.
 */
import {
  adam,
  arrays,
  type CallerMinimizer,
  createMinimizer,
  createOptimizer,
  createPopulation,
  createTrainer,
  ema,
  lbfgs,
  type MinimizerPoint,
  mlp,
  type OptimizerState,
  type Population,
  sgd,
  type Trainer,
} from '../../../src/index.js';
import { generator } from '../../common/random.js';

/** One of a kind, on a device. */
export interface Live {
  /** Trains on. @param heard is told of every step, once and in order */
  train(steps: number, heard?: (step: number, value: unknown) => void): Promise<void>;
  /** Steps submitted so far: those to come are counted from there. */
  step(): number;
  /** Asks what it is worth, which changes nothing. */
  evaluate(): Promise<unknown>;
  /** All that it goes on from. */
  save(): Promise<Uint8Array>;
  /** What it is, where that is less than `save` tells. */
  read(): Promise<unknown>;
  destroy(): void;
}

export interface Subject {
  readonly name: string;
  /** @param saved goes on from there */
  create(device: GPUDevice, saved?: Uint8Array): Promise<Live>;
}

const [SAMPLES, FEATURES, CLASSES] = [20, 6, 3];

/** Random samples with random classes: nothing to learn, everything to compare. */
function noise(samples: number, seed: number) {
  const random = generator(seed);
  return arrays({
    x: Float32Array.from({ length: samples * FEATURES }, () => 2 * random() - 1),
    y: Uint8Array.from({ length: samples }, () => Math.floor(CLASSES * random())),
    classes: CLASSES,
    features: FEATURES,
  });
}

export const data = noise(SAMPLES, 1);
export const held = noise(12, 2);
/** A step to a submit, so that losses come back one by one. */
const SUBMIT_MS = 1e-3;

/** Trains what tells of every step. */
function telling<T extends { readonly step: number }>(
  run: (steps: number) => AsyncIterable<T>,
  told: (report: T) => unknown,
): Pick<Live, 'train'> {
  return {
    async train(steps, heard = () => {}) {
      for await (const report of run(steps)) heard(report.step, told(report));
    },
  };
}

const ofTrainer = (trainer: Trainer): Live => ({
  ...telling(
    (steps) => trainer.run({ steps }),
    (report) => report,
  ),
  step: () => trainer.step,
  evaluate: () => trainer.evaluate(held),
  save: () => trainer.checkpoint(),
  read: async () => ({
    parameters: await trainer.readParameters({ weights: 'current' }),
    state: await trainer.state(),
  }),
  destroy: () => trainer.destroy(),
});

/** A trainer with what most have turned on. */
export const makeTrainer = (device: GPUDevice) =>
  createTrainer(device, {
    model: mlp({ sizes: [FEATURES, 5, CLASSES], activation: 'tanh' }),
    rule: adam({ lr: 0.05 }),
    ...{ data, batchSize: 8, submitMs: SUBMIT_MS, average: ema({ decay: 0.8 }), skipNonFinite: true },
    validation: { data: held, every: { iterations: 5 }, keepBest: true },
  });

const trainer: Subject = {
  name: 'trainer',
  async create(device, saved) {
    const made = await makeTrainer(device);
    if (saved) await made.restore(saved);
    return ofTrainer(made);
  },
};

const ofPopulation = (population: Population): Live => ({
  ...telling(
    (steps) => population.run({ steps }),
    ({ losses, validation }) => ({ losses, validation }),
  ),
  step: () => population.step,
  evaluate: () => population.evaluate(held),
  save: () => population.checkpoint(),
  read: async () => [await population.readParameters(0), await population.readParameters(2)],
  destroy: () => population.destroy(),
});

/** A population of two rules. */
export const makePopulation = (device: GPUDevice) =>
  createPopulation(device, {
    model: mlp({ sizes: [FEATURES, 4, CLASSES], activation: 'relu' }),
    ...{ data, batchSize: 8, submitMs: SUBMIT_MS, skipNonFinite: true },
    members: [
      { rule: adam({ lr: 0.05 }), seed: 1 },
      { rule: sgd({ lr: 0.1, momentum: 0.9 }), seed: 2 },
      { rule: adam({ lr: 0.01 }), seed: 3 },
    ],
    validation: { data: held, every: { iterations: 4 } },
  });

const population: Subject = {
  name: 'population',
  async create(device, saved) {
    const made = await makePopulation(device);
    if (saved) await made.restore(saved);
    return ofPopulation(made);
  },
};

/** STORAGE, COPY_SRC, COPY_DST: no global of WebGPU is needed. */
export const STORAGE = 0x80 | 0x04 | 0x08;

/** A caller's buffer of floats. */
export function floats(device: GPUDevice, values: Float32Array<ArrayBuffer>): GPUBuffer {
  const buffer = device.createBuffer({ label: 'the caller’s', size: Math.max(values.byteLength, 256), usage: STORAGE });
  device.queue.writeBuffer(buffer, 0, values);
  return buffer;
}

/** Reads a caller's buffer, as a caller would. */
export async function readFloats(device: GPUDevice, buffer: GPUBuffer, bytes: number): Promise<Float32Array> {
  const staging = device.createBuffer({ label: 'the caller’s', size: bytes, usage: 0x01 | 0x08 });
  try {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(0x01);
    return new Float32Array(staging.getMappedRange().slice(0));
  } finally {
    staging.destroy();
  }
}

const WEIGHTS = 70;

/** Of the caller's optimizer: parameters, and what the optimizer remembers, as text. */
interface SavedOptimizer {
  readonly step: number;
  readonly params: readonly number[];
  readonly state: unknown;
}

const typed = (_: string, value: unknown) =>
  ArrayBuffer.isView(value) ? { type: value.constructor.name, values: [...(value as Float32Array)] } : value;
const untyped = (_: string, value: unknown) => {
  const { type, values } = (value ?? {}) as { type?: string; values?: number[] };
  if (!type || !values) return value;
  return new { Float32Array, Uint32Array, Float64Array, Uint8Array, Uint16Array, Int32Array }[type as 'Float32Array'](
    values,
  );
};
const toBytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value, typed));
const fromBytes = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes), untyped);

/** An optimizer on a caller's buffers, whose gradients are drawn for each step. */
export async function makeOptimizer(device: GPUDevice, params: Float32Array<ArrayBuffer>) {
  const [param, grad] = [floats(device, params), floats(device, new Float32Array(WEIGHTS))];
  const close = () => {
    param.destroy();
    grad.destroy();
  };
  const tensors = [
    { name: 'w', shape: [8, 8], param: { buffer: param, offset: 0 }, grad: { buffer: grad, offset: 0 } },
    { name: 'b', shape: [6], param: { buffer: param, offset: 256 }, grad: { buffer: grad, offset: 256 } },
  ];
  try {
    const made = await createOptimizer(device, adam({ lr: 0.01 }), tensors, {
      clip: { globalNorm: 1 },
      skipNonFinite: true,
    });
    return { made, param, grad, close };
  } catch (error) {
    close();
    throw error;
  }
}

export const drawn = (count: number, seed: number) => {
  const random = generator(seed);
  return Float32Array.from({ length: count }, () => 2 * random() - 1);
};

const optimizer: Subject = {
  name: 'optimizer',
  async create(device, saved) {
    const from = saved && (fromBytes(saved) as SavedOptimizer);
    const params = from ? Float32Array.from(from.params) : drawn(WEIGHTS, 7);
    const { made, param, grad, close } = await makeOptimizer(device, params);
    if (from) made.load(from.state as OptimizerState);
    let step = from?.step ?? 0;
    const own = async () => {
      try {
        return await readFloats(device, param, 4 * WEIGHTS);
      } catch (error) {
        await made.read(); // says what the matter is with the device
        throw error;
      }
    };
    return {
      async train(steps, heard = () => {}) {
        for (let i = 0; i < steps; i++) {
          device.queue.writeBuffer(grad, 0, drawn(WEIGHTS, 100 + step++));
          const encoder = device.createCommandEncoder();
          made.step(encoder);
          device.queue.submit([encoder.finish()]);
        }
        heard(step, await made.read());
      },
      step: () => step,
      evaluate: () => made.read(),
      async save() {
        const state = await made.state();
        return toBytes({ step, params: [...(await own())], state });
      },
      read: async () => [await made.state(), await own()],
      destroy() {
        made.destroy();
        close();
      },
    };
  },
};

/** Rosenbrock's function of x = (a, b). */
const ROSENBROCK = `
  @group(0) @binding(0) var<storage, read> x: array<f32>;
  @group(0) @binding(1) var<storage, read_write> grad: array<f32>;
  @group(0) @binding(2) var<storage, read_write> value: array<f32>;
  @compute @workgroup_size(1) fn main() {
    let rest = x[1] - x[0] * x[0];
    value[0] = (1.0 - x[0]) * (1.0 - x[0]) + 100.0 * rest * rest;
    grad[0] = -2.0 * (1.0 - x[0]) - 400.0 * x[0] * rest;
    grad[1] = 200.0 * rest;
  }`;

/** A minimizer of a caller's function, from a place on. */
export async function makeMinimizer(device: GPUDevice, start: Float32Array<ArrayBuffer>) {
  const x = floats(device, start);
  try {
    const module = device.createShaderModule({ label: 'the caller’s', code: ROSENBROCK });
    const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
    let groups: readonly GPUBindGroup[] = [];
    const evaluate = (encoder: GPUCommandEncoder, { index }: MinimizerPoint) => {
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, groups[index]!);
      pass.dispatchWorkgroups(1);
      pass.end();
    };
    const tensors = [{ name: 'x', shape: [2], param: { buffer: x, offset: 0 } }];
    const made: CallerMinimizer = await createMinimizer(device, lbfgs(), tensors, { evaluate });
    groups = made.points.map(({ params, grads, value }) =>
      device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [params.x!, grads.x!, value].map((resource, binding) => ({ binding, resource })),
      }),
    );
    return { made, x };
  } catch (error) {
    x.destroy();
    throw error;
  }
}

/** It has no state to save: both who goes on and who begins there anew begin at the parameters. */
const minimizer: Subject = {
  name: 'minimizer',
  async create(device, saved) {
    const { made, x } = await makeMinimizer(
      device,
      saved ? new Float32Array(saved.slice().buffer) : Float32Array.of(-1.2, 1),
    );
    const own = async () => {
      try {
        return await readFloats(device, x, 8);
      } catch (error) {
        await made.read();
        throw error;
      }
    };
    let rounds = 0;
    return {
      step: () => rounds,
      async train(steps) {
        for (let i = 0; i < steps; i++) {
          const encoder = device.createCommandEncoder();
          made.step(encoder);
          device.queue.submit([encoder.finish()]);
          rounds++;
        }
        await made.read();
      },
      evaluate: () => made.read(),
      async save() {
        const values = await own();
        made.reset();
        return new Uint8Array(values.buffer as ArrayBuffer);
      },
      read: own,
      destroy() {
        made.destroy();
        x.destroy();
      },
    };
  },
};

export const subjects: readonly Subject[] = [trainer, population, optimizer, minimizer];

/** Whether two are the same to the last bit. */
export const same = (a: unknown, b: unknown): boolean => JSON.stringify(bits(a)) === JSON.stringify(bits(b));

/** Values as text tells them apart: -0 from 0, one NaN from another. */
function bits(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) && !Object.is(value, -0) ? value : String(value);
  if (value instanceof ArrayBuffer) return bits(new Uint8Array(value));
  if (ArrayBuffer.isView(value))
    return [value.constructor.name, ...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)].join(' ');
  if (Array.isArray(value)) return value.map(bits);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, bits(each)]));
}
