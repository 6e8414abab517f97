// A curve through noisy samples, without a framework: the gradient is a kernel of your own, the update is downhill's.
import { adam, cosine, createOptimizer } from 'downhill';

const SAMPLES = 256;
const STEPS = 500;

// y = a + b·x + c·x² + d·x³; the loss is the mean of the squared residuals.
const GRADIENT = /* wgsl */ `
@group(0) @binding(0) var<storage, read> samples: array<vec2f, ${SAMPLES}>;
@group(0) @binding(1) var<storage, read> coefficients: vec4f;
@group(0) @binding(2) var<storage, read_write> gradient: vec4f;
@group(0) @binding(3) var<storage, read_write> loss: f32;

var<workgroup> slopes: array<vec4f, ${SAMPLES}>;
var<workgroup> squares: array<f32, ${SAMPLES}>;

@compute @workgroup_size(${SAMPLES})
fn main(@builtin(local_invocation_index) i: u32) {
  let x = samples[i].x;
  let powers = vec4f(1.0, x, x * x, x * x * x);
  let residual = dot(coefficients, powers) - samples[i].y;
  slopes[i] = 2.0 * residual * powers / ${SAMPLES}.0;
  squares[i] = residual * residual / ${SAMPLES}.0;
  workgroupBarrier();
  if (i == 0u) {
    var slope = vec4f();
    var square = 0.0;
    for (var k = 0u; k < ${SAMPLES}u; k++) { slope += slopes[k]; square += squares[k]; }
    gradient = slope;
    loss = square;
  }
}`;

/** Fits the curve on your device; logs a line and gives what was found. */
export async function run(device, log) {
  const { STORAGE, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage;
  const make = (size, usage) => device.createBuffer({ size, usage });
  const samples = make(8 * SAMPLES, STORAGE | COPY_DST);
  const [coefficients, gradient, loss] = [16, 16, 4].map((size) => make(size, STORAGE | COPY_SRC));
  const xs = Array.from({ length: SAMPLES }, (_, i) => (2 * i) / (SAMPLES - 1) - 1);
  const points = xs.flatMap((x, i) => [x, Math.sin(3 * x) + 0.1 * Math.sin(997 * i)]);
  device.queue.writeBuffer(samples, 0, new Float32Array(points));

  const module = device.createShaderModule({ code: GRADIENT });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
  const bindings = [samples, coefficients, gradient, loss];
  const entries = bindings.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });

  const rule = adam({ lr: cosine(0.2, { steps: STEPS }) });
  const tensor = { name: 'coefficients', shape: [4], param: coefficients, grad: gradient };
  const optimizer = await createOptimizer(device, rule, [tensor]);

  for (let step = 0; step < STEPS; step++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1);
    optimizer.step(pass); // two more dispatches in the same pass
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  const staging = make(20, COPY_DST | MAP_READ);
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(coefficients, 0, staging, 0, 16);
  encoder.copyBufferToBuffer(loss, 0, staging, 16, 4);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const result = [...new Float32Array(staging.getMappedRange())];
  log(`loss ${result[4].toFixed(6)} after ${(await optimizer.read()).count} updates; a … d = ${result.slice(0, 4)}`);
  optimizer.destroy();
  return { loss: result[4], coefficients: result.slice(0, 4) };
}
