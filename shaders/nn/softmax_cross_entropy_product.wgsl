// The second derivative of softmax cross-entropy by the logits, applied to a tangent of these (the R-operator):
//
//   R dz_j = p_j (R z_j - Σ_k p_k R z_k) Σ_k q_k / valid,   p = softmax(z)
//
// with the targets' shares q of softmax_cross_entropy, of which only the sum counts; with class weights and labels divided
// by the mean weight, too. One invocation takes one row. Rows past `valid` get 0.
//
//   z, rz    [rows, z_stride]  logits, their tangents   stream   per replica; `valid` is read
//   targets  of the data set: one label per sample, or the bits of [samples, n] float32 (PROBABILITIES)
//   batch    sample of each row, [replica, rows]        weights  one per class (WEIGHTED)
//   mean_weight  one per replica, of labels (WEIGHTED)  rdz      [rows, z_stride]  written

override PROBABILITIES: bool = false;
override WEIGHTED: bool = false;
// The target is more than one label.
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
@group(0) @binding(7) var<storage, read> rz: array<f32>;
@group(0) @binding(8) var<storage, read_write> rdz: array<f32>;

// What is given for class j: `target_at` is the label, or where the row's probabilities begin.
fn given(target_at: u32, j: u32) -> f32 {
  if (PROBABILITIES) { return bitcast<f32>(targets[target_at + j]); }
  return select(0.0, 1.0, target_at == j);
}

fn share(target_at: u32, j: u32) -> f32 {
  let q = shape.keep * given(target_at, j) + shape.spread;
  if (WEIGHTED) { return q * weights[j]; }
  return q;
}

// exp(z - top). Below -87 it is 0 in f32 to within its smallest number.
fn power(z: f32, top: f32) -> f32 {
  let d = z - top;
  return exp(select(d, -87.0, d < -87.0));
}

@compute @workgroup_size(WORKGROUP)
fn product(
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
  let valid = stream[replica].valid;
  if (row >= valid) {
    for (var j = 0u; j < n; j++) { rdz[first + j] = 0.0; }
    return;
  }
  var target_at = batch[at] * n;
  if (!PROBABILITIES) { target_at = targets[batch[at]]; }
  var top = z[first];
  for (var j = 1u; j < n; j++) { top = select(top, z[first + j], z[first + j] > top); }
  var sum = 0.0;
  var tangents = 0.0;
  var total = select(1.0, 0.0, SPREAD);
  for (var j = 0u; j < n; j++) {
    let e = power(z[first + j], top);
    sum += e;
    tangents += e * rz[first + j];
    if (SPREAD) { total += share(target_at, j); }
  }
  // A batch whose labels all weigh nothing has no mean: it counts nothing.
  var mean = 1.0;
  if (WEIGHTED && !PROBABILITIES) { mean = mean_weight[replica]; }
  let unit = select(1.0 / (mean * f32(valid)), 0.0, mean == 0.0);
  let weight = total / sum * unit;
  let middle = tangents / sum;
  for (var j = 0u; j < n; j++) { rdz[first + j] = power(z[first + j], top) * weight * (rz[first + j] - middle); }
}
