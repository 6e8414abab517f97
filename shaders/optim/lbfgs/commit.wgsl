// L-BFGS: x and its gradient become those of the point that was taken, and the two differences a pair of the history,
//
//   s = point - x, as stored;  y = its gradient - g        into slot `head`; x = point;  g = its gradient
//
// Padding between tensors is 0 in all of these, since nobody writes any to a gradient.
//
// Where batches differ (STOCHASTIC) y is a difference on one batch, the last point being x, and Powell's damping is in it:
//   y = θ·(gradient there - gradient at x) - (1-θ)·t·g,  of the g that made the direction
// and a round that takes no point leaves the gradient of its batch.

override STOCHASTIC: bool = false;
override WORKGROUP: u32 = 64;

struct Shape { quads: u32, points: u32 }
struct State {
  phase: u32, fresh: u32, taken: u32, turn: u32, head: u32, pairs: u32, stop: u32, failures: u32, cleared: u32, flats: u32,
  value: f32, slope: f32, base: f32, ratio: f32, step: f32, gain: f32, scale: f32, damping: f32, grad_max: f32, moved: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> state: State;
@group(0) @binding(2) var<storage, read> points: array<vec4f>;
@group(0) @binding(3) var<storage, read> grads: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> g: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> s: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn commit(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let moves = state.taken != 0u;
  if (state.turn == 0u || !(moves || STOCHASTIC)) {
    return;
  }
  let last = (shape.points - 1u) * shape.quads;
  let source = select(last, (max(state.taken, 1u) - 1u) * shape.quads, moves);
  let slot = state.head * shape.quads;
  let theta = state.damping;
  let index = group.y * groups.x + group.x;
  for (var i = index * WORKGROUP + lane; i < shape.quads; i += groups.x * groups.y * WORKGROUP) {
    let own = grads[source + i];
    if (state.fresh == 0u) {
      let point = points[source + i];
      s[slot + i] = point - x[i];
      if (STOCHASTIC) {
        y[slot + i] = theta * (own - grads[last + i]) - ((1.0 - theta) * state.step) * g[i];
      } else {
        y[slot + i] = own - g[i];
      }
      x[i] = point;
    }
    g[i] = own;
  }
}
