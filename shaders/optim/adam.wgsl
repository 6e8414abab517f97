// Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019), with AMSGrad (Reddi et al. 2018):
//   m += beta1_c·(g - m);  v += beta2_c·(g² - v);  p -= step_size·m / (√v·v_scale + eps)
//
// Per step, from the host in float64: beta_c = 1 - beta, step_size = lr / (1 - beta1^t), v_scale = 1 / √(1 - beta2^t).
// With AMSGrad v is replaced in the quotient by the maximum of v·max_scale so far: PyTorch and Keras take the maximum of
// the raw v (max_scale = 1), optax that of the corrected one (max_scale = 1 / (1 - beta2^t), v_scale = 1). Keras adds eps
// to the uncorrected √v: its eps comes times v_scale. The form v += c·(g² - v) needs only 1 - beta, which f32 holds to 24
// bits; beta itself would not do: 1 - f32(0.999) is off by 1.3e-5. param and the state are updated in place; grad is only
// read.

override MAX_EXP_AVG_SQ: bool = false;

// One row per tensor group and replica, written by `advance`. The first six words are the same for every rule.
struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  step_size: f32,
  beta1_c: f32,
  beta2_c: f32,
  v_scale: f32,
  max_scale: f32,
  eps: f32,
  amsgrad: u32,
}

struct Out { p: vec4f, exp_avg: vec4f, exp_avg_sq: vec4f, max_exp_avg_sq: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> exp_avg: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> exp_avg_sq: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> max_exp_avg_sq: array<vec4f>;
@group(0) @binding(6) var<storage, read> group_of: array<u32>;

fn rule(p: vec4f, g: vec4f, exp_avg: vec4f, exp_avg_sq: vec4f, max_exp_avg_sq: vec4f, h: Hyper) -> Out {
  let m = exp_avg + h.beta1_c * (g - exp_avg);
  // Without a memory (beta2 = 0) the form would lose a g² far below the old v.
  let v = select(exp_avg_sq + h.beta2_c * (g * g - exp_avg_sq), g * g, h.beta2_c == 1.0);
  let largest = max(max_exp_avg_sq, v * h.max_scale);
  let second = select(v, largest, h.amsgrad != 0u);
  return Out(p - h.step_size * m / (sqrt(second) * h.v_scale + h.eps), m, v, largest);
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
      var s_max_exp_avg_sq = vec4f();
      if (MAX_EXP_AVG_SQ) { s_max_exp_avg_sq = max_exp_avg_sq[at]; }
      let decayed = select(p, p - h.decay * p, h.decay != 0.0);
      let out = rule(decayed, g, s_exp_avg, s_exp_avg_sq, s_max_exp_avg_sq, h);
      param[at] = out.p;
      exp_avg[at] = out.exp_avg;
      exp_avg_sq[at] = out.exp_avg_sq;
      if (MAX_EXP_AVG_SQ) { max_exp_avg_sq[at] = out.max_exp_avg_sq; }
    }
  }
}
