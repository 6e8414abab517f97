// An average of squared gradients, h += w·(g² - h), beside the update: Sophia's curvature, from the gradient of sampled labels.
// A value whose square is no finite number leaves its h as it is. One workgroup takes a segment of a tensor; z of the grid is the
// replica.
//
//   segments  per segment: first element, elements, group, place     weights  [groups, replicas] w
//   grad      float32, or with FIXED integers of `unit`; cleared with ZERO     hessian  updated in place
//   clock     per replica; one that came to an end, by a validation or by gradients that were no numbers, changes nothing any more
//
// Vectors begin at an element of their own in their binding (that of `grad` may be below 0), and replicas lie `stride` elements apart.

override FIXED: bool = false;
override ZERO: bool = false;
override WORKGROUP: u32 = 64;

struct Shape { segments: u32, stride: u32, grad_first: u32, hessian_first: u32, unit: f32 }

struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> segments: array<vec4u>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<u32>;
@group(0) @binding(4) var<storage, read_write> hessian: array<f32>;
@group(0) @binding(5) var<storage, read> clock: array<Clock>;

// Bits of `fault`.
const STOPPED = 2u;
const HALTED = 4u;

@compute @workgroup_size(WORKGROUP)
fn average_squares(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare.
  let index = group.y * groups.x + group.x;
  if (index >= shape.segments) {
    return;
  }
  let segment = segments[index];
  let begin = group.z * shape.stride + segment.x;
  let ended = (clock[group.z].fault & (STOPPED | HALTED)) != 0u;
  let weight = weights[segment.z * groups.z + group.z];
  for (var i = lane; i < segment.y; i += WORKGROUP) {
    // First elements below 0 wrap around, and back.
    let place = shape.grad_first + begin + i;
    let bits = grad[place];
    var g = bitcast<f32>(bits);
    if (FIXED) { g = f32(bitcast<i32>(bits)) * shape.unit; }
    if (ZERO) { grad[place] = 0u; }
    let at = shape.hessian_first + begin + i;
    let h = hessian[at];
    // By its bits: a compiler may take it for granted that no number is NaN or infinite.
    let square = bitcast<u32>(g * g);
    if (square < 0x7f800000u && !ended) { hessian[at] = h + weight * (bitcast<f32>(square) - h); }
  }
}
