// Prodigy, second pass: the estimate of the distance to the solution.
//
//   numerator = beta3·numerator + d²·Σ rate·g·(p₀ - p);  d̂ = d_coef·numerator / Σ|s|
//   d_max = max(d_max, d̂);  d = min(d_max, d·growth_rate), where d is still d0 that of d̂
//
//   partial  [replicas, segments] (sum of rate·g·(p₀ - p), of |s|, …)
//   distance [replicas] d; what it is in this step, 0 where there was no gradient yet; the numerator; d_max

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
  s_rate: f32,
  beta1_c: f32,
  beta2_c: f32,
  beta3_c: f32,
  eps: f32,
  weight_decay: f32,
  d0: f32,
  d_coef: f32,
  growth_rate: f32,
}

// Moments and s are kept in terms of d / 2^-20: of d = 1e-6 the square times that of a small gradient would leave f32.
const UNIT = 1048576.0;

fn next(now: vec4f, sums: vec2f, h: Hyper) -> vec4f {
  let first = now.x == 0.0;
  let d = select(now.x, h.d0, first);
  let most = select(now.w, h.d0, first);
  if (sums.y == 0.0) {
    return vec4f(d, 0.0, now.z, most);
  }
  let q = UNIT * d;
  let numerator = now.z - h.beta3_c * now.z + q * (q * sums.x);
  let found = h.d_coef * numerator / sums.y;
  let grown = select(d, max(d, found), d == h.d0);
  let largest = max(most, found);
  return vec4f(min(largest, grown * h.growth_rate), d, numerator, largest);
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
