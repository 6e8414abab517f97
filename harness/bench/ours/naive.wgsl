// What most apps carry: one invocation per scalar, the textbook's lines as they stand, the powers of beta in every one.

struct Settings { lr: f32, beta1: f32, beta2: f32, eps: f32, t: f32, momentum: f32 }

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read_write> param: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read_write> m: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(256)
fn sgd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 256u + id.x;
  if (i >= arrayLength(&param)) { return; }
  param[i] = param[i] - settings.lr * grad[i];
}

@compute @workgroup_size(256)
fn momentum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 256u + id.x;
  if (i >= arrayLength(&param)) { return; }
  m[i] = settings.momentum * m[i] + grad[i];
  param[i] = param[i] - settings.lr * m[i];
}

@compute @workgroup_size(256)
fn adam(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.y * groups.x * 256u + id.x;
  if (i >= arrayLength(&param)) { return; }
  let g = grad[i];
  m[i] = settings.beta1 * m[i] + (1.0 - settings.beta1) * g;
  v[i] = settings.beta2 * v[i] + (1.0 - settings.beta2) * g * g;
  let m_hat = m[i] / (1.0 - pow(settings.beta1, settings.t));
  let v_hat = v[i] / (1.0 - pow(settings.beta2, settings.t));
  param[i] = param[i] - settings.lr * m_hat / (sqrt(v_hat) + settings.eps);
}
