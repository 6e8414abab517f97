/** downhill's side of `update`: a rule's fused kernel through downhill/kernels, and `createOptimizer`. */
import { createOptimizer, DownhillError, type Optimizer, type Rule, recordFor, slotFlags } from '../../../src/index.js';
import {
  createPasses,
  HYPER_BYTES,
  lower,
  packRecord,
  range,
  update,
  updateForms,
} from '../../../src/kernels/index.js';
import type { Environment, UpdatePeer } from '../contract.js';
import { encodeAll, KernelRunner } from './kernel-runner.js';

/** Every arena is padded to whole blocks of the kernel. */
const BLOCK = 64;

/** Updates whose row is written for each; those behind them repeat the last row: what changes is no cost of the GPU. */
const OWN_ROWS = 8;

/** Throws LIMIT-BINDING before anything of that size is made. */
export function checkElements(device: GPUDevice, elements: number): void {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  if (4 * elements <= limit) return;
  device.destroy();
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
  const slots = row.slots(settings);
  const { UNIFORM, COPY_DST } = GPUBufferUsage;
  const hyper = device.createBuffer({ label: 'bench/hyper', size: HYPER_BYTES, usage: UNIFORM | COPY_DST });
  const arrays = Object.fromEntries(['param', 'grad', ...slots].map((name) => [name, padded]));
  const kernels = await KernelRunner.create(device, { ...arrays, groupOf: padded / BLOCK }, async (buffers) => {
    const exact = (name: string) => range(buffers[name as keyof typeof buffers], 0, 4 * padded);
    const op = update({
      label: 'bench/update',
      shader: row.shader,
      elements: padded,
      flags: slotFlags(row, slots),
      hyper: range(hyper),
      param: exact('param'),
      grad: exact('grad'),
      state: Object.fromEntries(slots.map((slot) => [slot, exact(slot)])),
      groupOf: range(buffers.groupOf),
    });
    return encodeAll(await createPasses(device, lower([op], updateForms, device).passes));
  });
  return updatePeer(kernels as KernelRunner<string>, elements, {
    start: () => {
      for (const slot of slots) (kernels as KernelRunner<string>).fill(slot, row.initial?.(slot, settings) ?? 0);
    },
    ownRows: OWN_ROWS,
    writeRow: (count) => {
      const bytes = new ArrayBuffer(64);
      packRecord(row.shader, { u32: new Uint32Array(bytes), f32: new Float32Array(bytes) }, 0, recordFor(rule, count));
      device.queue.writeBuffer(hyper, 0, bytes);
    },
  });
}

/** `createOptimizer`, as an app has it: tensors of these sizes, one behind the other in one buffer, gradients alike. */
export async function optimizerUpdate(
  rule: Rule,
  sizes: readonly number[],
  environment: Environment,
): Promise<UpdatePeer> {
  const device = await environment.requestDevice('bench:downhill');
  const elements = sizes.reduce((sum, size) => sum + size, 0);
  checkElements(device, elements);
  let optimizer: Optimizer | undefined;
  const kernels = await KernelRunner.create(device, { param: elements, grad: elements }, async ({ param, grad }) => {
    await optimizer?.read(); // throws where it left out updates, which would be fast
    optimizer?.destroy();
    let offset = 0;
    const tensors = sizes.map((size, i) => {
      const place = { offset, size: 4 * size };
      offset += 4 * size;
      return { name: `${i}`, shape: [size], param: { buffer: param, ...place }, grad: { buffer: grad, ...place } };
    });
    const made = await createOptimizer(device, rule, tensors);
    optimizer = made;
    return (pass) => made.step(pass);
  });
  return {
    ...updatePeer(kernels, elements, { start: () => {}, ownRows: 0, writeRow: () => {} }),
    async set(param, grad) {
      await kernels.relocate(); // a new optimizer, with fresh state
      kernels.write('param', param);
      kernels.write('grad', grad);
    },
    async relocate() {
      await kernels.relocate();
      await kernels.run(1); // the state is new, too: memory that nobody has touched is no cost of an update
    },
  };
}

/** An update kernel as a contender: its arrays are called 'param' and 'grad'. */
export function updatePeer(
  kernels: KernelRunner<string>,
  elements: number,
  how: {
    /** Sets the state to that before the first update. */
    start(): void;
    /** Updates for which `writeRow` is called. */
    readonly ownRows: number;
    /** Writes the scalars of the update with this count; the first is 0. */
    writeRow(count: number): void;
  },
): UpdatePeer {
  let count = 0;
  const record = (updates: number) => {
    let left = updates;
    for (; left > 0 && count < how.ownRows; left--) {
      how.writeRow(count++);
      kernels.record(1);
    }
    kernels.record(left);
  };
  return {
    device: kernels.device,
    async set(param, grad) {
      count = 0;
      kernels.write('param', param);
      kernels.write('grad', grad);
      how.start();
    },
    record,
    settle: () => kernels.settle(),
    run: (updates) => {
      record(updates);
      return kernels.settle();
    },
    read: () => kernels.read('param', elements),
    relocate: () => kernels.relocate(),
    destroy: () => kernels.device.destroy(),
  };
}
