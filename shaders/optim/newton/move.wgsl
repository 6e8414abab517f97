// Newton's method: steps along vectors, by STAGE:
//
//   0  x = point where it is taken; z = 0 where a direction begins            (a: z, b: point, c: x)
//   1  z += length·d, r += length·Hd, where the product is one at x           (a: z, b: d, c: r, e: Hd)
//   2  d = -r + beta·d where the direction goes on                            (a: d, b: r)
//
// over what is trained. One workgroup takes a segment.

override STAGE: u32 = 0;
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
@group(0) @binding(3) var<storage, read_write> a: array<f32>;
@group(0) @binding(4) var<storage, read> b: array<f32>;
@group(0) @binding(5) var<storage, read_write> c: array<f32>;
@group(0) @binding(6) var<storage, read> e: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn go(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= shape.segments) {
    return;
  }
  let segment = segments[index];
  for (var i = segment.x + lane; i < segment.x + segment.y; i += WORKGROUP) {
    if (STAGE == 0u) {
      if (state.taken != 0u) { c[i] = b[i]; }
      if (state.anew != 0u) { a[i] = 0.0; }
    } else if (STAGE == 1u) {
      if (state.turn != 0u) {
        a[i] += state.length * b[i];
        c[i] += state.length * e[i];
      }
    } else if (state.goes != 0u) {
      a[i] = -b[i] + state.beta * a[i];
    }
  }
}
