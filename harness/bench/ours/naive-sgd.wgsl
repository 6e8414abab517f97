// What most apps carry: one invocation per scalar. p -= lr·g

struct Settings { lr: f32, beta1: f32, beta2: f32, eps: f32, t: f32, momentum: f32 }

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read_write> param: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;

@compute @workgroup_size(256)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 256u + id.x;
  if (i >= arrayLength(&param)) { return; }
  param[i] = param[i] - settings.lr * grad[i];
}
