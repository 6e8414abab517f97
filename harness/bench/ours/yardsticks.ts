/** What an update is measured against: a copy of as many arrays, and the kernel most apps carry. */
import type { Environment, Runner, UpdatePeer, UpdateTask } from '../contract.js';
import copyCode from './copy.wgsl?raw';
import { KernelRunner, readFloats, storage } from './kernel-runner.js';
import adamCode from './naive-adam.wgsl?raw';
import momentumCode from './naive-momentum.wgsl?raw';
import sgdCode from './naive-sgd.wgsl?raw';
import { checkElements } from './update.js';

/** Most states of copy.wgsl. */
const STATES = 5;
const WORKGROUP = 64;
/** As the update's kernels: enough for a large GPU, the rest is strided over. */
const MAX_GROUPS = 16_384;
/** vec4 elements an invocation takes: as the update's kernels. */
const PER_INVOCATION = 4;

/** Reads and writes what an update with so many state slots reads and writes. */
export async function copyKernel(elements: number, states: number, environment: Environment): Promise<Runner> {
  const device = await environment.requestDevice('bench:copy');
  checkElements(device, elements);
  const length = 4 * Math.ceil(elements / 4);
  const pipeline = await compile(device, copyCode, 'copy', { STATES: states, WORKGROUP });
  // What is off is bound all the same, to a little buffer of its own.
  const arrays = Array.from({ length: STATES + 2 }, (_, i) => storage(device, i < states + 2 ? length : 64));
  const bindGroup = bind(device, pipeline, arrays);
  const groups = Math.min(Math.ceil(length / 4 / PER_INVOCATION / WORKGROUP), MAX_GROUPS);
  const kernels = new KernelRunner(device, (pass) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(groups);
  });
  let checks = 0;
  return {
    device,
    run: (copies) => kernels.run(copies),
    record: (copies) => kernels.record(copies),
    settle: () => kernels.settle(),
    async check() {
      // Array i holds i + 1 + k everywhere; every value then moves on by one array.
      const k = 10 * ++checks;
      for (const [i, buffer] of arrays.entries()) {
        if (i < states + 2) device.queue.writeBuffer(buffer, 0, new Float32Array(length).fill(i + 1 + k));
      }
      await kernels.run(1);
      const wanted = (i: number) => (i === 0 ? Math.max(2, states > 0 ? 3 : 1) : i === states + 1 ? 1 : i + 2) + k;
      for (let i = 0; i < states + 2; i++) {
        if (i === 1) continue; // the gradient is only read
        const values = await readFloats(device, arrays[i]!, elements);
        const wrong = values.findIndex((value) => value !== wanted(i));
        if (wrong >= 0)
          return { ok: false, detail: `array ${i}, element ${wrong}: ${values[wrong]}, not ${wanted(i)}` };
      }
      return { ok: true, detail: `${states + 1} arrays of ${elements} elements copied exactly` };
    },
    destroy: () => device.destroy(),
  };
}

const NAIVE: Readonly<Record<UpdateTask['rule'], { readonly code: string; readonly states: number }>> = {
  sgd: { code: sgdCode, states: 0 },
  momentum: { code: momentumCode, states: 1 },
  adam: { code: adamCode, states: 2 },
};
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
  const { code, states } = NAIVE[rule];
  const pipeline = await compile(device, code, 'update', {});
  const { UNIFORM, COPY_DST } = GPUBufferUsage;
  const settings = device.createBuffer({ label: 'bench/settings', size: 32, usage: UNIFORM | COPY_DST });
  const [param, grad] = [storage(device, elements), storage(device, elements)];
  const slots = Array.from({ length: states }, () => storage(device, elements));
  const bindGroup = bind(device, pipeline, [settings, param, grad, ...slots]);
  const groups = Math.ceil(elements / NAIVE_WORKGROUP);
  const y = Math.ceil(groups / device.limits.maxComputeWorkgroupsPerDimension);
  const x = Math.ceil(groups / y);
  const kernels = new KernelRunner(device, (pass) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(x, y);
  });
  let t = 0;
  const record = (updates: number) => {
    let left = updates;
    for (; left > 0 && t < 8; left--) {
      t++;
      device.queue.writeBuffer(settings, 0, new Float32Array([lr, 0.9, 0.999, 1e-8, t, 0.9]));
      kernels.record(1);
    }
    kernels.record(left);
  };
  return {
    device,
    async set(newParam, newGrad) {
      t = 0;
      device.queue.writeBuffer(param, 0, newParam);
      device.queue.writeBuffer(grad, 0, newGrad);
      for (const slot of slots) device.queue.writeBuffer(slot, 0, new Float32Array(elements));
    },
    record,
    settle: () => kernels.settle(),
    run: (updates) => {
      record(updates);
      return kernels.settle();
    },
    read: () => readFloats(device, param, elements),
    destroy: () => device.destroy(),
  };
}

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
