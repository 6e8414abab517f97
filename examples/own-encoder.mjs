// A fused update kernel on buffers and an encoder of your own: plain SGD, one dispatch, one submit, nothing else.
import { sgd } from 'downhill';
import { createPasses, encodePass, HYPER_BYTES, packRow, range, update } from 'downhill/kernels';
import { requestDevice } from 'downhill/node';

const device = await requestDevice(); // or your app's own device
const { STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
const elements = 128; // a multiple of 64, zero-padded
const make = (size, usage) => device.createBuffer({ size, usage: usage | COPY_DST });
const param = make(4 * elements, STORAGE | COPY_SRC);
const grad = make(4 * elements, STORAGE);
const groupOf = make((4 * elements) / 64, STORAGE); // all zero: one group of hyper-parameters
const hyper = make(HYPER_BYTES, UNIFORM);
device.queue.writeBuffer(param, 0, new Float32Array(elements).fill(1));
device.queue.writeBuffer(grad, 0, new Float32Array(elements).fill(0.5));

// The row of scalars of update number 1: learning rate, factors, decay, computed in float64.
const rule = sgd({ lr: 0.1 });
const row = new ArrayBuffer(64);
const header = { count: 0, skip: 0, grad_scale: 1 };
const scalars = { ...header, ...rule.row.derive(1, rule.hyper) };
packRow(rule.row.shader, { u32: new Uint32Array(row), f32: new Float32Array(row) }, 0, scalars);
device.queue.writeBuffer(hyper, 0, row);

const [pass] = await createPasses(device, [
  update({
    label: 'mine/update',
    shader: rule.row.shader,
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
const staging = make(4 * elements, MAP_READ);
encoder.copyBufferToBuffer(param, 0, staging, 0, 4 * elements);
device.queue.submit([encoder.finish()]);
await staging.mapAsync(GPUMapMode.READ);
console.log(new Float32Array(staging.getMappedRange())[0]); // 1 - 0.1 · 0.5 = 0.95
