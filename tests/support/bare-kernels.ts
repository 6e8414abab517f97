import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/*
 * What a host does that has nothing but shaders/manifest.json, the WGSL files and the vectors: nothing of src/ is used here.
 */

const root = resolve(import.meta.dirname, '../..');
const parse = <T>(path: string): T => JSON.parse(readFileSync(resolve(root, path), 'utf8')) as T;

interface Kernel {
  readonly file: string;
  readonly entryPoint: string;
  readonly bindings: readonly {
    readonly binding: number;
    readonly name: string;
    readonly space: 'uniform' | 'storage';
    readonly access: 'read' | 'read_write';
    readonly type: string;
  }[];
  readonly overrides: readonly { readonly name: string; readonly default: number | boolean }[];
  readonly structs: Readonly<
    Record<
      string,
      {
        readonly size: number;
        readonly fields: readonly { readonly name: string; readonly type: string; readonly offset: number }[];
      }
    >
  >;
}

interface RuleEntry {
  readonly kernel: string;
  readonly hyper: readonly { readonly name: string; readonly default: unknown }[];
  readonly slots: readonly {
    readonly name: string;
    readonly override?: string;
    readonly when?: string;
    readonly initial: string;
  }[];
  readonly carry: readonly { readonly name: string; readonly start: string }[];
  readonly scalars?: readonly { readonly name: string; readonly formula: string }[];
  readonly vectors: string;
}

interface Manifest {
  readonly kernels: Readonly<Record<string, Kernel>>;
  readonly rules: Readonly<Record<string, RuleEntry>>;
}

/** The dispatches of a step, where it has several. */
interface Plan {
  readonly buffers: readonly { readonly name: string; readonly bytes: number; readonly words?: readonly number[] }[];
  readonly dispatches: readonly {
    readonly kernel: string;
    readonly overrides: Readonly<Record<string, number | boolean>>;
    readonly shape?: Readonly<Record<string, number>>;
    readonly buffers: Readonly<Record<string, string | { readonly buffer: string; readonly offset: number }>>;
    readonly workgroups: number;
  }[];
}

export interface VectorCase {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly overrides: Readonly<Record<string, boolean>>;
  readonly plan?: Plan;
  readonly initial: Readonly<Record<string, number>>;
  readonly scalars: Readonly<Record<string, number | readonly number[]>>;
  readonly after: readonly ({ readonly steps: number } & Readonly<
    Record<string, { readonly values: readonly number[]; readonly ulps: number }>
  >)[];
}

export interface Vectors {
  readonly rule: string;
  readonly kernel: string;
  readonly shape: readonly number[];
  readonly param: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly plan?: Plan;
  readonly cases: readonly VectorCase[];
}

export const manifest = parse<Manifest>('shaders/manifest.json');
export const vectorsOf = (rule: string): Vectors => parse<Vectors>(manifest.rules[rule]!.vectors);

/** One scalar of update number t, from 1. */
export const scalarAt = (scalars: VectorCase['scalars'], name: string, t: number): number => {
  const value = scalars[name];
  return typeof value === 'object' ? value[t - 1]! : value!;
};

/** Floats of a chunk: tensors begin at multiples of it, `group_of` has an entry per chunk. */
const CHUNK = 64;

/** What every array is after the steps that a case tells of, by case, then by moment, then by name. */
export type Outcome = Readonly<Record<string, Float32Array>>[];

interface Host {
  readonly buffers: ReadonlyMap<string, GPUBuffer>;
  /** Writes an array of every case. */
  fill(name: string, of: (index: number) => ArrayLike<number>): void;
  /** Records a step. */
  encode(pass: GPUComputePassEncoder): void;
}

/**
 * Runs cases of one rule: of one dispatch, those with the same overrides, each as a tensor and group of its own in one arena; of several,
 * one.
 *
 * @throws Error where WebGPU refuses anything
 */
export async function runCases(device: GPUDevice, vectors: Vectors, cases: readonly VectorCase[]): Promise<Outcome[]> {
  device.pushErrorScope('validation');
  const plan = cases[0]!.plan ?? vectors.plan;
  const { buffers, fill, encode } = await (plan ? hostOfPlan(device, plan) : hostOfOne(device, vectors.kernel, cases));
  fill('param', () => vectors.param);
  for (const slot of Object.keys(cases[0]!.initial)) {
    const length = cases[0]!.after[0]![slot]!.values.length;
    fill(slot, (index) => new Float32Array(length).fill(cases[index]!.initial[slot]!));
  }
  const outcomes: Outcome[] = cases.map(() => []);
  for (let t = 1; t <= vectors.gradients.length; t++) {
    fill('grad', () => vectors.gradients[t - 1]!);
    device.queue.writeBuffer(buffers.get('hyper')!, 0, records(manifest.kernels[vectors.kernel]!, cases, t));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const moment = cases[0]!.after.find(({ steps }) => steps === t);
    if (!moment) continue;
    for (const name of ['param', ...Object.keys(cases[0]!.initial)]) {
      const all = await read(device, buffers.get(name)!);
      for (const [index, outcome] of outcomes.entries()) {
        const own = all.slice(CHUNK * index, CHUNK * index + moment[name]!.values.length);
        outcome[cases[0]!.after.indexOf(moment)] = { ...outcome[cases[0]!.after.indexOf(moment)], [name]: own };
      }
    }
  }
  const error = await device.popErrorScope();
  for (const buffer of buffers.values()) buffer.destroy();
  if (error) throw new Error(error.message);
  return outcomes;
}

const usageOf = (name: string) => {
  const { STORAGE, UNIFORM, COPY_DST, COPY_SRC } = GPUBufferUsage;
  return COPY_DST | COPY_SRC | STORAGE | (name === 'hyper' || name.endsWith(' shape') ? UNIFORM : 0);
};

/** Bytes of the records: the uniform is bound whole. */
const HYPER_BYTES = 1024 * 64;

/** A rule of one dispatch over an arena of all cases. */
async function hostOfOne(device: GPUDevice, name: string, cases: readonly VectorCase[]): Promise<Host> {
  const kernel = manifest.kernels[name]!;
  const elements = CHUNK * cases.length;
  const live = ['param', 'grad', 'group_of', ...Object.keys(cases[0]!.initial)];
  const buffers = new Map<string, GPUBuffer>();
  for (const { name: binding } of kernel.bindings) {
    const size = binding === 'hyper' ? HYPER_BYTES : live.includes(binding) ? 4 * elements : 256;
    buffers.set(binding, device.createBuffer({ label: binding, size, usage: usageOf(binding) }));
  }
  device.queue.writeBuffer(buffers.get('group_of')!, 0, Uint32Array.from(cases.keys()));
  const pipeline = await pipelineOf(device, kernel, cases[0]!.overrides);
  const group = bind(device, pipeline, kernel, (binding) => ({ buffer: buffers.get(binding)! }));
  return {
    buffers,
    fill(array, of) {
      const values = new Float32Array(elements);
      for (const index of cases.keys()) values.set(of(index), CHUNK * index);
      device.queue.writeBuffer(buffers.get(array)!, 0, values);
    },
    encode(pass) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(1);
    },
  };
}

/** A rule of several dispatches, for one case. */
async function hostOfPlan(device: GPUDevice, plan: Plan): Promise<Host> {
  const buffers = new Map<string, GPUBuffer>();
  const make = (name: string, size: number, words?: ArrayLike<number>) => {
    const buffer = device.createBuffer({ label: name, size, usage: usageOf(name) });
    buffers.set(name, buffer);
    if (words) device.queue.writeBuffer(buffer, 0, Uint32Array.from(words));
    return buffer;
  };
  make('hyper', HYPER_BYTES);
  for (const { name, bytes, words } of plan.buffers) make(name, bytes, words);
  const passes: { pipeline: GPUComputePipeline; group: GPUBindGroup; workgroups: number }[] = [];
  for (const [i, { kernel: name, overrides, shape, buffers: places, workgroups }] of plan.dispatches.entries()) {
    const kernel = manifest.kernels[name]!;
    const pipeline = await pipelineOf(device, kernel, overrides);
    const group = bind(device, pipeline, kernel, (binding) => {
      if (binding === 'shape' && shape) {
        const { size, fields } = kernel.structs.Shape!;
        return { buffer: make(`${i} shape`, size, new Uint32Array(pack(size, fields, (field) => shape[field]!))) };
      }
      const place = places[binding] ?? make(`${i} ${binding} off`, 256).label;
      const { buffer, offset } = typeof place === 'string' ? { buffer: place, offset: 0 } : place;
      return { buffer: buffers.get(buffer)!, offset };
    });
    passes.push({ pipeline, group, workgroups });
  }
  return {
    buffers,
    fill(array, of) {
      device.queue.writeBuffer(buffers.get(array)!, 0, Float32Array.from(of(0)));
    },
    encode(pass) {
      for (const { pipeline, group, workgroups } of passes) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(workgroups);
      }
    },
  };
}

const pipelines = new WeakMap<GPUDevice, Map<string, Promise<GPUComputePipeline>>>();

/** Made once for all cases of a device: of shampoo's, CPU adapters take seconds to compile. */
function pipelineOf(device: GPUDevice, kernel: Kernel, overrides: Readonly<Record<string, number | boolean>>) {
  const known = pipelines.get(device) ?? new Map<string, Promise<GPUComputePipeline>>();
  pipelines.set(device, known);
  const key = JSON.stringify([kernel.file, kernel.entryPoint, overrides]);
  const made =
    known.get(key) ??
    device.createComputePipelineAsync({
      layout: 'auto',
      compute: {
        module: device.createShaderModule({ code: readFileSync(resolve(root, kernel.file), 'utf8') }),
        entryPoint: kernel.entryPoint,
        constants: Object.fromEntries(Object.entries(overrides).map(([name, value]) => [name, Number(value)])),
      },
    });
  known.set(key, made);
  return made;
}

const bind = (
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  { bindings }: Kernel,
  place: (binding: string) => GPUBufferBinding,
): GPUBindGroup =>
  device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: bindings.map(({ binding, name }) => ({ binding, resource: place(name) })),
  });

type Fields = Kernel['structs'][string]['fields'];

/** A struct's bytes by the manifest's layout. */
function pack(size: number, fields: Fields, of: (name: string) => number): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(size));
  for (const { name, type, offset } of fields) {
    if (type === 'f32') view.setFloat32(offset, of(name), true);
    else view.setUint32(offset, of(name), true);
  }
  return view.buffer;
}

/** The records of an update, one per case. */
function records(kernel: Kernel, cases: readonly VectorCase[], t: number): Uint8Array<ArrayBuffer> {
  const { size, fields } = kernel.structs.Hyper!;
  const bytes = new Uint8Array(size * cases.length);
  for (const [index, { scalars }] of cases.entries())
    bytes.set(new Uint8Array(pack(size, fields, (name) => scalarAt(scalars, name, t))), size * index);
  return bytes;
}

async function read(device: GPUDevice, buffer: GPUBuffer): Promise<Float32Array> {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const staging = device.createBuffer({ size: buffer.size, usage });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return values;
}

/** The unit in the last place of an f32 of this size. */
const ulp = (x: number): number => 2 ** (Math.max(Math.floor(Math.log2(x)), -126) - 23);

/**
 * How far an outcome is from what a case tells, as the share of what is allowed: at each moment `ulps` units in the last place of the largest
 * that the vectors have of the element, from the start to that moment.
 */
export function worst(
  vectors: Vectors,
  told: VectorCase,
  outcome: Outcome,
): { readonly ratio: number; readonly where: string } {
  let found = { ratio: 0, where: '' };
  for (const name of ['param', ...Object.keys(told.initial)]) {
    const start = name === 'param' ? vectors.param : told.after[0]![name]!.values.map(() => told.initial[name]!);
    const largest = start.map(Math.abs);
    for (const [moment, after] of told.after.entries()) {
      const { values, ulps } = after[name]!;
      for (const [i, value] of values.entries()) {
        largest[i] = Math.max(largest[i]!, Math.abs(value));
        const difference = Math.abs(outcome[moment]![name]![i]! - value);
        const ratio = difference === 0 ? 0 : difference / (ulps * ulp(largest[i]!));
        if (!(ratio <= found.ratio)) found = { ratio, where: `${name}[${i}] after ${after.steps} steps` };
      }
    }
  }
  return found;
}
