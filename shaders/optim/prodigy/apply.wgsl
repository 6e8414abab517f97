// Prodigy, last pass: Adam's step with moments of d·g, at the rate d.
//
//   m = beta1·m + (1-beta1)·d·g;  v = beta2·v + (1-beta2)·d²·g²;  s = beta3·s + d²·s_rate·g
//   p -= d·rate·(m / (√v + d'·eps) + weight_decay·p),  d' the new estimate, d that of the last step
//
// delta = p₀ - p is what all steps came to: of weights near 1, p itself would lose most digits of steps of 1e-6.

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

struct Out { p: vec4f, exp_avg: vec4f, exp_avg_sq: vec4f, s: vec4f, delta: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> exp_avg: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> exp_avg_sq: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> s: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> delta: array<vec4f>;
@group(0) @binding(7) var<storage, read> distance: array<vec4f>;
@group(0) @binding(8) var<storage, read> group_of: array<u32>;

fn rule(
  p: vec4f, g: vec4f, exp_avg: vec4f, exp_avg_sq: vec4f, s: vec4f, delta: vec4f, place: Place, h: Hyper
) -> Out {
  // A rate of 0, as at the start of a warm-up, leaves everything as it is.
  if (h.rate == 0.0) {
    return Out(p, exp_avg, exp_avg_sq, s, delta);
  }
  let d = distance[place.replica];
  let u = UNIT * d.y * g;
  let m = exp_avg + h.beta1_c * (u - exp_avg);
  // Without a memory (beta2 = 0) the form would lose a square far below the old v.
  let v = select(exp_avg_sq + h.beta2_c * (u * u - exp_avg_sq), u * u, h.beta2_c == 1.0);
  let next = s - h.beta3_c * s + (UNIT * d.y * h.s_rate) * u;
  let change = d.y * h.rate * (m / (sqrt(v) + UNIT * d.x * h.eps) + h.weight_decay * p);
  return Out(p - change, m, v, next, delta + change);
}

// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----

// Four elements: the first one's place in a replica's arena, and whose they are.
struct Place { element: u32, group: u32, replica: u32, replicas: u32 }

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

// A chunk of 64 floats belongs to one tensor; LANES share its 16 vec4s, and take a stretch of chunks. z is the replica.
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
      let s_param = param[at];
      let s_p = select(s_param, s_param - h.decay * s_param, h.decay != 0.0);
      let s_g = clip(h.grad_scale * grad[at], h.clip_value) + h.l2 * param[at];
      let s_exp_avg = exp_avg[at];
      let s_exp_avg_sq = exp_avg_sq[at];
      let s_s = s[at];
      let s_delta = delta[at];
      let out = rule(s_p, s_g, s_exp_avg, s_exp_avg_sq, s_s, s_delta, Place(4u * (at - id.z * quads), row, id.z, groups.z), h);
      param[at] = out.p;
      exp_avg[at] = out.exp_avg;
      exp_avg_sq[at] = out.exp_avg_sq;
      s[at] = out.s;
      delta[at] = out.delta;
    }
  }
}
