// Shampoo's other tensors, those that are no matrices: AdaGrad.
//
//   p -= decay·p;  s = s + g²;  p -= lr·g / (√s + eps)
//   MOMENTUM: m = momentum·m + g / (√s + eps);  p -= lr·m

override MOMENTUM: bool = false;
override WORKGROUP: u32 = 64;

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  lr: f32,
  // What is added to the preconditioners, relative to their norms.
  ridge: f32,
  frequency: u32,
  adagrad_eps: f32,
  momentum: f32,
}

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4f>;
// Group, elements, and where they begin in param and grad, and in the state, in vec4s.
@group(0) @binding(4) var<storage, read> segments: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> momentum_buffer: array<vec4f>;

// A workgroup takes a segment, lanes every WORKGROUP-th vec4 of it. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn adagrad(
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
  let state = group.z * (arrayLength(&sum) / groups.z) + segment.w;
  for (var i = lane; 4u * i < segment.y; i += WORKGROUP) {
    let p = param[first + i];
    let g = clip(h.grad_scale * grad[first + i], h.clip_value) + h.l2 * p;
    let s = sum[state + i] + g * g;
    sum[state + i] = s;
    var change = g / (sqrt(s) + h.adagrad_eps);
    if (MOMENTUM) {
      change += h.momentum * momentum_buffer[first + i];
      momentum_buffer[first + i] = change;
    }
    param[first + i] = select(p, p - h.decay * p, h.decay != 0.0) - h.lr * change;
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
