// Cautious updates (Liang et al. 2024): of an update u that was applied, p = d - u with d the parameter after its decoupled decay,
// only elements stay whose u has the sign of the gradient; those are scaled by 1 / max(share of such elements in the tensor, 1e-3):
//   p = d - u·mask / max(mean(mask), 1e-3),  mask = u·g > 0
//
// Twice over the segments: first their counts, which are whole numbers, then (APPLY) the counts of a segment's tensor are added
// and the parameters written. Where all elements agree nothing is. One workgroup takes a segment; z of the grid is the replica.
//
//   hyper     [groups, replicas] records of 16 words       segments  per segment: first element, elements, group, place
//   tensors   by place: first place of the tensor, the one behind its last, elements     counts  [replicas, all] by place
//   before    the parameters before the update             signs     of the gradient (cautious_sign.wgsl)     param  the updated ones

override APPLY: bool = false;
override WORKGROUP: u32 = 64;

struct Shape { segments: u32, all: u32, stride: u32, before_first: u32, signs_first: u32, first: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> hyper: array<u32>;
@group(0) @binding(2) var<storage, read> segments: array<vec4u>;
@group(0) @binding(3) var<storage, read> tensors: array<vec4u>;
@group(0) @binding(4) var<storage, read> before: array<f32>;
@group(0) @binding(5) var<storage, read> signs: array<f32>;
@group(0) @binding(6) var<storage, read_write> counts: array<u32>;
@group(0) @binding(7) var<storage, read_write> param: array<f32>;

var<workgroup> agreeing: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn hold_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they take no element. Nor do groups that were not updated.
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, shape.segments - 1u)];
  let record = 16u * (segment.z * groups.z + group.z);
  let idle = index >= shape.segments || hyper[record + 1u] != 0u;
  let elements = select(segment.y, 0u, idle);
  let begin = group.z * shape.stride + segment.x;
  let decay = bitcast<f32>(hyper[record + 5u]);
  let own = tensors[segment.w];

  var scale = 0.0;
  var all_agree = false;
  if (APPLY) {
    var agree = 0u;
    for (var i = own.x; i < own.y; i++) { agree += counts[group.z * shape.all + i]; }
    all_agree = agree == own.z;
    scale = 1.0 / max(f32(agree) / f32(own.z), 1e-3);
  }
  var count = 0u;
  for (var i = lane; i < elements; i += WORKGROUP) {
    let old = before[shape.before_first + begin + i];
    let decayed = select(old, old - decay * old, decay != 0.0);
    let at = shape.first + begin + i;
    let change = param[at] - decayed;
    let agrees = change * signs[shape.signs_first + begin + i] < 0.0;
    if (!APPLY) {
      count += select(0u, 1u, agrees);
    } else if (!all_agree) {
      param[at] = select(decayed, decayed + scale * change, agrees);
    }
  }
  if (!APPLY) {
    agreeing[lane] = count;
    workgroupBarrier();
    if (lane == 0u && index < shape.segments) {
      var total = 0u;
      for (var i = 0u; i < WORKGROUP; i++) { total += agreeing[i]; }
      counts[group.z * shape.all + segment.w] = total;
    }
  }
}
