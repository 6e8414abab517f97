// The penalty function I of Gill, Murray & Pitfield (1972), number 23 of Moré, Garbow & Hillstrom: a sphere, and a faint pull.
//   f = a Σ (x_k - 1)² + q²,  q = Σ x_k² - 1/4,  a = 1e-5
//   ∂f/∂x_k = 2a(x_k - 1) + 4q·x_k,  H v = (2a + 4q)v + 8x·Σ x_k v_k

const FAINT = 1e-5;

fn sphere() -> f32 {
  var sum = -0.25;
  for (var j = 0u; j < shape.n; j++) { sum += x(j) * x(j); }
  return sum;
}

fn value(i: u32) -> f32 {
  let d = x(i) - 1.0;
  let q = sphere();
  return FAINT * d * d + select(0.0, q * q, i == 0u);
}

fn gradient(i: u32) -> f32 {
  return 2.0 * FAINT * (x(i) - 1.0) + 4.0 * sphere() * x(i);
}

fn product(i: u32) -> f32 {
  var along = 0.0;
  for (var j = 0u; j < shape.n; j++) { along += x(j) * v(j); }
  return (2.0 * FAINT + 4.0 * sphere()) * v(i) + 8.0 * along * x(i);
}

// ---- Written by `npm run gen` from here on, the same for every problem. ----

override WORKGROUP: u32 = 64;

// n elements of a replica, `stride` from one replica's to the next's; with `product` the Hessian times `direction` is wanted, else
// value and gradient. (As a constant it would be a pipeline more for every problem.)
struct Shape { n: u32, stride: u32, product: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> direction: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<vec2f>;

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
