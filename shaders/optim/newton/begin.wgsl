// Newton's method: the gradient becomes that of the point that is taken, and a direction begins (`move` does the same with x and z),
//
//   g = the point's gradient (taken);   r = g, d = -g (anew)
//
// over what is trained: elsewhere z, r and d stay 0. One workgroup takes a segment.

override WORKGROUP: u32 = 64;

struct Shape { segments: u32 }
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

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> segments: array<vec4u>;
@group(0) @binding(2) var<storage, read> state: State;
@group(0) @binding(3) var<storage, read> grads: array<f32>;
@group(0) @binding(4) var<storage, read_write> g: array<f32>;
@group(0) @binding(5) var<storage, read_write> r: array<f32>;
@group(0) @binding(6) var<storage, read_write> d: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn begin(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (state.anew == 0u || index >= shape.segments) {
    return;
  }
  let segment = segments[index];
  for (var i = segment.x + lane; i < segment.x + segment.y; i += WORKGROUP) {
    var own = g[i];
    if (state.taken != 0u) {
      own = grads[i];
      g[i] = own;
    }
    r[i] = own;
    d[i] = -own;
  }
}
