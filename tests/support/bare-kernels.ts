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

export interface VectorCase {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly overrides: Readonly<Record<string, boolean>>;
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

/**
 * Runs cases of one rule that have the same overrides, each as a tensor and group of its own in one arena.
 *
 * @throws Error where WebGPU refuses anything
 */
export async function runCases(device: GPUDevice, vectors: Vectors, cases: readonly VectorCase[]): Promise<Outcome[]> {
  const kernel = manifest.kernels[vectors.kernel]!;
  const length = vectors.param.length;
  const elements = CHUNK * cases.length;
  const { STORAGE, UNIFORM, COPY_DST, COPY_SRC } = GPUBufferUsage;
  device.pushErrorScope('validation');

  const buffers = new Map<string, GPUBuffer>();
  const fill = (name: string, of: (index: number) => ArrayLike<number>) => {
    const values = new Float32Array(elements);
    for (const index of cases.keys()) values.set(of(index), CHUNK * index);
    device.queue.writeBuffer(buffers.get(name)!, 0, values);
  };
  const repeat = (value: number) => new Float32Array(length).fill(value);
  const slots = Object.keys(cases[0]!.initial);
  for (const { name, space, type } of kernel.bindings) {
    const fixed = /, (\d+)>$/.exec(type)?.[1];
    const off = !['hyper', 'param', 'grad', 'group_of', ...slots].includes(name);
    const size = space === 'uniform' ? Number(fixed) * kernel.structs.Hyper!.size : off ? 256 : 4 * elements;
    const usage = COPY_DST | (space === 'uniform' ? UNIFORM : STORAGE | COPY_SRC);
    buffers.set(name, device.createBuffer({ label: name, size, usage }));
  }
  fill('param', () => vectors.param);
  for (const slot of slots) fill(slot, (index) => repeat(cases[index]!.initial[slot]!));
  device.queue.writeBuffer(buffers.get('group_of')!, 0, Uint32Array.from(cases.keys()));

  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: {
      module: device.createShaderModule({ code: readFileSync(resolve(root, kernel.file), 'utf8') }),
      entryPoint: kernel.entryPoint,
      constants: Object.fromEntries(Object.entries(cases[0]!.overrides).map(([key, on]) => [key, on ? 1 : 0])),
    },
  });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: kernel.bindings.map(({ binding, name }) => ({ binding, resource: { buffer: buffers.get(name)! } })),
  });

  const outcomes: Outcome[] = cases.map(() => []);
  for (let t = 1; t <= vectors.gradients.length; t++) {
    fill('grad', () => vectors.gradients[t - 1]!);
    device.queue.writeBuffer(buffers.get('hyper')!, 0, records(kernel, cases, t));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(1);
    pass.end();
    device.queue.submit([encoder.finish()]);
    if (!cases[0]!.after.some(({ steps }) => steps === t)) continue;
    const seen = new Map<string, Float32Array>();
    for (const name of ['param', ...slots]) seen.set(name, await read(device, buffers.get(name)!, elements));
    for (const [index, outcome] of outcomes.entries()) {
      const own = [...seen].map(([name, all]) => [name, all.slice(CHUNK * index, CHUNK * index + length)] as const);
      outcome.push(Object.fromEntries(own));
    }
  }
  const error = await device.popErrorScope();
  for (const buffer of buffers.values()) buffer.destroy();
  if (error) throw new Error(error.message);
  return outcomes;
}

/** The records of an update, one per case, by the manifest's layout of `Hyper`. */
function records(kernel: Kernel, cases: readonly VectorCase[], t: number): ArrayBuffer {
  const { size, fields } = kernel.structs.Hyper!;
  const bytes = new ArrayBuffer(size * cases.length);
  const view = new DataView(bytes);
  for (const [index, { scalars }] of cases.entries()) {
    for (const { name, type, offset } of fields) {
      const value = scalarAt(scalars, name, t);
      if (type === 'f32') view.setFloat32(size * index + offset, value, true);
      else view.setUint32(size * index + offset, value, true);
    }
  }
  return bytes;
}

async function read(device: GPUDevice, buffer: GPUBuffer, elements: number): Promise<Float32Array> {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const staging = device.createBuffer({ size: 4 * elements, usage });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, 4 * elements);
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
    const largest = vectors.param.map((value) => Math.abs(name === 'param' ? value : told.initial[name]!));
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
