// Muon's other tensors, those that are no matrices: AdamW.
//
//   p -= decay·p;  m = beta1·m + (1-beta1)·g;  v = beta2·v + (1-beta2)·g²
//   p -= step·m / (√v·v_scale + eps),   step = adamwLr / (1-beta1ᵗ), v_scale = 1 / √(1-beta2ᵗ)

override WORKGROUP: u32 = 64;

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  lr: f32,
  // 1: Nesterov's momentum; 2: the rate that matches AdamW's.
  options: u32,
  momentum_c: f32,
  eps: f32,
  adamw_step: f32,
  adamw_beta1_c: f32,
  adamw_beta2_c: f32,
  adamw_v_scale: f32,
  adamw_eps: f32,
  adamw_decay: f32,
}

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> exp_avg: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> exp_avg_sq: array<vec4f>;
// Group, elements, and where they begin in param and grad, and in the state, in vec4s.
@group(0) @binding(5) var<storage, read> segments: array<vec4u>;

// A workgroup takes a segment, lanes every WORKGROUP-th vec4 of it. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn adamw(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&segments)) {
    return;
  }
  let segment = segments[index];
  let h = hyper[segment.x * groups.z + group.z];
  if (h.skip != 0u) {
    return;
  }
  let first = group.z * (arrayLength(&param) / groups.z) + segment.z;
  let state = group.z * (arrayLength(&exp_avg) / groups.z) + segment.w;
  for (var i = lane; 4u * i < segment.y; i += WORKGROUP) {
    let at = first + i;
    let g = clip(h.grad_scale * grad[at], h.clip_value) + h.l2 * param[at];
    let old_m = exp_avg[state + i];
    let old_v = exp_avg_sq[state + i];
    let m = old_m + h.adamw_beta1_c * (g - old_m);
    // Without a memory (beta2 = 0) the form would lose a g² far below the old v.
    let v = select(old_v + h.adamw_beta2_c * (g * g - old_v), g * g, h.adamw_beta2_c == 1.0);
    exp_avg[state + i] = m;
    exp_avg_sq[state + i] = v;
    let p = select(param[at], param[at] - h.adamw_decay * param[at], h.adamw_decay != 0.0);
    param[at] = p - h.adamw_step * m / (sqrt(v) * h.adamw_v_scale + h.adamw_eps);
  }
}

// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----

// Into [-most, most]; the largest f32 stands for no clipping. NaN stays NaN: what lies in (most, infinity] is told by its bits.
fn clip(g: vec4f, most: f32) -> vec4f {
  let bits = bitcast<vec4u>(g);
  let limit = bitcast<u32>(most);
  let beyond = select(0x7f800000u - limit, 0u, most > 3.4e38);
  let over = (bits & vec4u(0x7fffffffu)) - vec4u(limit + 1u) < vec4u(beyond);
  return select(g, bitcast<vec4f>((bits & vec4u(0x80000000u)) | vec4u(limit)), over);
}
