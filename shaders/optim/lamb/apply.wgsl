// LAMB, last pass: p -= lr·trust·r.

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  lr: f32,
  beta1_c: f32,
  beta2_c: f32,
  m_scale: f32,
  v_scale: f32,
  eps: f32,
  weight_decay: f32,
  // Whether there is a ratio at all.
  adapt: u32,
  // Of the tensor: written by trust.wgsl.
  trust: f32,
}

struct Out { p: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> direction: array<vec4f>;
@group(0) @binding(3) var<storage, read> group_of: array<u32>;

fn rule(p: vec4f, direction: vec4f, h: Hyper) -> Out {
  return Out(p - h.lr * h.trust * direction);
}

// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----

override LANES: u32 = 4;
override WORKGROUP: u32 = 64;

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
      let s_direction = direction[at];
      let out = rule(s_p, s_direction, h);
      param[at] = out.p;
    }
  }
}
