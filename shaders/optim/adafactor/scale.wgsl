// Adafactor, fourth pass: the step of each tensor, into its record.
//
//   step = rho·max(eps_scale, RMS(p)) / max(1, RMS(u) / d), without scale_parameter rho / max(1, RMS(u) / d)
//
//   partial  [replicas, segments] (sum of u², of p², …)      begins  [groups + 1] first segment of each group
//   sizes    [groups] elements of each group's tensor

override WORKGROUP: u32 = 1;

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  rho: f32,
  beta2_c: f32,
  eps_mean: f32,
  eps_row: f32,
  least: f32,
  eps_scale: f32,
  d: f32,
  scale_parameter: u32,
  // Of the tensor: written by scale.wgsl.
  step: f32,
}

@group(0) @binding(0) var<storage, read_write> hyper: array<Hyper>;
@group(0) @binding(1) var<storage, read> partial: array<vec4f>;
@group(0) @binding(2) var<storage, read> begins: array<u32>;
@group(0) @binding(3) var<storage, read> sizes: array<u32>;

// A workgroup for each group; z is the replica.
@compute @workgroup_size(WORKGROUP)
fn scale(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let own = group.y * groups.x + group.x;
  if (own + 1u >= arrayLength(&begins)) {
    return;
  }
  let all = arrayLength(&partial) / groups.z;
  var sum = vec2f();
  for (var i = begins[own]; i < begins[own + 1u]; i++) { sum += partial[group.z * all + i].xy; }
  let rms = sqrt(sum / f32(max(sizes[own], 1u)));
  let record = own * groups.z + group.z;
  let h = hyper[record];
  let size = select(1.0, max(h.eps_scale, rms.y), h.scale_parameter != 0u);
  hyper[record].step = h.rho * size / max(1.0, rms.x / h.d);
}
