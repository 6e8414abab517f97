// SAM (Foret et al. 2020): the parameters go uphill, to where their gradient is taken again, and what they were is kept:
//   w += rho·g / (‖g‖ + 1e-12),  ADAPTIVE (Kwon et al. 2021): w += rho·w²·g / (‖w·g‖ + 1e-12)
// Each workgroup adds the sums of all segments, in order (sam_norm.wgsl), then takes a segment; z of the grid is the replica.
//
//   segments  per segment: first element, elements, group, place     partial  [replicas, all] by place
//   grad, kept, param  from their own first elements on, replicas `stride` apart; kept is written, param updated

override ADAPTIVE: bool = false;
override WORKGROUP: u32 = 64;

struct Shape {
  segments: u32, all: u32, stride: u32, grad_first: u32, kept_first: u32, param_first: u32, rho: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> segments: array<vec4u>;
@group(0) @binding(2) var<storage, read> partial: array<vec2f>;
@group(0) @binding(3) var<storage, read> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> kept: array<u32>;
@group(0) @binding(5) var<storage, read_write> param: array<u32>;

var<workgroup> sums: array<vec2f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn sam_perturb(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  var sum = vec2f();
  for (var i = lane; i < shape.all; i += WORKGROUP) { sum += partial[group.z * shape.all + i]; }
  sums[lane] = sum;
  workgroupBarrier();
  var total = vec2f();
  for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
  // Below 2^-70 no element had 2^-35, and all are in the sum of those times 2^64.
  let norm = select(sqrt(total.x), sqrt(total.y) * 0x1p-64f, total.x < 0x1p-70f);
  let scale = shape.rho / (norm + 1e-12);
  // A folded grid may have workgroups to spare: they take no element.
  let segment = segments[min(index, shape.segments - 1u)];
  let elements = select(segment.y, 0u, index >= shape.segments);
  let begin = group.z * shape.stride + segment.x;
  for (var i = lane; i < elements; i += WORKGROUP) {
    let bits = param[shape.param_first + begin + i];
    kept[shape.kept_first + begin + i] = bits;
    let w = bitcast<f32>(bits);
    var uphill = grad[shape.grad_first + begin + i] * scale;
    if (ADAPTIVE) { uphill *= w * w; }
    param[shape.param_first + begin + i] = bitcast<u32>(w + uphill);
  }
}
