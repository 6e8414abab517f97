// Sums of squares of a gradient, and how many of its elements are not usable numbers.
//
// The gradient is cut into segments, each within one tensor; a workgroup sums one: lanes take every WORKGROUP-th element
// in order, then lane 0 adds the lanes in order. `advance` adds the segments. The order never changes, so the same
// gradient gives the same bits. z of the grid is the replica.
//
// f32 loses squares of what is below 1e-19: elements below 2^-35 are also summed times 2^64. Where the plain sum stays
// below 2^-70 there are no others, and `advance` takes this one; else what the plain sum lost is less than its rounding.
//
// What is not usable is decided on the bits, before any arithmetic (a comparison of floats may be folded away): an
// exponent of all ones, or a magnitude of 1e19 and more, whose square f32 cannot hold.
//
//   grad      f32, or i32 in units of `unit` (FIXED), from element `first` of the binding on, replicas `stride` apart
//   segments  per segment: first element, number of elements, its place in `partial`, and nothing
//   partial   [replicas, all] (sum of squares, of those scaled up, unusable elements, nothing), written

override FIXED: bool = false;
override WORKGROUP: u32 = 64;

// The magnitude 1e19 as bits.
const TOO_LARGE = 0x5f0ac723u;
const SMALL = 0x1p-35f;
const UP = 0x1p64f;

// `segments` of this dispatch, `all` of the gradient.
struct Shape { segments: u32, all: u32, first: u32, stride: u32, unit: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> grad: array<u32>;
@group(0) @binding(2) var<storage, read> segments: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;

var<workgroup> sums: array<vec3f, WORKGROUP>;

fn squares(g: f32) -> vec3f {
  let scaled = select(0.0, g * UP, abs(g) < SMALL);
  return vec3f(g * g, scaled * scaled, 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they sum the last segment again, and do not write it.
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, shape.segments - 1u)];
  let begin = shape.first + group.z * shape.stride + segment.x;
  var sum = vec3f();
  for (var i = lane; i < segment.y; i += WORKGROUP) {
    let bits = grad[begin + i];
    if (FIXED) {
      sum += squares(f32(bitcast<i32>(bits)) * shape.unit);
    } else if ((bits & 0x7fffffffu) >= TOO_LARGE) {
      sum.z += 1.0;
    } else {
      sum += squares(bitcast<f32>(bits));
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && index < shape.segments) {
    var total = vec3f();
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    partial[group.z * shape.all + segment.z] = vec4f(total, 0.0);
  }
}
