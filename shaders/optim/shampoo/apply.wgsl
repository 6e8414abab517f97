// Shampoo, last pass, after the decay:
//
//   GRAFT: U = U·‖S‖ / ‖U‖, S the step whose length is wanted (graft.wgsl)
//   MOMENTUM: m = momentum·m + U, and m in the place of U
//   p -= lr·U

override GRAFT: bool = false;
override MOMENTUM: bool = false;
override WORKGROUP: u32 = 64;

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  lr: f32,
  // What is added to the preconditioners, relative to their norms.
  ridge: f32,
  frequency: u32,
  adagrad_eps: f32,
  momentum: f32,
}

// Up to 4,096 elements of a matrix [rows, cols] from `start` on: where they are in vec4s, and where [rows, cols] and its transposed
// begin in floats, with the lengths of their rows.
struct Segment {
  group: u32,
  start: u32,
  count: u32,
  param: u32,
  cols: u32,
  x: u32,
  x_row: u32,
  other: u32,
  other_row: u32,
  // Its place among the segments of its matrix, where these begin among all of them, and how many they are.
  place: u32,
  first: u32,
  all: u32,
}

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> u: array<f32>;
@group(0) @binding(3) var<storage, read> segments: array<Segment>;
// (Σu², Σs²) of each segment.
@group(0) @binding(4) var<storage, read> sums: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> momentum_buffer: array<vec4f>;

// ‖S‖ / ‖U‖ of a matrix, its segments in order; 0 where U is.
fn graft(segment: Segment, replica: u32, replicas: u32) -> f32 {
  let at = replica * (arrayLength(&sums) / replicas) + segment.first;
  var sum = vec2f();
  for (var i = 0u; i < segment.all; i++) { sum += sums[at + i]; }
  return select(sqrt(sum.y) / sqrt(sum.x), 0.0, sum.x == 0.0);
}

// A workgroup takes a segment, lanes every WORKGROUP-th vec4 of it. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn apply(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&segments)) {
    return;
  }
  let segment = segments[index];
  let h = hyper[segment.group * groups.z + group.z];
  if (h.skip != 0u) {
    return;
  }
  let first = group.z * (arrayLength(&param) / groups.z) + segment.param;
  let u_at = group.z * (arrayLength(&u) / groups.z) + segment.x;
  var scale = 1.0;
  if (GRAFT) { scale = graft(segment, group.z, groups.z); }
  for (var i = lane; 4u * i < segment.count; i += WORKGROUP) {
    var change = vec4f();
    for (var k = 0u; k < min(segment.count - 4u * i, 4u); k++) {
      let element = segment.start + 4u * i + k;
      change[k] = u[u_at + (element / segment.cols) * segment.x_row + element % segment.cols];
    }
    change *= scale;
    if (MOMENTUM) {
      change += h.momentum * momentum_buffer[first + i];
      momentum_buffer[first + i] = change;
    }
    let p = param[first + i];
    param[first + i] = select(p, p - h.decay * p, h.decay != 0.0) - h.lr * change;
  }
}
