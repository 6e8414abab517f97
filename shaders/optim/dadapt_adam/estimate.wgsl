// D-Adaptation of Adam, second pass: the estimate of the distance to the solution.
//
//   numerator = √beta2·numerator + (1-√beta2)·Σ d·rate·g·s / (√v + eps);  d̂ = numerator / ((1-√beta2)·Σ|s|)
//   d = max(d, min(d̂, d·growth_rate))
//
//   partial  [replicas, segments] (sum of d·rate·g·s / (√v + eps), of |s|, …)
//   distance [replicas] d; what it is in this step, 0 where there was no gradient yet; the numerator; nothing

override WORKGROUP: u32 = 64;
// The group whose options hold: the first that is not frozen.
override FIRST: u32 = 0;

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  rate: f32,
  beta1_c: f32,
  beta2_c: f32,
  root_c: f32,
  eps: f32,
  weight_decay: f32,
  d0: f32,
  growth_rate: f32,
}

fn next(now: vec4f, sums: vec2f, h: Hyper) -> vec4f {
  let d = select(now.x, h.d0, now.x == 0.0);
  if (sums.y == 0.0) {
    return vec4f(d, 0.0, now.z, 0.0);
  }
  let numerator = now.z + h.root_c * (sums.x - now.z);
  let found = numerator / (h.root_c * sums.y);
  return vec4f(max(d, min(found, d * h.growth_rate)), d, numerator, 0.0);
}

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read> partial: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> distance: array<vec4f>;

var<workgroup> lanes: array<vec2f, WORKGROUP>;

// One workgroup: lanes take every WORKGROUP-th sum in order, then lane 0 adds the lanes in order. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn estimate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let h = hyper[FIRST * groups.z + group.z];
  if (h.skip != 0u) {
    return;
  }
  let all = arrayLength(&partial) / groups.z;
  var sum = vec2f();
  for (var i = lane; i < all; i += WORKGROUP) { sum += partial[group.z * all + i].xy; }
  lanes[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var total = vec2f();
    for (var i = 0u; i < WORKGROUP; i++) { total += lanes[i]; }
    distance[group.z] = next(distance[group.z], total, h);
  }
}
