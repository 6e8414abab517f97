import type { Shader } from '../shaders/shader.js';
import type { BufferRange } from './buffers.js';
import { ALIGNMENT, BufferSet, guarded, range, roundUp } from './buffers.js';
import { COMPUTE_STAGE, USAGE } from './constants.js';
import { DownhillError } from './errors.js';
import { untilLost } from './lost.js';

/*
 * From a description of a dispatch (PassSpec) to one that only needs recording (Pass). Modules, layouts and pipelines are
 * cached per device, so that every distinct (shader, constants) compiles once; bind groups are made once per pass.
 */

/** What one dispatch runs and on what. Pure data: made by the wrappers of src/kernels, compiled by `createPasses`. */
export interface PassSpec {
  /** '<plan>/<pass>', without the 'downhill:' in front. */
  readonly label: string;
  readonly shader: Shader;
  readonly constants: Readonly<Record<string, number | boolean>>;
  /** Fields of the shader's uniform `shape`, where it has one: sizes that need no pipeline of their own. */
  readonly shape?: Readonly<Record<string, number>>;
  /** By the names of the WGSL bindings. A storage binding left out gets a dummy range. */
  readonly buffers: Readonly<Record<string, BufferRange | undefined>>;
  /** Constant words by the names of WGSL bindings, uploaded once: what is too long for a `shape`. */
  readonly tables?: Readonly<Record<string, Uint32Array<ArrayBuffer>>>;
  /** Working memory by the names of its bindings: passes that are made together share what has one key. */
  readonly scratch?: Readonly<Record<string, { readonly key: string; readonly bytes: number }>>;
  /** Workgroups, folded over x and y; z is the replica. */
  readonly groups: number;
  readonly replicas: number;
}

/** A dispatch ready to be recorded any number of times: recording it creates nothing. */
export interface Pass {
  readonly label: string;
  readonly kernel: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly grid: readonly [number, number, number];
}

interface DeviceCache {
  readonly modules: Map<Shader, GPUShaderModule>;
  readonly layouts: Map<Shader, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>;
  /** By shader and constants, the least recently asked for first. */
  readonly pipelines: Map<string, { readonly promise: Promise<GPUComputePipeline>; ready?: GPUComputePipeline }>;
  /** A number for each shader: two of one name are two shaders. */
  readonly shaders: Map<Shader, number>;
  /** Stand-ins for slots that are off: never both read-only and writable in one dispatch, never overlapping. */
  dummies: { readonly read: GPUBuffer; readonly write: GPUBuffer } | undefined;
}

const caches = new WeakMap<GPUDevice, DeviceCache>();

function cacheOf(device: GPUDevice): DeviceCache {
  let cache = caches.get(device);
  if (!cache) {
    cache = { modules: new Map(), layouts: new Map(), pipelines: new Map(), shaders: new Map(), dummies: undefined };
    caches.set(device, cache);
  }
  return cache;
}

function layoutOf(device: GPUDevice, shader: Shader) {
  const { layouts } = cacheOf(device);
  let layout = layouts.get(shader);
  if (!layout) {
    const label = `downhill:${shader.name}`;
    const group = device.createBindGroupLayout({
      label,
      entries: shader.bindings.map(({ binding, type, minSize }) => ({
        binding,
        visibility: COMPUTE_STAGE,
        buffer: { type, minBindingSize: minSize },
      })),
    });
    layout = { group, pipeline: device.createPipelineLayout({ label, bindGroupLayouts: [group] }) };
    layouts.set(shader, layout);
  }
  return layout;
}

async function compile(
  device: GPUDevice,
  shader: Shader,
  constants: Record<string, number>,
): Promise<GPUComputePipeline> {
  const { modules } = cacheOf(device);
  const label = `downhill:${shader.name}`;
  let module = modules.get(shader);
  if (!module) {
    // In a scope of its own: what is wrong with it is told below, and is no uncaptured error of the device's owner.
    device.pushErrorScope('validation');
    module = device.createShaderModule({ label, code: shader.code });
    void device.popErrorScope().catch(() => {});
    modules.set(shader, module);
  }
  try {
    return await untilLost(
      device,
      device.createComputePipelineAsync({
        label,
        layout: layoutOf(device, shader).pipeline,
        compute: { module, entryPoint: shader.entryPoint, constants },
      }),
    );
  } catch (cause) {
    if (cause instanceof DownhillError) throw cause;
    throw await compileError(shader, constants, module, cause);
  }
}

/** What the driver says, with the lines it speaks of: the text is the bundled one, which has no comments. */
async function compileError(
  shader: Shader,
  constants: Readonly<Record<string, number>>,
  module: GPUShaderModule,
  cause: unknown,
): Promise<DownhillError> {
  const { messages } = await module.getCompilationInfo();
  const code = shader.code.split('\n');
  const lines = messages.map(
    ({ lineNum, linePos, type, message }) =>
      `\n  ${type} at ${lineNum}:${linePos}: ${message}\n    ${code[lineNum - 1]}`,
  );
  return new DownhillError(
    'SHADER-COMPILE',
    `The shader ${shader.name} did not compile with ${JSON.stringify(constants)}: ${(cause as Error).message}${lines.join('')}`,
    'Report this with the name of your adapter and browser.',
    cause,
  );
}

/** Pipelines kept for shaders and constants that may come again: passes hold their own, so dropping one only costs time. */
const MOST_PIPELINES = 256;

/** The constants as numbers, and what a pipeline with them is kept by. */
function keyOf(device: GPUDevice, shader: Shader, constants: Readonly<Record<string, number | boolean>>) {
  const values: Record<string, number> = {};
  for (const key of Object.keys(constants).sort()) {
    if (!(key in shader.overrides))
      throw new DownhillError('INTERNAL', `${shader.name} has no override ${key}.`, 'Report this.');
    values[key] = Number(constants[key]);
  }
  const { shaders } = cacheOf(device);
  if (!shaders.has(shader)) shaders.set(shader, shaders.size);
  return { values, id: `${shaders.get(shader)} ${JSON.stringify(values)}` };
}

/** The pipeline of a shader with these override constants; compiled once per device. */
export function getPipeline(
  device: GPUDevice,
  shader: Shader,
  constants: Readonly<Record<string, number | boolean>>,
): Promise<GPUComputePipeline> {
  const { values, id } = keyOf(device, shader, constants);
  const { pipelines } = cacheOf(device);
  const entry: { promise: Promise<GPUComputePipeline>; ready?: GPUComputePipeline } = pipelines.get(id) ?? {
    promise: compile(device, shader, values),
  };
  // Again, so that those asked for last come last.
  pipelines.delete(id);
  pipelines.set(id, entry);
  entry.promise.then(
    (pipeline) => {
      entry.ready = pipeline;
    },
    () => pipelines.delete(id),
  );
  for (const old of [...pipelines.keys()].slice(0, -MOST_PIPELINES)) pipelines.delete(old);
  return entry.promise;
}

/** The same at once: where it is not there yet, whoever asks first waits for the compiler. */
function pipelineNow({ shader, constants }: PassSpec, device: GPUDevice): GPUComputePipeline {
  const { values, id } = keyOf(device, shader, constants);
  const { pipelines, modules } = cacheOf(device);
  const known = pipelines.get(id)?.ready;
  if (known) return known;
  const label = `downhill:${shader.name}`;
  const module = modules.get(shader) ?? device.createShaderModule({ label, code: shader.code });
  modules.set(shader, module);
  const ready = device.createComputePipeline({
    label,
    layout: layoutOf(device, shader).pipeline,
    compute: { module, entryPoint: shader.entryPoint, constants: values },
  });
  pipelines.set(id, { promise: Promise.resolve(ready), ready });
  return ready;
}

/** Workgroups beyond what one dimension of a dispatch holds are folded into the second. */
export function foldGrid(groups: number, max: number): readonly [number, number] {
  if (groups <= max) return [Math.max(groups, 1), 1];
  const y = Math.ceil(groups / max);
  return [Math.ceil(groups / y), y];
}

/** The tables of a pass as buffers. */
function writeTables(buffers: BufferSet, { label, shader, tables = {} }: PassSpec): Record<string, BufferRange> {
  return Object.fromEntries(
    Object.entries(tables).map(([name, words]) => {
      const binding = shader.bindings.find((each) => each.name === name);
      if (!binding) throw new DownhillError('INTERNAL', `${shader.name} has no table ${name}.`, 'Report this.');
      const usage = binding.type === 'uniform' ? USAGE.UNIFORM : USAGE.STORAGE;
      const bytes = Math.max(words.byteLength, binding.minSize);
      const buffer = buffers.make(`${label.slice(label.indexOf('/') + 1)}/${name}`, bytes, usage | USAGE.COPY_DST);
      buffers.device.queue.writeBuffer(buffer, 0, words);
      // No more than there is: kernels go by the length.
      return [name, { buffer, offset: 0, size: bytes }];
    }),
  );
}

function bindGroupOf(
  device: GPUDevice,
  spec: PassSpec,
  shape: BufferRange | undefined,
  tables: Readonly<Record<string, BufferRange>>,
): GPUBindGroup {
  const cache = cacheOf(device);
  let spare = 0;
  const entries = spec.shader.bindings.map(({ binding, name, type }): GPUBindGroupEntry => {
    const given = name === 'shape' && shape ? shape : (tables[name] ?? spec.buffers[name]);
    if (given) return { binding, resource: { buffer: given.buffer, offset: given.offset, size: given.size } };
    if (type === 'uniform')
      throw new DownhillError('INTERNAL', `${spec.label}: binding ${name} is missing.`, 'Report this.');
    cache.dummies ??= {
      read: device.createBuffer({ label: 'downhill:dummy/read', size: ALIGNMENT, usage: USAGE.STORAGE }),
      write: device.createBuffer({ label: 'downhill:dummy/write', size: 8 * ALIGNMENT, usage: USAGE.STORAGE }),
    };
    const resource =
      type === 'read-only-storage'
        ? { buffer: cache.dummies.read }
        : { buffer: cache.dummies.write, offset: ALIGNMENT * spare++, size: ALIGNMENT };
    return { binding, resource };
  });
  for (const name of Object.keys(spec.buffers)) {
    if (!spec.shader.bindings.some((binding) => binding.name === name)) {
      throw new DownhillError('INTERNAL', `${spec.shader.name} has no binding ${name}.`, 'Report this.');
    }
  }
  return device.createBindGroup({
    label: `downhill:${spec.label}`,
    layout: layoutOf(device, spec.shader).group,
    entries,
  });
}

/** The words of a pass's `shape`, as its shader lays them out. */
function shapeWords({ label, shader, shape = {} }: PassSpec): Uint32Array<ArrayBuffer> {
  const { size, fields } = shader.structs.Shape!;
  const words = new Uint32Array(size / 4);
  const floats = new Float32Array(words.buffer);
  for (const [name, { offset, type }] of Object.entries(fields)) {
    const value = shape[name];
    if (value === undefined) throw new DownhillError('INTERNAL', `${label}: the shape lacks ${name}.`, 'Report this.');
    if (type === 'f32') floats[offset / 4] = value;
    else words[offset / 4] = value;
  }
  return words;
}

/** The shapes of all passes in one buffer, a range for each that has one. */
function writeShapes(buffers: BufferSet, specs: readonly PassSpec[]): (BufferRange | undefined)[] {
  const words = specs.map((spec) => (spec.shape ? shapeWords(spec) : undefined));
  const bytes = words.reduce((sum, each) => sum + (each ? roundUp(each.byteLength, ALIGNMENT) : 0), 0);
  if (bytes === 0) return words.map(() => undefined);
  const buffer = buffers.make('shapes', bytes, USAGE.UNIFORM | USAGE.COPY_DST);
  let next = 0;
  return words.map((each) => {
    if (!each) return undefined;
    const offset = next;
    next += roundUp(each.byteLength, ALIGNMENT);
    buffers.device.queue.writeBuffer(buffer, offset, each);
    return { buffer, offset, size: each.byteLength };
  });
}

/** Passes with their working memory among their buffers: one buffer a key, as large as the largest of them wants it. */
function withScratch(buffers: BufferSet, specs: readonly PassSpec[]): readonly PassSpec[] {
  const sizes = new Map<string, number>();
  const wanted = specs.flatMap(({ scratch = {} }) => Object.values(scratch));
  for (const { key, bytes } of wanted) sizes.set(key, Math.max(bytes, sizes.get(key) ?? 0));
  if (sizes.size === 0) return specs;
  const made = new Map([...sizes].map(([key, bytes]) => [key, buffers.storage(`scratch-${key}`, bytes)]));
  return specs.map(({ scratch = {}, ...spec }) => {
    const ranges = Object.entries(scratch).map(([name, { key, bytes }]) => [name, range(made.get(key)!, 0, bytes)]);
    return { ...spec, buffers: { ...spec.buffers, ...Object.fromEntries(ranges) } };
  });
}

function finishPasses(
  buffers: BufferSet,
  given: readonly PassSpec[],
  pipelines: readonly GPUComputePipeline[],
): { readonly passes: Pass[]; rebind(to: ReadonlyMap<GPUBuffer, GPUBuffer>): Pass[] } {
  const { device } = buffers;
  const shapes = writeShapes(buffers, given);
  const specs = withScratch(buffers, given);
  const tables = specs.map((spec) => writeTables(buffers, spec));
  const passes = specs.map((spec, i) => ({
    label: `downhill:${spec.label}`,
    kernel: spec.shader.name,
    pipeline: pipelines[i]!,
    bindGroup: bindGroupOf(device, spec, shapes[i], tables[i]!),
    grid: [...foldGrid(spec.groups, device.limits.maxComputeWorkgroupsPerDimension), spec.replicas] as const,
  }));
  const rebind = (to: ReadonlyMap<GPUBuffer, GPUBuffer>) =>
    specs.map((spec, i) => {
      const moved = Object.entries(spec.buffers).filter(([, given]) => given && to.has(given.buffer));
      if (moved.length === 0) return passes[i]!;
      const own = moved.map(([name, given]) => [name, { ...given!, buffer: to.get(given!.buffer)! }]);
      const other = { ...spec, buffers: { ...spec.buffers, ...Object.fromEntries(own) } };
      return { ...passes[i]!, bindGroup: bindGroupOf(device, other, shapes[i], tables[i]!) };
    });
  return { passes, rebind };
}

/**
 * Makes passes ready to record.
 *
 * @param buffers gets the small buffer of their shapes, and working memory; by default these live as long as the passes do
 */
export async function createPasses(
  device: GPUDevice,
  specs: readonly PassSpec[],
  buffers = new BufferSet(device, 'passes'),
): Promise<Pass[]> {
  const pipelines = await Promise.all(specs.map(({ shader, constants }) => getPipeline(device, shader, constants)));
  // In error scopes: a pass that the GPU process refused would drop every submit it is part of, without a word.
  return guarded(device, specs[0]?.label ?? 'passes', () => finishPasses(buffers, specs, pipelines).passes);
}

/** The same at once, and again for other buffers of the same sizes in place of some: then only bind groups are made. */
export const makePasses = (buffers: BufferSet, specs: readonly PassSpec[]) =>
  finishPasses(
    buffers,
    specs,
    specs.map((spec) => pipelineNow(spec, buffers.device)),
  );

/** Records a pass. The caller's compute pass keeps no other trace than its pipeline and group 0. */
export function encodePass(pass: Pass, encoder: GPUComputePassEncoder): void {
  encoder.setPipeline(pass.pipeline);
  encoder.setBindGroup(0, pass.bindGroup);
  encoder.dispatchWorkgroups(pass.grid[0], pass.grid[1], pass.grid[2]);
}

/** Records passes into a compute pass of their own. */
export function encodePasses(encoder: GPUCommandEncoder, label: string, passes: readonly Pass[]): void {
  const pass = encoder.beginComputePass({ label });
  for (const each of passes) encodePass(each, pass);
  pass.end();
}
