// Softmax cross-entropy: each row's loss, whether its largest logit is the right one, and the gradient at the logits.
//
// One invocation takes one row, with log p_j = z_j - m - log Σ_k exp(z_k - m), m = max_k z_k (never overflows):
//
//   loss = - Σ_j q_j log p_j,   dz_j = (p_j Σ_k q_k - q_j) / valid,   q_j = w_j ((1 - smoothing) t_j + smoothing / n)
//
// with t one for the label and else 0, or the probabilities given. The batch's loss is the mean over its valid rows; with
// class weights w and labels, Σ loss over Σ w_label, as in PyTorch: both are divided by the mean weight. Rows past `valid`
// (a short last batch) get loss 0 and gradient 0.
//
//   z        [rows, z_stride]  logits               stream   per replica; `valid` is read
//   targets  of the data set: one label per sample, or the bits of [samples, n] float32 (PROBABILITIES)
//   batch    sample of each row, [replica, rows]    weights  one per class (WEIGHTED)
//   mean_weight  one per replica, of labels (WEIGHTED)
//   dz       [rows, z_stride]  written              result   (loss, correct) per row, written

override PROBABILITIES: bool = false;
override WEIGHTED: bool = false;
// The target is more than one label: those are served by shorter loops, which SwiftShader runs in half the time.
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

// exp(z - top). Below -87 it is 0 in f32 to within its smallest number. (Not max, which may turn a NaN into a number.) It is
// computed again where it is needed again: to store and fetch it is three more accesses, which is what lavapipe compiles slowly.
fn power(z: f32, top: f32) -> f32 {
  let d = z - top;
  return exp(select(d, -87.0, d < -87.0));
}

@compute @workgroup_size(WORKGROUP)
fn loss(
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
    for (var j = 0u; j < n; j++) { dz[first + j] = 0.0; }
    result[at] = vec2f();
    return;
  }
  var target_at = batch[at] * n;
  if (!PROBABILITIES) { target_at = targets[batch[at]]; }
  var top = z[first];
  var best = 0u;
  var wanted = select(target_at, 0u, PROBABILITIES);
  for (var j = 1u; j < n; j++) {
    let value = z[first + j];
    if (value > top) {
      top = value;
      best = j;
    }
    if (PROBABILITIES && given(target_at, j) > given(target_at, wanted)) { wanted = j; }
  }
  var sum = 0.0;
  var total = select(1.0, 0.0, SPREAD);
  for (var j = 0u; j < n; j++) {
    sum += power(z[first + j], top);
    if (SPREAD) { total += share(target_at, j); }
  }
  // A batch whose labels all weigh nothing has no mean: it counts nothing.
  var mean = 1.0;
  if (WEIGHTED && !PROBABILITIES) { mean = mean_weight[replica]; }
  let unit = select(1.0 / (mean * f32(valid)), 0.0, mean == 0.0);
  let weight = total / sum * unit;
  let log_sum = log(sum);
  var row_loss = 0.0;
  if (SPREAD) {
    for (var j = 0u; j < n; j++) {
      let q = share(target_at, j);
      let logit = z[first + j];
      dz[first + j] = power(logit, top) * weight - q * unit;
      // (Classes of no share may lie infinitely far away.)
      if (q > 0.0) { row_loss += q * (log_sum + (top - logit)); }
    }
  } else {
    for (var j = 0u; j < n; j++) {
      dz[first + j] = power(z[first + j], top) * weight - select(0.0, unit, j == target_at);
    }
    row_loss = log_sum + (top - z[first + target_at]);
  }
  if (WEIGHTED && !PROBABILITIES) { row_loss = select(row_loss / mean, 0.0, mean == 0.0); }
  result[at] = vec2f(row_loss, select(0.0, 1.0, best == wanted));
}
