// Softmax cross-entropy: each row's loss, whether its largest logit is the right one, and the gradient at the logits.
//
// One invocation takes one row:  loss = log Σ_j exp(z_j - m) + m - z_label  with m = max_j z_j (never overflows),
// dz_j = (exp(z_j - m) / Σ - [j = label]) / valid, so that the batch's loss is the mean over its valid rows.
// Rows past `valid` (a short last batch) get loss 0 and gradient 0.
//
//   z       [rows, z_stride]  logits             stream   per replica; `valid` is read
//   labels  one u32 per sample of the data set   batch    sample of each row, [replica, rows]
//   dz      [rows, z_stride]  written            result   (loss, correct) per row, written

override WORKGROUP: u32 = 32;

struct Shape { rows: u32, n: u32, z_stride: u32, }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read_write> dz: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<vec2f>;

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
  let label = labels[batch[at]];
  var top = z[first];
  var best = 0u;
  for (var j = 1u; j < n; j++) {
    let value = z[first + j];
    if (value > top) {
      top = value;
      best = j;
    }
  }
  var sum = 0.0;
  for (var j = 0u; j < n; j++) {
    // Below -87 the exponential is 0 in f32 to within its smallest number.
    let d = z[first + j] - top;
    // (Not max, which may turn a logit that is NaN into a number.)
    let e = exp(select(d, -87.0, d < -87.0));
    sum += e;
    dz[first + j] = e;
  }
  let weight = 1.0 / (sum * f32(valid));
  for (var j = 0u; j < n; j++) { dz[first + j] *= weight; }
  dz[first + label] -= 1.0 / f32(valid);
  result[at] = vec2f(log(sum) + (top - z[first + label]), select(0.0, 1.0, best == label));
}
