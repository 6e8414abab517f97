// Newton's method, the beginning of a step: where the objective is looked at,
//
//   point = x + z where the direction z has come to its end (phase 2), else x, bit for bit
//
// and a clock for it, as it will stand behind this step: the objective's own passes go by it.

override WORKGROUP: u32 = 64;

// Elements, in fours.
struct Shape { quads: u32 }
struct State {
  // 0 before anything is known at x; 1 the direction grows, at x; 2 its end is tried.
  phase: u32,
  // Of this step: x becomes the point; the direction begins anew; the product is one at x; the direction goes on.
  taken: u32, anew: u32, turn: u32, goes: u32,
  // The direction ends at the edge of the trust region; products it took.
  edge: u32, made: u32,
  stop: u32, failures: u32, flats: u32,
  // Since the beginning.
  products: u32,
  // At x.
  value: f32, grad_max: f32, gg: f32,
  // Of the residual; of the direction, and what the model says it gains.
  rr: f32, length: f32, beta: f32, norm: f32, predicted: f32,
  radius: f32,
}
struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

const HALTED = 4u;

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> state: State;
@group(0) @binding(2) var<storage, read> clock: array<Clock>;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read> z: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> point: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> clocks: array<Clock>;

@compute @workgroup_size(WORKGROUP)
fn place(
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
    clocks[0] = own;
  }
  if (halted) {
    return;
  }
  let tries = state.phase == 2u;
  for (var i = index * WORKGROUP + lane; i < shape.quads; i += groups.x * groups.y * WORKGROUP) {
    point[i] = select(x[i], x[i] + z[i], tries);
  }
}
