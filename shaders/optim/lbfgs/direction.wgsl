// L-BFGS: the direction of the next round, d = Σ δ·basis, over what is trained; elsewhere it stays 0.
//
//   s, y  [slots, quads]      delta  [2·slots + 1] of `coefficients`     segments  per segment: first element, elements, group, place

override WORKGROUP: u32 = 64;

struct Shape { segments: u32, quads: u32, slots: u32 }
struct State {
  phase: u32, fresh: u32, taken: u32, turn: u32, head: u32, pairs: u32, stop: u32, failures: u32, cleared: u32, flats: u32,
  value: f32, slope: f32, base: f32, ratio: f32, step: f32, gain: f32, scale: f32, damping: f32, grad_max: f32, moved: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> state: State;
@group(0) @binding(2) var<storage, read> delta: array<f32>;
@group(0) @binding(3) var<storage, read> s: array<vec4f>;
@group(0) @binding(4) var<storage, read> y: array<vec4f>;
@group(0) @binding(5) var<storage, read> g: array<vec4f>;
@group(0) @binding(6) var<storage, read> segments: array<vec4u>;
@group(0) @binding(7) var<storage, read_write> d: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn direction(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (state.turn == 0u || index >= shape.segments) {
    return;
  }
  let segment = segments[index];
  let slots = shape.slots;
  let first = segment.x / 4u;
  let last = first + (segment.y + 3u) / 4u;
  // Behind a tensor's end there is padding, 0 in all of them.
  for (var i = first + lane; i < last; i += WORKGROUP) {
    var sum = delta[2u * slots] * g[i];
    for (var age = state.pairs; age > 0u; age--) {
      let slot = (state.head + slots - age) % slots;
      let own = slot * shape.quads + i;
      sum += delta[slot] * s[own] + delta[slots + slot] * y[own];
    }
    d[i] = sum;
  }
}
