// Softmax cross-entropy's gradient at the logits for labels drawn from the model itself, in the place of softmax_cross_entropy.wgsl
// (Gauss-Newton-Bartlett):
//
//   y ~ p = softmax(z),   dz_j = √(Σ_k q_k / mean) (p_j - [j = y]) / √(valid · rows)
//
// q is of the data's target, as there: what the row counts. The covariance of p_j - [j = y] is the Hessian of the row's loss at the
// logits, so `rows` times the squared gradient of a weight is on average the Gauss-Newton curvature of the batch's loss. Rows
// past `valid` have gradient 0. A label is the first class whose share of Σ exp(z - top), added up in their order, exceeds a uniform
// number keyed by seed, step and row.
//
//   z, targets, batch, stream, weights, mean_weight, dz as there      result  (label drawn, 0) per row, written

override PROBABILITIES: bool = false;
override WEIGHTED: bool = false;
override SPREAD: bool = false;
override WORKGROUP: u32 = 32;

// keep = 1 - smoothing, spread = smoothing / n
struct Shape { rows: u32, n: u32, z_stride: u32, keep: f32, spread: f32 }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read> weights: array<f32>;
@group(0) @binding(6) var<storage, read> mean_weight: array<f32>;
@group(0) @binding(7) var<storage, read_write> dz: array<f32>;
@group(0) @binding(8) var<storage, read_write> result: array<vec2f>;

// Keeps these numbers apart from those of batches, dropout and noise, whatever the seed.
const DRAWN = 0x4c420000u;

// The hash pcg3d (Jarzynski & Olano, JCGT 9(3), 2020), last component; pcgHash of src/kernels/random.ts.
fn hash(seed: u32, sequence: u32, index: u32) -> u32 {
  var a = seed * 1664525u + 1013904223u;
  var b = sequence * 1664525u + 1013904223u;
  var c = index * 1664525u + 1013904223u;
  a += b * c;
  b += c * a;
  c += a * b;
  a ^= a >> 16u;
  b ^= b >> 16u;
  c ^= c >> 16u;
  a += b * c;
  b += c * a;
  c += a * b;
  return c ^ (c >> 16u);
}

fn share(target_at: u32, j: u32) -> f32 {
  var given = select(0.0, 1.0, target_at == j);
  if (PROBABILITIES) { given = bitcast<f32>(targets[target_at + j]); }
  let q = shape.keep * given + shape.spread;
  if (WEIGHTED) { return q * weights[j]; }
  return q;
}

// exp(z - top). Below -87 it is 0 in f32 to within its smallest number. (Not max, which may turn a NaN into a number.)
fn power(z: f32, top: f32) -> f32 {
  let d = z - top;
  return exp(select(d, -87.0, d < -87.0));
}

@compute @workgroup_size(WORKGROUP)
fn drawn(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = (group.y * groups.x + group.x) * WORKGROUP + local.x;
  let replica = group.z;
  let n = shape.n;
  if (row >= shape.rows) {
    return;
  }
  let at = replica * shape.rows + row;
  let first = at * shape.z_stride;
  let now = stream[replica];
  if (row >= now.valid) {
    for (var j = 0u; j < n; j++) { dz[first + j] = 0.0; }
    result[at] = vec2f();
    return;
  }
  var target_at = batch[at] * n;
  if (!PROBABILITIES) { target_at = targets[batch[at]]; }
  var top = z[first];
  var label = 0u;
  for (var j = 1u; j < n; j++) {
    let value = z[first + j];
    if (value > top) {
      top = value;
      label = j;
    }
  }
  var sum = 0.0;
  var total = select(1.0, 0.0, SPREAD);
  for (var j = 0u; j < n; j++) {
    sum += power(z[first + j], top);
    if (SPREAD) { total += share(target_at, j); }
  }
  // In (0, 1), exactly: 23 bits and a half.
  let bits = hash(hash(now.seed, DRAWN, 0u), now.step, row) >> 9u;
  let wanted = (f32(bits) + 0.5) * 0x1p-23f * sum;
  var so_far = 0.0;
  var found = false;
  for (var j = 0u; j < n; j++) {
    so_far += power(z[first + j], top);
    if (!found && so_far > wanted) {
      label = j;
      found = true;
    }
  }
  if (WEIGHTED && !PROBABILITIES) {
    let mean = mean_weight[replica];
    total = select(total / mean, 0.0, mean == 0.0);
  }
  let unit = sqrt(total / (f32(now.valid) * f32(shape.rows)));
  for (var j = 0u; j < n; j++) {
    dz[first + j] = (power(z[first + j], top) / sum - select(0.0, 1.0, j == label)) * unit;
  }
  result[at] = vec2f(f32(label), 0.0);
}
