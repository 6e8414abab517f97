// The sign of the gradient as the rule is to see it, for cautious.wgsl: scaled, clipped, with its L2 penalty. It comes between
// `advance`, which has written `hyper`, and the update, which may clear the gradient. One workgroup takes a segment of a tensor;
// z of the grid is the replica.
//
//   hyper     [groups, replicas] records of 16 words       segments  per segment: first element, elements, group, place
//   grad      f32, or i32 in units of `unit` (FIXED), from element `first` on     before, signs  from their own first elements on

override FIXED: bool = false;
override WORKGROUP: u32 = 64;

struct Shape { segments: u32, stride: u32, first: u32, before_first: u32, signs_first: u32, unit: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> hyper: array<f32>;
@group(0) @binding(2) var<storage, read> segments: array<vec4u>;
@group(0) @binding(3) var<storage, read> grad: array<u32>;
@group(0) @binding(4) var<storage, read> before: array<f32>;
@group(0) @binding(5) var<storage, read_write> signs: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn sign_of_gradient(
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
  let record = 16u * (segment.z * groups.z + group.z);
  let begin = group.z * shape.stride + segment.x;
  let most = hyper[record + 3u];
  for (var i = lane; i < segment.y; i += WORKGROUP) {
    let bits = grad[shape.first + begin + i];
    var g = bitcast<f32>(bits);
    if (FIXED) { g = f32(bitcast<i32>(bits)) * shape.unit; }
    let scaled = clamp(hyper[record + 2u] * g, -most, most);
    signs[shape.signs_first + begin + i] = sign(scaled + hyper[record + 4u] * before[shape.before_first + begin + i]);
  }
}
