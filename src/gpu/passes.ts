import type { Shader } from '../shaders/shader.js';
import type { BufferRange } from './buffers.js';
import { ALIGNMENT, BufferSet, guarded, range, roundUp } from './buffers.js';
import { USAGE } from './constants.js';
import { DownhillError, show } from './errors.js';
import { checkInteger, checkText } from './fields.js';
import { getPipeline, layoutOf, pipelineNow } from './pipelines.js';
import { needStandIns, standInsNow } from './stand-ins.js';

/*
 * From a description of a dispatch (PassSpec) to one that only needs recording (Pass): its buffers and bind group are made
 * once, its pipeline is the device's.
 */

/** What one dispatch runs and on what. Pure data: made by the wrappers of src/kernels, compiled by `createPasses`. */
export interface PassSpec {
  /** '<plan>/<pass>', without the 'downhill:' in front. */
  readonly label: string;
  readonly shader: Shader;
  readonly constants: Readonly<Record<string, number | boolean>>;
  /** Fields of the shader's uniform `shape`, where it has one: sizes that need no pipeline of their own. */
  readonly shape?: Readonly<Record<string, number>>;
  /** By the names of the WGSL bindings. A storage binding left out gets a stand-in. */
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

/** @throws DownhillError BUFFER-RANGE where a range is none of its buffer's: the GPU process would refuse the whole group */
function checkBound(where: string, { buffer, offset, size }: BufferRange): BufferRange {
  const whole = [offset, size].every((bytes) => Number.isInteger(bytes) && bytes >= 0 && bytes % 4 === 0);
  if (whole && size > 0 && offset + size <= buffer?.size) return { buffer, offset, size };
  throw new DownhillError(
    'BUFFER-RANGE',
    `${where}: ${show(size)} bytes from ${show(offset)} on are no range of a buffer of ${show(buffer?.size)}.`,
    'Pass range(buffer, offset, size), in multiples of 4 bytes that the buffer has.',
  );
}

function bindGroupOf(
  device: GPUDevice,
  spec: PassSpec,
  shape: BufferRange | undefined,
  tables: Readonly<Record<string, BufferRange>>,
): GPUBindGroup {
  let spare = 0;
  const entries = spec.shader.bindings.map(({ binding, name, type }): GPUBindGroupEntry => {
    const given = name === 'shape' && shape ? shape : (tables[name] ?? spec.buffers[name]);
    if (given) return { binding, resource: checkBound(`${spec.label}: ${name}`, given) };
    if (type === 'uniform')
      throw new DownhillError('INTERNAL', `${spec.label}: binding ${name} is missing.`, 'Report this.');
    const { read, write } = standInsNow(device);
    const resource =
      type === 'read-only-storage' ? { buffer: read } : { buffer: write, offset: ALIGNMENT * spare++, size: ALIGNMENT };
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

/** Whether a storage binding has nothing of its own. */
const lacksBuffer = ({ shader, buffers, tables = {}, scratch = {} }: PassSpec): boolean =>
  shader.bindings.some(({ name, type }) => type !== 'uniform' && !buffers[name] && !tables[name] && !scratch[name]);

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
  for (const { label, groups, replicas } of specs) {
    // Dawn ends the process of Node over a label that is a symbol.
    checkText('The label of a pass', label);
    checkInteger(`${label}: its workgroups`, groups, 0);
    checkInteger(`${label}: its replicas`, replicas, 1);
  }
  const pipelines = await Promise.all(specs.map(({ shader, constants }) => getPipeline(device, shader, constants)));
  await needStandIns(device, specs.some(lacksBuffer));
  // In error scopes: a pass that the GPU process refused would drop every submit it is part of, without a word.
  return guarded(device, specs[0]?.label ?? 'passes', () => finishPasses(buffers, specs, pipelines).passes);
}

/** The same at once, and again for other buffers of the same sizes in place of some: then only bind groups are made. */
export const makePasses = (buffers: BufferSet, specs: readonly PassSpec[]) =>
  finishPasses(
    buffers,
    specs,
    specs.map(({ shader, constants }) => pipelineNow(buffers.device, shader, constants)),
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
