import { recordFor, sgd, slotFlags } from 'downhill';
import { createPasses, encodePass, HYPER_BYTES, lower, packRecord, range, update, updateForms } from 'downhill/kernels';

/** One fused update, by its kernel alone: `elements` floats, a multiple of 64, padded with zeros. */
export async function updateOnce(device, { param, grad, elements }) {
  const { STORAGE, UNIFORM, COPY_DST } = GPUBufferUsage;
  const hyper = device.createBuffer({ size: HYPER_BYTES, usage: UNIFORM | COPY_DST });
  const groupOf = device.createBuffer({ size: (4 * elements) / 64, usage: STORAGE }); // all 0: everything is group 0

  // The record of the first update (count 0): the header, the same for every rule, and the rule's scalars, in float64.
  const rule = sgd({ lr: 0.1 });
  const { row } = rule;
  const slots = row.slots(rule.hyper); // none here: a state buffer for each goes into `state`
  const bytes = new ArrayBuffer(64);
  packRecord(row.shader, { u32: new Uint32Array(bytes), f32: new Float32Array(bytes) }, 0, recordFor(rule, 0));
  device.queue.writeBuffer(hyper, 0, bytes);

  const op = update({
    label: 'mine/update',
    shader: row.shader,
    elements,
    flags: slotFlags(row, slots),
    hyper: range(hyper),
    param: range(param),
    grad: range(grad),
    state: {},
    groupOf: range(groupOf),
  });
  // Passes by the form that suits the adapter; one here.
  const [pass] = await createPasses(device, lower([op], updateForms, device).passes);
  const encoder = device.createCommandEncoder();
  const compute = encoder.beginComputePass();
  encodePass(pass, compute); // as often as you like: recording creates nothing
  compute.end();
  device.queue.submit([encoder.finish()]);
}
