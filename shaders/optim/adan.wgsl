// Adan (Xie et al. 2022), as its authors' code:  d = g - previous g, 0 at the first update;
//   m += beta1_c·(g - m);  v += beta2_c·(d - v);  n += beta3_c·((g + mix·d)² - n)
//   p -= (step_size·m + step_size_diff·v) / (√(n + eps_root)·n_scale + eps)
//
// Per step, from the host in float64: beta_c = 1 - beta; mix is beta2 (optax: 1 - beta2); n_scale = 1 / √(1 - beta3^t);
// step_size = lr / (1 - beta1^t), step_size_diff = lr·mix / (1 - beta2^t); eps_root comes times 1 - beta3^t. The authors'
// decay divides the new parameter by 1 + lr·wd: the host puts that factor into `decay` and into both step sizes. param
// and the state are updated in place; grad is only read.

// One row per tensor group and replica, written by `advance`. The first six words are the same for every rule.
struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  step_size: f32,
  step_size_diff: f32,
  beta1_c: f32,
  beta2_c: f32,
  beta3_c: f32,
  mix: f32,
  n_scale: f32,
  eps: f32,
  eps_root: f32,
  initial: u32,
}

struct Out { p: vec4f, exp_avg: vec4f, exp_avg_sq: vec4f, exp_avg_diff: vec4f, previous_grad: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> exp_avg: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> exp_avg_sq: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> exp_avg_diff: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> previous_grad: array<vec4f>;
@group(0) @binding(7) var<storage, read> group_of: array<u32>;

fn rule(p: vec4f, g: vec4f, exp_avg: vec4f, exp_avg_sq: vec4f, exp_avg_diff: vec4f, previous_grad: vec4f, h: Hyper) -> Out {
  let d = select(g - previous_grad, vec4f(), h.initial != 0u);
  let look_ahead = g + h.mix * d;
  let m = exp_avg + h.beta1_c * (g - exp_avg);
  let v = exp_avg_diff + h.beta2_c * (d - exp_avg_diff);
  let n = exp_avg_sq + h.beta3_c * (look_ahead * look_ahead - exp_avg_sq);
  let step = (h.step_size * m + h.step_size_diff * v) / (sqrt(n + h.eps_root) * h.n_scale + h.eps);
  return Out(p - step, m, n, v, g);
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
      let s_exp_avg_sq = exp_avg_sq[at];
      let s_exp_avg_diff = exp_avg_diff[at];
      let s_previous_grad = previous_grad[at];
      let decayed = select(p, p - h.decay * p, h.decay != 0.0);
      let out = rule(decayed, g, s_exp_avg, s_exp_avg_sq, s_exp_avg_diff, s_previous_grad, h);
      param[at] = out.p;
      exp_avg[at] = out.exp_avg;
      exp_avg_sq[at] = out.exp_avg_sq;
      exp_avg_diff[at] = out.exp_avg_diff;
      previous_grad[at] = out.previous_grad;
    }
  }
}
