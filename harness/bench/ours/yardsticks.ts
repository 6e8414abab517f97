/** What an update is measured against: a copy of as many arrays, and the kernel most apps carry. */
import type { Check, Environment, Runner, UpdatePeer, UpdateTask } from '../contract.js';
import copyCode from './copy.wgsl?raw';
import { KernelRunner } from './kernel-runner.js';
import naiveCode from './naive.wgsl?raw';
import { checkElements, updatePeer } from './update.js';

/** Most states of copy.wgsl. */
const STATES = 5;
const WORKGROUP = 64;
/** Enough for a large GPU; the rest is strided over. */
const MAX_GROUPS = 16_384;
/** vec4 elements an invocation takes: as the update's kernels on a GPU. */
const PER_INVOCATION = 4;

/** Reads and writes what an update with so many state slots reads and writes. */
export async function copyKernel(elements: number, states: number, environment: Environment): Promise<Runner> {
  const device = await environment.requestDevice('bench:copy');
  checkElements(device, elements);
  const length = 4 * Math.ceil(elements / 4);
  const pipeline = await compile(device, copyCode, 'copy', { STATES: states, WORKGROUP });
  // Bindings in their order; what is off is bound all the same, to a little array of its own.
  const names = ['param', 'grad', ...Array.from({ length: STATES }, (_, i) => `s${i}`)];
  const lengths = Object.fromEntries(names.map((name, i) => [name, i < states + 2 ? length : 64]));
  const groups = Math.min(Math.ceil(length / 4 / PER_INVOCATION / WORKGROUP), MAX_GROUPS);
  const kernels = await KernelRunner.create(device, lengths, (arrays) => {
    const bindGroup = bind(
      device,
      pipeline,
      names.map((name) => arrays[name]!),
    );
    return dispatch(pipeline, bindGroup, groups, 1);
  });
  let checks = 0;
  return {
    part: kernels,
    run: (copies) => kernels.run(copies),
    check: () => checkCopy(kernels, names.slice(0, states + 2), elements, 10 * ++checks),
  };
}

/** Array i holds i + 1 + k everywhere; one copy later every value must have moved on by one array. */
async function checkCopy(
  kernels: KernelRunner<string>,
  names: readonly string[],
  elements: number,
  k: number,
): Promise<Check> {
  for (const [i, name] of names.entries()) kernels.fill(name, i + 1 + k);
  await kernels.run(1);
  const states = names.length - 2;
  const first = Math.max(2, states > 0 ? 3 : 1);
  for (const [i, name] of names.entries()) {
    if (i === 1) continue; // the gradient is only read
    const wanted = k + (i === 0 ? first : i === states + 1 ? 1 : i + 2);
    const values = await kernels.read(name, elements);
    const wrong = values.findIndex((value) => value !== wanted);
    if (wrong >= 0) return { ok: false, detail: `${name}[${wrong}] is ${values[wrong]}, not ${wanted}` };
  }
  return { ok: true, detail: `${states + 1} arrays of ${elements} elements copied exactly` };
}

/** State slots of each. */
const NAIVE: Readonly<Record<UpdateTask['rule'], number>> = { sgd: 0, momentum: 1, adam: 2 };
const NAIVE_WORKGROUP = 256;

/** One invocation per scalar. */
export async function naiveUpdate(
  rule: UpdateTask['rule'],
  lr: number,
  elements: number,
  environment: Environment,
): Promise<UpdatePeer> {
  const device = await environment.requestDevice('bench:naive');
  checkElements(device, elements);
  const pipeline = await compile(device, naiveCode, rule, {});
  const { UNIFORM, COPY_DST } = GPUBufferUsage;
  const settings = device.createBuffer({ label: 'bench/settings', size: 32, usage: UNIFORM | COPY_DST });
  const slots = Array.from({ length: NAIVE[rule] }, (_, i) => `s${i}`);
  const names = ['param', 'grad', ...slots];
  const groups = Math.ceil(elements / NAIVE_WORKGROUP);
  const y = Math.ceil(groups / device.limits.maxComputeWorkgroupsPerDimension);
  const lengths = Object.fromEntries(names.map((name) => [name, elements]));
  const kernels = await KernelRunner.create(device, lengths, (arrays) => {
    const bindGroup = bind(device, pipeline, [settings, ...names.map((name) => arrays[name]!)]);
    return dispatch(pipeline, bindGroup, Math.ceil(groups / y), y);
  });
  return updatePeer(kernels, elements, {
    start: () => {
      for (const slot of slots) kernels.fill(slot, 0);
    },
    ownRows: 8,
    writeRow: (count) => {
      device.queue.writeBuffer(settings, 0, new Float32Array([lr, 0.9, 0.999, 1e-8, count + 1, 0.9]));
    },
  });
}

const dispatch =
  (pipeline: GPUComputePipeline, bindGroup: GPUBindGroup, x: number, y: number) => (pass: GPUComputePassEncoder) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(x, y);
  };

function compile(device: GPUDevice, code: string, entryPoint: string, constants: Record<string, number>) {
  const module = device.createShaderModule({ label: 'bench', code });
  return device.createComputePipelineAsync({
    label: 'bench',
    layout: 'auto',
    compute: { module, entryPoint, constants },
  });
}

const bind = (device: GPUDevice, pipeline: GPUComputePipeline, buffers: readonly GPUBuffer[]) =>
  device.createBindGroup({
    label: 'bench',
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
