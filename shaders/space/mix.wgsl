// One vector becomes another, or something between two, in segments: result = base + w·(other - base), or result = base as
// bits. One workgroup takes a segment, which lies within one tensor; z of the grid is the replica.
//
//   clock     per replica: says whether it happens
//   segments  per segment: first element, number of elements, and the group of its tensor
//   weights   [groups, replicas] w
//   base      unless IN_PLACE, where it is the result itself    other  with MIX    result  written
//
// Vectors begin at an element of their own in their binding, and replicas lie `stride` elements apart.

override MIX: bool = false;
override IN_PLACE: bool = false;
// 0 always, 1 after an update that was applied, 2 after every shape.every-th of those, 3 before the first of them, 4 later
override WHEN: u32 = 0;
override WORKGROUP: u32 = 64;

struct Shape { segments: u32, stride: u32, base: u32, other: u32, result: u32, every: u32 }

struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> clock: array<Clock>;
@group(0) @binding(2) var<storage, read> segments: array<vec4u>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> base: array<u32>;
@group(0) @binding(5) var<storage, read> other: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<u32>;

fn happens(now: Clock) -> bool {
  switch (WHEN) {
    case 1u: { return now.fate == 0u; }
    case 2u: { return now.fate == 0u && now.count % shape.every == 0u; }
    case 3u: { return now.count == 0u; }
    case 4u: { return now.count > 0u; }
    default: { return true; }
  }
}

@compute @workgroup_size(WORKGROUP)
fn mix_into(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare.
  let index = group.y * groups.x + group.x;
  if (index >= shape.segments || !happens(clock[group.z])) {
    return;
  }
  let segment = segments[index];
  let begin = group.z * shape.stride + segment.x;
  var weight = 0.0;
  if (MIX) { weight = weights[segment.z * groups.z + group.z]; }
  for (var i = lane; i < segment.y; i += WORKGROUP) {
    let to = shape.result + begin + i;
    var bits = 0u;
    if (IN_PLACE) { bits = result[to]; } else { bits = base[shape.base + begin + i]; }
    if (MIX) {
      let start = bitcast<f32>(bits);
      bits = bitcast<u32>(start + weight * (other[shape.other + begin + i] - start));
    }
    result[to] = bits;
  }
}
