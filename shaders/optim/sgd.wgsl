// Stochastic gradient descent with momentum, dampening, Nesterov's look-ahead and L2 decay (Sutskever et al. 2013, in
// PyTorch's form):  d = g + weight_decay·p;  b = momentum·b + grad_weight·d;  p -= lr·(nesterov ? d + momentum·b : b).
//
// `grad_weight` is 1 - dampening, 1 at the first update. Without momentum (MOMENTUM_BUFFER off) p -= lr·d and no state is read.
// param and momentum_buffer are updated in place; grad is only read (bound read_write so that it may share their buffer).

override MOMENTUM_BUFFER: bool = false;
override WORKGROUP: u32 = 64;

// One row per tensor group and replica, written by `advance`. The first three words are the same for every rule.
struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  lr: f32,
  momentum: f32,
  grad_weight: f32,
  weight_decay: f32,
  nesterov: u32,
}

struct Out { p: vec4f, momentum_buffer: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> momentum_buffer: array<vec4f>;
@group(0) @binding(4) var<storage, read> group_of: array<u32>;

fn rule(p: vec4f, g: vec4f, momentum_buffer: vec4f, h: Hyper) -> Out {
  let d = g + h.weight_decay * p;
  if (!MOMENTUM_BUFFER) {
    return Out(p - h.lr * d, momentum_buffer);
  }
  let b = h.momentum * momentum_buffer + h.grad_weight * d;
  let direction = select(b, d + h.momentum * b, h.nesterov != 0u);
  return Out(p - h.lr * direction, b);
}

// A block of 64 floats belongs to one tensor, so four lanes share it and each takes every fourth of its 16 vec4s with one
// look at `group_of` and `hyper`. Grid-stride over the blocks of the arena; z is the replica.
@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let replica = id.z;
  let quads = arrayLength(&param) / groups.z;
  for (var lane = id.x; lane < quads / 4u; lane += groups.x * WORKGROUP) {
    let chunk = lane / 4u;
    let h = hyper[group_of[chunk] * groups.z + replica];
    if (h.skip != 0u) {
      continue;
    }
    let first = replica * quads + chunk * 16u + (lane & 3u);
    for (var at = first; at < first + 16u; at += 4u) {
      var state = vec4f();
      if (MOMENTUM_BUFFER) { state = momentum_buffer[at]; }
      let out = rule(param[at], h.grad_scale * grad[at], state, h);
      param[at] = out.p;
      if (MOMENTUM_BUFFER) { momentum_buffer[at] = out.momentum_buffer; }
    }
  }
}
