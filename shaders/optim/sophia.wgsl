// Sophia-G (Liu et al. 2023):  m += beta1_c·(g - m);  p -= lr·clip(m / (rho_b·h + 1e-15), 1)
//
// h, the estimate of the curvature, is only read: curvature.wgsl changes it, every few steps. Where it says nothing (0) the
// clip leaves the sign. From the host in float64: beta1_c = 1 - beta1, rho_b = rho·batchSize. The quotient is not taken where it is
// clipped: it may be beyond f32. NaN stays NaN; sign(0) = 0. param and exp_avg are updated in place; grad is only read.

// One row per tensor group and replica, written by `advance`. The first six words are the same for every rule.
struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  lr: f32,
  beta1_c: f32,
  rho_b: f32,
}

struct Out { p: vec4f, exp_avg: vec4f, hessian: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> exp_avg: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> hessian: array<vec4f>;
@group(0) @binding(5) var<storage, read> group_of: array<u32>;

fn rule(p: vec4f, g: vec4f, exp_avg: vec4f, hessian: vec4f, h: Hyper) -> Out {
  let m = exp_avg + h.beta1_c * (g - exp_avg);
  let most = h.rho_b * hessian + 1e-15;
  let clipped = abs(m) >= most;
  let ratio = select(m / select(most, vec4f(1.0), clipped), sign(m), clipped);
  return Out(p - h.lr * ratio, m, hessian);
}

// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----

override LANES: u32 = 4;
override WORKGROUP: u32 = 64;

// Into [-most, most]; the largest f32 stands for no clipping. NaN stays NaN: what lies in (most, infinity] is told by its bits.
fn clip(g: vec4f, most: f32) -> vec4f {
  let bits = bitcast<vec4u>(g);
  let limit = bitcast<u32>(most);
  let beyond = select(0x7f800000u - limit, 0u, most > 3.4e38);
  let over = (bits & vec4u(0x7fffffffu)) - vec4u(limit + 1u) < vec4u(beyond);
  return select(g, bitcast<vec4f>((bits & vec4u(0x80000000u)) | vec4u(limit)), over);
}

// The gradient is scaled (-1 to maximize), clipped by value and given its L2 penalty, the parameter its decoupled decay;
// the rule sees the result. A chunk of 64 floats belongs to one tensor; LANES (1, 2, 4 …: the bits are the same) share its
// 16 vec4s, and take a stretch of chunks, with one look at `hyper` for each run of one group. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let quads = arrayLength(&param) / groups.z;
  let chunks = quads / 16u;
  let first = id.z * quads + id.x % LANES;
  let teams = groups.x * (WORKGROUP / LANES);
  let share = (chunks + teams - 1u) / teams;
  let team = id.x / LANES;
  let end = min(team * share + share, chunks);
  var next = 0u;
  for (var chunk = team * share; chunk < end; chunk = next) {
    let row = group_of[chunk];
    next = chunk + 1u;
    while (next < end && group_of[next] == row) { next++; }
    let h = hyper[row * groups.z + id.z];
    if (h.skip != 0u) {
      continue;
    }
    for (var at = first + chunk * 16u; at < first + next * 16u; at += LANES) {
      let p = param[at];
      let g = clip(h.grad_scale * grad[at], h.clip_value) + h.l2 * p;
      let s_exp_avg = exp_avg[at];
      let s_hessian = hessian[at];
      let decayed = select(p, p - h.decay * p, h.decay != 0.0);
      let out = rule(decayed, g, s_exp_avg, s_hessian, h);
      param[at] = out.p;
      exp_avg[at] = out.exp_avg;
      hessian[at] = out.hessian;
    }
  }
}
