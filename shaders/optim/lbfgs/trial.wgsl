// L-BFGS, the beginning of a round: the points along the direction at which the objective is looked at next, each a replica,
//
//   trial[j] = x + steps[j]·d        x itself, bit for bit, where the step is 0
//
// and a clock for each of them, as it will stand behind this round: the objective's own passes go by it.

override WORKGROUP: u32 = 64;

// Elements of one replica, in fours.
struct Shape { quads: u32 }
struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

const HALTED = 4u;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> steps: array<f32>;
@group(0) @binding(2) var<storage, read> clock: array<Clock>;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read> d: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> points: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> clocks: array<Clock>;

@compute @workgroup_size(WORKGROUP)
fn trial(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  let halted = (clock[0].fault & HALTED) != 0u;
  if (index == 0u && lane == 0u) {
    var own = clock[0];
    own.step += select(1u, 0u, halted);
    own.count += select(1u, 0u, halted);
    own.fate = select(0u, 1u, halted);
    clocks[group.z] = own;
  }
  if (halted) {
    return;
  }
  let step = steps[group.z];
  let first = group.z * shape.quads;
  for (var i = index * WORKGROUP + lane; i < shape.quads; i += groups.x * groups.y * WORKGROUP) {
    points[first + i] = select(x[i] + step * d[i], x[i], step == 0.0);
  }
}
