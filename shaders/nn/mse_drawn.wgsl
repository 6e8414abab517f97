// The squared error's gradient at the outputs for targets drawn from the normal distribution whose negative logarithm it is, in the
// place of mse.wgsl (Gauss-Newton-Bartlett):
//
//   t_j = z_j + √(n / 2) ε_j,   dz_j = √(2 / n) ε_j / √(valid · rows)
//
// ε nearly normal: the centred sum of twelve 16-bit uniforms, as in gradient_noise.wgsl, keyed by seed, step, row and output. (Normal numbers
// are as likely as their negatives.) The variance of dz_j is that output's second derivative of the row's loss, over valid · rows: `rows`
// times the squared gradient of a weight is on average the Gauss-Newton curvature of the batch's loss. Rows past `valid` have
// gradient 0.
//
//   z, targets, batch, stream, dz as there; the first three are not read     result  (0, 0) per row, written

override N: u32 = 1;
override WORKGROUP: u32 = 32;

struct Shape { rows: u32, n: u32, z_stride: u32, }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read_write> dz: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<vec2f>;

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
  result[at] = vec2f();
  if (row >= now.valid) {
    for (var j = 0u; j < n; j++) { dz[first + j] = 0.0; }
    return;
  }
  let key = hash(now.seed, DRAWN, 0u);
  let unit = sqrt(2.0 / (f32(N) * f32(now.valid) * f32(shape.rows))) * 0x1p-16f;
  for (var j = 0u; j < n; j++) {
    let number = 6u * (row * n + j);
    var sum = 0u;
    for (var pair = 0u; pair < 6u; pair++) {
      let bits = hash(key, now.step, number + pair);
      sum += (bits >> 16u) + (bits & 0xffffu);
    }
    dz[first + j] = unit * f32(i32(sum) - 393210);
  }
}
