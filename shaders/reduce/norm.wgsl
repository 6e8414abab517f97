// Sums of squares of a gradient, and how many of its elements are not usable numbers.
//
// The gradient is cut into segments, each within one tensor; a workgroup sums one: lanes take every WORKGROUP-th element
// in order, then lane 0 adds the lanes in order. `advance` adds the segments. The order never changes, so the same
// gradient gives the same bits.
//
// What is not usable is decided on the bits, before any arithmetic (a comparison of floats may be folded away): an
// exponent of all ones, or a magnitude of 1e19 and more, whose square f32 cannot hold.
//
//   grad      f32, or i32 in units of `unit` (FIXED), from element `first` of the binding on
//   segments  per segment: first element, number of elements, its place in `partial`, and nothing
//   partial   (sum of squares, unusable elements), written

override FIXED: bool = false;
override WORKGROUP: u32 = 64;

// The magnitude 1e19 as bits.
const TOO_LARGE = 0x5f0ac723u;

struct Range { first: u32, count: u32, unit: f32, spare: u32 }

@group(0) @binding(0) var<uniform> bounds: Range;
@group(0) @binding(1) var<storage, read> grad: array<u32>;
@group(0) @binding(2) var<storage, read> segments: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec2f>;

var<workgroup> sums: array<vec2f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they sum the last segment again, and do not write it.
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, bounds.count - 1u)];
  var sum = vec2f();
  for (var i = lane; i < segment.y; i += WORKGROUP) {
    let bits = grad[bounds.first + segment.x + i];
    if (FIXED) {
      let g = f32(bitcast<i32>(bits)) * bounds.unit;
      sum.x += g * g;
    } else if ((bits & 0x7fffffffu) >= TOO_LARGE) {
      sum.y += 1.0;
    } else {
      let g = bitcast<f32>(bits);
      sum.x += g * g;
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && index < bounds.count) {
    var total = vec2f();
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    partial[segment.z] = total;
  }
}
