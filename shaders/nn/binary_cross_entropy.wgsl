// Binary cross-entropy of logits: each row's loss, the share of its outputs on the right side, and the gradient.
//
// One invocation takes one row. With u = exp(-|z|), which never overflows, softplus(z) = max(z, 0) + log(1 + u):
//
//   loss = Σ_j ((1 - t_j) softplus(z_j) + w_j t_j softplus(-z_j)) / n
//   dz_j = ((1 - t_j) σ(z_j) - w_j t_j σ(-z_j)) / (n · valid)
//
// where w_j is what a target of 1 weighs. The batch's loss is the mean over all outputs of its valid rows. Rows past `valid`
// (a short last batch) get loss 0, gradient 0.
//
//   z        [rows, z_stride]  outputs            stream  per replica; `valid` is read
//   targets  [samples, n]      of the data set    batch   sample of each row, [replica, rows]
//   dz       [rows, z_stride]  written            result  (loss, share right) per row, written
//   weights  one per output (WEIGHTED)

// The outputs as a constant, too, for the division: SwiftShader divides by a constant with another last bit.
override N: u32 = 1;
override WEIGHTED: bool = false;
override WORKGROUP: u32 = 32;

struct Shape { rows: u32, n: u32, z_stride: u32, }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read> weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> dz: array<f32>;
@group(0) @binding(7) var<storage, read_write> result: array<vec2f>;

// log(1 + u) for u from 0 to 1, as 2 artanh(u / (2 + u)): WGSL's log may be off by 2^-21 there, and 1 + u rounds u away.
fn log1p(u: f32) -> f32 {
  let s = u / (2.0 + u);
  let q = s * s;
  // s is at most 1/3: the first term left out is below 2^-28 of the sum.
  let tail = 1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q / 15.0)))));
  return 2.0 * (s + s * q * tail);
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
  let wanted = batch[at] * n;
  let unit = 1.0 / (f32(n) * f32(valid));
  var sum = 0.0;
  var right = 0.0;
  for (var j = 0u; j < n; j++) {
    let x = z[first + j];
    let t = targets[wanted + j];
    var yes = t;
    if (WEIGHTED) { yes *= weights[j]; }
    let no = 1.0 - t;
    // Below -87 the exponential is 0 in f32 to within its smallest number.
    let far = abs(x);
    let u = exp(-select(far, 87.0, far > 87.0));
    let large = 1.0 / (1.0 + u);
    let small = u / (1.0 + u);
    let positive = x > 0.0;
    // (Not max, which may turn a NaN into a number.)
    sum += no * (select(0.0, x, positive) + log1p(u)) + yes * (select(-x, 0.0, positive) + log1p(u));
    right += select(0.0, 1.0, positive == (t >= 0.5));
    dz[first + j] = unit * (no * select(small, large, positive) - yes * select(large, small, positive));
  }
  result[at] = vec2f(sum, right) / f32(N);
}
