// A quadratic whose gradient is noisy, as that of a mini-batch: its value and Hessian are not.
//   f = ½ Σ h x²,  g = h·x + σξ;  data: h, and behind it σ
// ξ is nearly normal, the centred sum of twelve 16-bit uniforms: a number of the replica's seed, the step and the element, so
// that it is the same on every adapter.

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

fn noise(i: u32) -> f32 {
  let now = stream[replica];
  var sum = 0u;
  for (var pair = 0u; pair < 6u; pair++) {
    let bits = hash(now.seed, now.step, 6u * i + pair);
    sum += (bits >> 16u) + (bits & 0xffffu);
  }
  return f32(i32(sum) - 393210) * 0x1p-16f;
}

fn value(i: u32) -> f32 {
  return 0.5 * data[i] * x(i) * x(i);
}

fn gradient(i: u32) -> f32 {
  return data[i] * x(i) + data[shape.n] * noise(i);
}

fn product(i: u32) -> f32 {
  return data[i] * v(i);
}

// ---- Written by `npm run gen` from here on, the same for every problem. ----

override WORKGROUP: u32 = 64;

// n elements of a replica, `stride` from one replica's to the next's; with `product` the Hessian times `direction` is wanted, else
// value and gradient. (As a constant it would be a pipeline more for every problem.)
struct Shape { n: u32, stride: u32, product: u32 }
struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> direction: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<vec2f>;
@group(0) @binding(5) var<storage, read> stream: array<Stream>;
@group(0) @binding(6) var<storage, read> data: array<f32>;

var<private> replica: u32;
var<private> base: u32;
var<workgroup> sums: array<f32, WORKGROUP>;

fn x(i: u32) -> f32 {
  return param[base + i];
}

fn v(i: u32) -> f32 {
  return direction[base + i];
}

// The value and the gradient at every replica's point, or the Hessian times `direction`, and no value. z of the grid is the replica.
//
//   param   [replicas, stride], read      direction  as param, read for a product only
//   grad    as param, written: the gradient, or the product      result  [replicas] (value, 0), written but for a product
// The value is the sum of the elements' shares: each lane adds its own in order, then lane 0 adds the lanes in order.
@compute @workgroup_size(WORKGROUP)
fn evaluate(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  replica = group.z;
  base = replica * shape.stride;
  var sum = 0.0;
  for (var i = lane; i < shape.n; i += WORKGROUP) {
    if (shape.product != 0u) {
      grad[base + i] = product(i);
    } else {
      sum += value(i);
      grad[base + i] = gradient(i);
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && shape.product == 0u) {
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    result[replica] = vec2f(total, 0.0);
  }
}
