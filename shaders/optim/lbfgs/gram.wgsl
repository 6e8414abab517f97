// L-BFGS: the products of the newest s, y and g with every vector of the basis (all s, all y, g), which is all that the two-loop
// recursion needs to know of them (Chen et al. 2014, vector-free L-BFGS). A workgroup sums a segment of one of them.
//
//   s, y     [slots, quads]      segments  per segment: first element, elements, group, place
//   partial  [segments of all spans, 2·slots + 2] written: (row·s, row·y, row·g, largest |row|); behind g a row for x: (Σ|g|, 0, 0,
//            largest |x|)

override WORKGROUP: u32 = 64;

struct Shape { segments: u32, quads: u32, slots: u32 }
struct State {
  phase: u32, fresh: u32, taken: u32, turn: u32, head: u32, pairs: u32, stop: u32, failures: u32, cleared: u32, flats: u32,
  value: f32, slope: f32, base: f32, ratio: f32, step: f32, gain: f32, scale: f32, damping: f32, grad_max: f32, moved: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> state: State;
@group(0) @binding(2) var<storage, read> s: array<vec4f>;
@group(0) @binding(3) var<storage, read> y: array<vec4f>;
@group(0) @binding(4) var<storage, read> g: array<vec4f>;
@group(0) @binding(5) var<storage, read> x: array<vec4f>;
@group(0) @binding(6) var<storage, read> segments: array<vec4u>;
@group(0) @binding(7) var<storage, read_write> partial: array<vec4f>;

var<workgroup> sums: array<vec4f, WORKGROUP>;

// Whether a slot has a pair: this round's in `head`, the others behind it.
fn live(slot: u32) -> bool {
  let age = (state.head + shape.slots - slot) % shape.slots;
  return age <= state.pairs && age >= state.fresh;
}

fn most(a: vec4f) -> f32 { return max(max(a.x, a.y), max(a.z, a.w)); }

fn add(sum: vec4f, row: vec4f, newest: u32, at: u32) -> vec4f {
  return vec4f(sum.xyz + vec3f(dot(row, s[newest]), dot(row, y[newest]), dot(row, g[at])), max(sum.w, most(abs(row))));
}

@compute @workgroup_size(WORKGROUP)
fn gram(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  let rows = 2u * shape.slots + 2u;
  let row = index % rows;
  let wanted = row >= 2u * shape.slots || live(row % shape.slots);
  if (state.turn == 0u || index >= rows * shape.segments || !wanted) {
    return;
  }
  let segment = segments[index / rows];
  let first = segment.x / 4u;
  let last = first + (segment.y + 3u) / 4u;
  let own = (row % shape.slots) * shape.quads;
  let newest = state.head * shape.quads;
  // Padding behind a tensor's end is 0 in all of them. A loop for each kind of row: CPU adapters pay for branches within.
  var sum = vec4f();
  if (row < shape.slots) {
    for (var i = first + lane; i < last; i += WORKGROUP) { sum = add(sum, s[own + i], newest + i, i); }
  } else if (row < 2u * shape.slots) {
    for (var i = first + lane; i < last; i += WORKGROUP) { sum = add(sum, y[own + i], newest + i, i); }
  } else if (row == 2u * shape.slots) {
    for (var i = first + lane; i < last; i += WORKGROUP) { sum = add(sum, g[i], newest + i, i); }
  } else {
    for (var i = first + lane; i < last; i += WORKGROUP) {
      sum = vec4f(sum.x + dot(abs(g[i]), vec4f(1.0)), 0.0, 0.0, max(sum.w, most(abs(x[i]))));
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var total = vec4f();
    for (var i = 0u; i < WORKGROUP; i++) { total = vec4f(total.xyz + sums[i].xyz, max(total.w, sums[i].w)); }
    partial[segment.w * rows + row] = total;
  }
}
