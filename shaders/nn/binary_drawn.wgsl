// Binary cross-entropy's gradient at the logits for targets drawn from the model itself, in the place of binary_cross_entropy.wgsl
// (Gauss-Newton-Bartlett):
//
//   y_j = 1 with probability σ(z_j), else 0,   dz_j = √c_j (σ(z_j) - y_j) / √(n · valid · rows),   c_j = 1 - t_j + w_j t_j
//
// c is of the data's target, as there: what the output counts. The variance of dz_j is that output's second derivative of the
// row's loss, over valid · rows: `rows` times the squared gradient of a weight is on average the Gauss-Newton curvature of the batch's
// loss. Rows past `valid` have gradient 0. The uniform numbers are keyed by seed, step, row and output.
//
//   z, targets, batch, stream, weights, dz as there      result  (number of y that are 1, 0) per row, written

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
  let key = hash(now.seed, DRAWN, 0u);
  let unit = 1.0 / (f32(N) * f32(now.valid) * f32(shape.rows));
  var ones = 0.0;
  for (var j = 0u; j < n; j++) {
    let x = z[first + j];
    // Below -87 the exponential is 0 in f32 to within its smallest number.
    let far = abs(x);
    let u = exp(-select(far, 87.0, far > 87.0));
    let large = 1.0 / (1.0 + u);
    let small = u / (1.0 + u);
    let positive = x > 0.0;
    // In (0, 1), exactly: 23 bits and a half.
    let uniform_number = (f32(hash(key, now.step, row * n + j) >> 9u) + 0.5) * 0x1p-23f;
    let yes = uniform_number < select(small, large, positive);
    var counts = 1.0;
    if (WEIGHTED) {
      let t = targets[batch[at] * n + j];
      counts = (1.0 - t) + weights[j] * t;
    }
    // σ(z), or σ(z) - 1 = -σ(-z).
    dz[first + j] = select(select(small, large, positive), -select(large, small, positive), yes) * sqrt(counts * unit);
    ones += select(0.0, 1.0, yes);
  }
  result[at] = vec2f(ones, 0.0);
}
