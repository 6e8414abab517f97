// Sums of squares of a gradient, or with ADAPTIVE of |w|·g, for SAM (sam_perturb.wgsl). A workgroup takes a segment: lanes take
// every WORKGROUP-th element in order, then lane 0 adds the lanes in order. f32 loses squares of what is below 1e-19: elements
// below 2^-35 are also summed times 2^64, as norm.wgsl does. z of the grid is the replica.
//
//   segments  per segment: first element, elements, group, place     partial  [replicas, all] by place, written
//   grad, param  from their own first elements on, replicas `stride` apart

override ADAPTIVE: bool = false;
override WORKGROUP: u32 = 64;

const SMALL = 0x1p-35f;
const UP = 0x1p64f;

struct Shape { segments: u32, all: u32, stride: u32, grad_first: u32, param_first: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> segments: array<vec4u>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> param: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<vec2f>;

var<workgroup> sums: array<vec2f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn sam_norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they sum the last segment again, and do not write it.
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, shape.segments - 1u)];
  let begin = group.z * shape.stride + segment.x;
  var sum = vec2f();
  for (var i = lane; i < segment.y; i += WORKGROUP) {
    var g = grad[shape.grad_first + begin + i];
    if (ADAPTIVE) { g *= abs(param[shape.param_first + begin + i]); }
    let scaled = select(0.0, g * UP, abs(g) < SMALL);
    sum += vec2f(g * g, scaled * scaled);
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && index < shape.segments) {
    var total = vec2f();
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    partial[group.z * shape.all + segment.w] = total;
  }
}
