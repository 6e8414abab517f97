/** downhill's side of `update`: a rule's fused kernel through downhill/kernels. */
import { DownhillError, type Rule, rowFor, slotFlags } from '../../../src/index.js';
import { createPasses, HYPER_BYTES, packRow, range, update } from '../../../src/kernels/index.js';
import type { Environment, UpdatePeer } from '../contract.js';
import { KernelRunner, readFloats, storage } from './kernel-runner.js';

/** Every arena is padded to whole blocks of the kernel. */
const BLOCK = 64;

/** Updates whose row is written for each; those behind them repeat the last row: what changes is no cost of the GPU. */
const OWN_ROWS = 8;

/** Throws LIMIT-BINDING before anything of that size is made. */
export function checkElements(device: GPUDevice, elements: number): void {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  if (4 * elements <= limit) return;
  throw new DownhillError(
    'LIMIT-BINDING',
    `${elements} elements take ${4 * elements} bytes, but this adapter binds at most ${limit}.`,
    'Leave out this size.',
  );
}

/** A rule's kernel on one flat tensor. */
export async function downhillUpdate(rule: Rule, elements: number, environment: Environment): Promise<UpdatePeer> {
  const device = await environment.requestDevice('bench:downhill');
  checkElements(device, elements);
  const { row, hyper: settings } = rule;
  const padded = BLOCK * Math.ceil(elements / BLOCK);
  const { UNIFORM, COPY_DST } = GPUBufferUsage;
  const hyper = device.createBuffer({ label: 'bench/hyper', size: HYPER_BYTES, usage: UNIFORM | COPY_DST });
  const [param, grad, groupOf] = [storage(device, padded), storage(device, padded), storage(device, padded / BLOCK)];
  const slots = row.slots(settings);
  const state = Object.fromEntries(slots.map((slot) => [slot, storage(device, padded)]));
  const exact = (buffer: GPUBuffer) => range(buffer, 0, 4 * padded);
  const [pass] = await createPasses(device, [
    update({
      label: 'bench/update',
      shader: row.shader,
      elements: padded,
      flags: slotFlags(row, slots),
      hyper: range(hyper),
      param: exact(param),
      grad: exact(grad),
      state: Object.fromEntries(Object.entries(state).map(([slot, buffer]) => [slot, exact(buffer)])),
      groupOf: range(groupOf),
    }),
  ]);
  const kernels = KernelRunner.of(device, [pass!]);
  let count = 0;
  const writeRow = () => {
    const bytes = new ArrayBuffer(64);
    packRow(row.shader, { u32: new Uint32Array(bytes), f32: new Float32Array(bytes) }, 0, rowFor(rule, count));
    device.queue.writeBuffer(hyper, 0, bytes);
  };
  const record = (updates: number) => {
    let left = updates;
    for (; left > 0 && count < OWN_ROWS; left--) {
      writeRow();
      kernels.record(1);
      count++;
    }
    kernels.record(left);
  };
  return {
    device,
    async set(newParam, newGrad) {
      count = 0;
      device.queue.writeBuffer(param, 0, newParam);
      device.queue.writeBuffer(grad, 0, newGrad);
      for (const [slot, buffer] of Object.entries(state)) {
        device.queue.writeBuffer(buffer, 0, new Float32Array(padded).fill(row.initial?.(slot, settings) ?? 0));
      }
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
