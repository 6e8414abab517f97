// Rastrigin's function (1974): a bowl full of dents, one at every whole number.
//   f = 10n + Σ x² - 10cos 2πx,  ∂f/∂x = 2x + 20π sin 2πx,  ∂²f/∂x² = 2 + 40π² cos 2πx

fn value(i: u32) -> f32 {
  // 1 - cos 2πx = 2 sin² πx, which loses nothing next to a whole number.
  let sine = turns(0.5 * x(i)).y;
  return x(i) * x(i) + 20.0 * sine * sine;
}

fn gradient(i: u32) -> f32 {
  return 2.0 * x(i) + 62.83185307179586 * turns(x(i)).y;
}

fn product(i: u32) -> f32 {
  return (2.0 + 394.78417604357434 * turns(x(i)).x) * v(i);
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

// Cosine and sine of 2πt: t is taken to the next quarter, which is exact, and the rest's series is good to the last bit.
fn turns(t: f32) -> vec2f {
  let quarters = round(4.0 * t);
  let a = 6.283185307179586 * (t - 0.25 * quarters);
  let z = a * a;
  let c = 1.0 - 0.5 * z + z * z * ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2);
  let s = a + a * z * ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1);
  let quarter = i32(quarters) & 3;
  let swapped = select(vec2f(c, s), vec2f(-s, c), (quarter & 1) == 1);
  return select(swapped, -swapped, quarter >= 2);
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
