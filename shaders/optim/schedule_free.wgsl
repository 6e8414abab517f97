// Schedule-free SGD and AdamW (Defazio et al. 2024). The parameter holds y, where gradients are taken; z is the base
// optimizer's own sequence; x, the average of z that is evaluated, is not stored: y = (1 - beta)·z + beta·x.
//   v += beta2_c·(g² - v);  d = g / (√v·v_scale + eps) + weight_decay·y;  SGD: d = g + weight_decay·y
//   y += mix·(z - y) - y_step·d;  z -= lr·d;  before the first update z = y
//
// Per step, from the host in float64: mix = c, the newest z's share of x (w / Σw, w = t^r · (largest lr so far)^power);
// y_step = lr·(1 - beta·(1 - c)); beta2_c = 1 - beta2; v_scale = 1 / √(1 - beta2^t). g has its L2 penalty where the decay
// is not decoupled; where it is, it is taken at y, behind the division.

override EXP_AVG_SQ: bool = false;

// One row per tensor group and replica, written by `advance`. The first six words are the same for every rule.
struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  lr: f32,
  mix: f32,
  y_step: f32,
  weight_decay: f32,
  // 1 for the first update.
  initial: u32,
  // 1 for AdamW.
  divide: u32,
  beta2_c: f32,
  v_scale: f32,
  eps: f32,
}

struct Out { p: vec4f, z: vec4f, exp_avg_sq: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> z: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> exp_avg_sq: array<vec4f>;
@group(0) @binding(5) var<storage, read> group_of: array<u32>;

fn rule(p: vec4f, g: vec4f, z: vec4f, exp_avg_sq: vec4f, h: Hyper) -> Out {
  // Without a memory (beta2 = 0) the form would lose a g² far below the old v.
  let v = select(exp_avg_sq + h.beta2_c * (g * g - exp_avg_sq), g * g, h.beta2_c == 1.0);
  let divided = select(g, g / (sqrt(v) * h.v_scale + h.eps), h.divide != 0u);
  let d = divided + h.weight_decay * p;
  let before = select(z, p, h.initial != 0u);
  return Out(p + (h.mix * (before - p) - h.y_step * d), before - h.lr * d, v);
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
      let s_z = z[at];
      var s_exp_avg_sq = vec4f();
      if (EXP_AVG_SQ) { s_exp_avg_sq = exp_avg_sq[at]; }
      let decayed = select(p, p - h.decay * p, h.decay != 0.0);
      let out = rule(decayed, g, s_z, s_exp_avg_sq, h);
      param[at] = out.p;
      z[at] = out.z;
      if (EXP_AVG_SQ) { exp_avg_sq[at] = out.exp_avg_sq; }
    }
  }
}
