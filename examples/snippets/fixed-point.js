import { createOptimizer, sgd } from 'downhill';

const UNIT = 2 ** -16; // what the integer 1 stands for

// Samples fall into cells; each pulls its cell towards itself. Any number of them may add to one cell at a time.
const SCATTER = /* wgsl */ `
@group(0) @binding(0) var<storage, read> samples: array<vec2f>; // cell, value
@group(0) @binding(1) var<storage, read> cells: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<atomic<i32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&samples)) { return; }
  let cell = u32(samples[id.x].x);
  atomicAdd(&gradient[cell], i32(round((cells[cell] - samples[id.x].y) / ${UNIT})));
}`;

/** Gives a function that records one step: the scatter, and an update that also clears the gradient. */
export async function makeField(device, { samples, count, cells, size, gradient }) {
  const module = device.createShaderModule({ code: SCATTER });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
  const entries = [samples, cells, gradient].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const tensors = [{ name: 'cells', shape: [size], param: cells, grad: gradient }];
  const options = { gradients: { fixed: UNIT }, zeroGrad: true };
  const optimizer = await createOptimizer(device, sgd({ lr: 0.1 }), tensors, options);
  return (pass) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(Math.ceil(count / 64));
    optimizer.step(pass);
  };
}
