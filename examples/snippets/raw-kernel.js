import { sgd } from 'downhill';
import { createPasses, encodePass, HYPER_BYTES, packRow, range, update } from 'downhill/kernels';

/** One fused update, by its kernel alone: `elements` floats, a multiple of 64, padded with zeros. */
export async function updateOnce(device, { param, grad, elements }) {
  const { STORAGE, UNIFORM, COPY_DST } = GPUBufferUsage;
  const hyper = device.createBuffer({ size: HYPER_BYTES, usage: UNIFORM | COPY_DST });
  const groupOf = device.createBuffer({ size: (4 * elements) / 64, usage: STORAGE }); // all 0: everything is group 0

  // The row of update number 1: the header, the same for every rule, then the rule's own scalars, in float64.
  const { row, hyper: settings } = sgd({ lr: 0.1 });
  const header = { count: 0, skip: 0, grad_scale: 1, clip_value: 3.4028234663852886e38, l2: 0, decay: 0 };
  const bytes = new ArrayBuffer(64);
  const words = { u32: new Uint32Array(bytes), f32: new Float32Array(bytes) };
  packRow(row.shader, words, 0, { ...header, ...row.derive(1, settings, 1) });
  device.queue.writeBuffer(hyper, 0, bytes);

  const [pass] = await createPasses(device, [
    update({
      label: 'mine/update',
      shader: row.shader,
      elements,
      flags: { MOMENTUM_BUFFER: false },
      hyper: range(hyper),
      param: range(param),
      grad: range(grad),
      state: {},
      groupOf: range(groupOf),
    }),
  ]);
  const encoder = device.createCommandEncoder();
  const compute = encoder.beginComputePass();
  encodePass(pass, compute); // as often as you like: recording creates nothing
  compute.end();
  device.queue.submit([encoder.finish()]);
}
