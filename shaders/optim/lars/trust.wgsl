// LARS, second pass: the rate of each tensor's own, into its record; 1 where a norm is 0, or where no ratio is wanted.
//
//   the paper: trust = coefficient·‖p‖ / (‖g‖ + weight_decay·‖p‖ + eps)
//   optax:     trust = coefficient·‖p‖ / (‖g + weight_decay·p‖ + eps)
//
//   partial  [replicas, segments] (sum of p², of g² or of (g + weight_decay·p)², …)
//   begins   [groups + 1] first segment of each group

override WORKGROUP: u32 = 1;

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

@group(0) @binding(0) var<storage, read_write> hyper: array<Hyper>;
@group(0) @binding(1) var<storage, read> partial: array<vec4f>;
@group(0) @binding(2) var<storage, read> begins: array<u32>;

// A workgroup for each group; z is the replica.
@compute @workgroup_size(WORKGROUP)
fn trust(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let own = group.y * groups.x + group.x;
  if (own + 1u >= arrayLength(&begins)) {
    return;
  }
  let all = arrayLength(&partial) / groups.z;
  var sum = vec2f();
  for (var i = begins[own]; i < begins[own + 1u]; i++) { sum += partial[group.z * all + i].xy; }
  let norms = sqrt(sum);
  let record = own * groups.z + group.z;
  let h = hyper[record];
  let below = norms.y + select(h.weight_decay, 0.0, h.of_sum != 0u) * norms.x + h.eps;
  let ratio = h.coefficient * norms.x / below;
  hyper[record].trust = select(1.0, ratio, h.adapt != 0u && norms.x > 0.0 && norms.y > 0.0);
}
