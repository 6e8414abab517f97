// Shampoo, first pass: the gradient of every matrix, as it is and transposed.

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
@group(0) @binding(1) var<storage, read> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;
@group(0) @binding(4) var<storage, read> segments: array<Segment>;

// A workgroup takes a segment, lanes every WORKGROUP-th vec4 of it. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn gather(
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
  let x_at = group.z * (arrayLength(&x) / groups.z);
  for (var i = lane; 4u * i < segment.count; i += WORKGROUP) {
    let g = clip(h.grad_scale * grad[first + i], h.clip_value) + h.l2 * param[first + i];
    for (var k = 0u; k < min(segment.count - 4u * i, 4u); k++) {
      let element = segment.start + 4u * i + k;
      let at = vec2u(element / segment.cols, element % segment.cols);
      x[x_at + segment.x + at.x * segment.x_row + at.y] = g[k];
      x[x_at + segment.other + at.y * segment.other_row + at.x] = g[k];
    }
  }
}

// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----

// Into [-most, most]; the largest f32 stands for no clipping. NaN stays NaN: what lies in (most, infinity] is told by its bits.
fn clip(g: vec4f, most: f32) -> vec4f {
  let bits = bitcast<vec4u>(g);
  let limit = bitcast<u32>(most);
  let beyond = select(0x7f800000u - limit, 0u, most > 3.4e38);
  let over = (bits & vec4u(0x7fffffffu)) - vec4u(limit + 1u) < vec4u(beyond);
  return select(g, bitcast<vec4f>((bits & vec4u(0x80000000u)) | vec4u(limit)), over);
}
