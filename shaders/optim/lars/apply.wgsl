// LARS, last pass: momentum with the rates in it, as in the paper and in optax.
//
//   u = lr·trust·(g + weight_decay·p);  b = momentum·b + u;  p -= b, or with nesterov u + momentum·b
//
// Without momentum (MOMENTUM_BUFFER off) p -= u and no state is read.

override MOMENTUM_BUFFER: bool = false;

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  lr: f32,
  momentum: f32,
  nesterov: u32,
  weight_decay: f32,
  coefficient: f32,
  eps: f32,
  // Whether the norm below the ratio is that of g with its decay (optax), and whether there is a ratio at all.
  of_sum: u32,
  adapt: u32,
  // Of the tensor: written by trust.wgsl.
  trust: f32,
}

struct Out { p: vec4f, momentum_buffer: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> momentum_buffer: array<vec4f>;
@group(0) @binding(4) var<storage, read> group_of: array<u32>;

fn rule(p: vec4f, g: vec4f, momentum_buffer: vec4f, h: Hyper) -> Out {
  let u = h.lr * h.trust * (g + h.weight_decay * p);
  let b = h.momentum * momentum_buffer + u;
  return Out(p - select(b, u + h.momentum * b, h.nesterov != 0u), b);
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
      var s_momentum_buffer = vec4f();
      if (MOMENTUM_BUFFER) { s_momentum_buffer = momentum_buffer[at]; }
      let out = rule(s_p, s_g, s_momentum_buffer, h);
      param[at] = out.p;
      if (MOMENTUM_BUFFER) { momentum_buffer[at] = out.momentum_buffer; }
    }
  }
}
