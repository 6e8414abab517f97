import type { Shader } from '../shaders/shader.js';
import { COMPUTE_STAGE } from './constants.js';
import { DownhillError } from './errors.js';
import { untilLost } from './lost.js';

/* Modules, layouts and pipelines of shaders, cached per device: every distinct (shader, constants) compiles once. */

/** What a device has of a shader. */
interface MadeShader {
  /** In the keys of its pipelines: two shaders of one name are two. */
  readonly id: number;
  module?: GPUShaderModule | undefined;
  layout?: { readonly group: GPUBindGroupLayout; readonly pipeline: GPUPipelineLayout } | undefined;
}

interface MadePipeline {
  readonly promise: Promise<GPUComputePipeline>;
  readonly shader: MadeShader;
  ready?: GPUComputePipeline;
}

interface DeviceCache {
  /** Those of users come and go. */
  readonly shaders: WeakMap<Shader, MadeShader>;
  /** Shaders so far. */
  count: number;
  /** By shader and constants, the least recently asked for first. */
  readonly pipelines: Map<string, MadePipeline>;
}

const caches = new WeakMap<GPUDevice, DeviceCache>();

function cacheOf(device: GPUDevice): DeviceCache {
  let cache = caches.get(device);
  if (!cache) {
    cache = { shaders: new WeakMap(), count: 0, pipelines: new Map() };
    caches.set(device, cache);
  }
  return cache;
}

function madeOf(device: GPUDevice, shader: Shader): MadeShader {
  const cache = cacheOf(device);
  const made = cache.shaders.get(shader) ?? { id: cache.count++ };
  cache.shaders.set(shader, made);
  return made;
}

export function layoutOf(device: GPUDevice, shader: Shader) {
  const made = madeOf(device, shader);
  if (made.layout) return made.layout;
  const label = `downhill:${shader.name}`;
  checkBindings(device, shader);
  const group = device.createBindGroupLayout({
    label,
    entries: shader.bindings.map(({ binding, type, minSize }) => ({
      binding,
      visibility: COMPUTE_STAGE,
      buffer: { type, minBindingSize: minSize },
    })),
  });
  made.layout = { group, pipeline: device.createPipelineLayout({ label, bindGroupLayouts: [group] }) };
  return made.layout;
}

/** Nothing is kept of a shader with which something was wrong: the next time it may be good. */
function forgetShader(made: MadeShader): void {
  made.module = undefined;
  made.layout = undefined;
}

/** @throws DownhillError LIMIT-BINDING where the device, of the compatibility mode say, has no room for what a kernel binds */
function checkBindings({ limits }: GPUDevice, { name, bindings }: Shader): void {
  const uniform = Math.max(...bindings.map(({ type, minSize }) => (type === 'uniform' ? minSize : 0)));
  const storage = bindings.filter(({ type }) => type !== 'uniform').length;
  const needed = { maxUniformBufferBindingSize: uniform, maxStorageBuffersPerShaderStage: storage };
  for (const [limit, need] of Object.entries(needed)) {
    const has = limits[limit as keyof typeof needed];
    if (need <= has) continue;
    throw new DownhillError(
      'LIMIT-BINDING',
      `The kernel ${name} needs ${limit} of ${need}, but this device allows ${has}.`,
      `Request the device with requiredLimits: { ${limit}: ${need} }.`,
    );
  }
}

async function compile(
  device: GPUDevice,
  shader: Shader,
  constants: Record<string, number>,
): Promise<GPUComputePipeline> {
  const made = madeOf(device, shader);
  const label = `downhill:${shader.name}`;
  if (!made.module) {
    // In a scope of its own: what is wrong with it is told below, and is no uncaptured error of the device's owner.
    device.pushErrorScope('validation');
    made.module = device.createShaderModule({ label, code: shader.code });
    void device.popErrorScope().catch(() => {});
  }
  const { module } = made;
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
    forgetShader(made);
    if (cause instanceof DownhillError) throw cause;
    throw await untilLost(device, compileError(shader, constants, module, cause));
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
  return { values, id: `${madeOf(device, shader).id} ${JSON.stringify(values)}` };
}

/** The pipeline of a shader with these override constants; compiled once per device, and again where that failed. */
export function getPipeline(
  device: GPUDevice,
  shader: Shader,
  constants: Readonly<Record<string, number | boolean>>,
): Promise<GPUComputePipeline> {
  const { values, id } = keyOf(device, shader, constants);
  const { pipelines } = cacheOf(device);
  const entry: MadePipeline = pipelines.get(id) ?? {
    promise: compile(device, shader, values),
    shader: madeOf(device, shader),
  };
  // Again, so that those asked for last come last.
  pipelines.delete(id);
  pipelines.set(id, entry);
  entry.promise.then(
    (pipeline) => {
      entry.ready = pipeline;
    },
    () => {
      if (pipelines.get(id) === entry) pipelines.delete(id);
    },
  );
  for (const old of [...pipelines.keys()].slice(0, -MOST_PIPELINES)) pipelines.delete(old);
  return entry.promise;
}

/** The same at once: where it is not there yet, whoever asks first waits for the compiler. */
export function pipelineNow(
  device: GPUDevice,
  shader: Shader,
  constants: Readonly<Record<string, number | boolean>>,
): GPUComputePipeline {
  const { values, id } = keyOf(device, shader, constants);
  const { pipelines } = cacheOf(device);
  const known = pipelines.get(id)?.ready;
  if (known) return known;
  const made = madeOf(device, shader);
  const label = `downhill:${shader.name}`;
  made.module ??= device.createShaderModule({ label, code: shader.code });
  const ready = device.createComputePipeline({
    label,
    layout: layoutOf(device, shader).pipeline,
    compute: { module: made.module, entryPoint: shader.entryPoint, constants: values },
  });
  pipelines.set(id, { promise: Promise.resolve(ready), ready, shader: made });
  return ready;
}

/** Has the pipelines of passes made anew when they are asked for again: something was wrong with one. */
export function forgetPipelines(device: GPUDevice, passes: readonly { readonly pipeline: GPUComputePipeline }[]): void {
  const { pipelines } = cacheOf(device);
  for (const [id, { ready, shader }] of pipelines) {
    if (!passes.some(({ pipeline }) => pipeline === ready)) continue;
    pipelines.delete(id);
    forgetShader(shader);
  }
}
