// The L1 and L2 penalty of parameters: its gradient is added to theirs, and its value summed.
//
// The penalised tensors are cut into segments; a workgroup takes one: lanes take every WORKGROUP-th element in order, then
// lane 0 adds the lanes in order. penalty_total.wgsl adds the segments. The order never changes. z of the grid is the replica.
//
//   penalty = l1 Σ |w| + l2 Σ w²,   its gradient  l1 sign(w) + 2 l2 w,  sign(0) = 0
//
//   param     f32, replicas `stride` apart        segments  per segment: first element, elements, its place in `partial`, 0
//   grad      as param, added to                  partial   [replicas, all] penalty of each segment, written

override WORKGROUP: u32 = 64;

// `segments` of this dispatch, `all` of the parameters; slope = 2 l2.
struct Shape { segments: u32, all: u32, stride: u32, l1: f32, l2: f32, slope: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad: array<f32>;
@group(0) @binding(3) var<storage, read> segments: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;

var<workgroup> sums: array<vec2f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn penalty(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they take no element.
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, shape.segments - 1u)];
  let count = select(0u, segment.y, index < shape.segments);
  let begin = group.z * shape.stride + segment.x;
  var sum = vec2f();
  for (var i = lane; i < count; i += WORKGROUP) {
    let w = param[begin + i];
    sum += vec2f(abs(w), w * w);
    grad[begin + i] += shape.l1 * sign(w) + shape.slope * w;
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && index < shape.segments) {
    var total = vec2f();
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    partial[group.z * shape.all + segment.z] = shape.l1 * total.x + shape.l2 * total.y;
  }
}
