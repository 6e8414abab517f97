// Ackley's function (1987): flat outside, dented all over, and at its minimum not smooth.
//   f = -20e^(-r/5) - e^c + e + 20,  r = √(Σ x²/n),  c = Σ cos(2πx)/n
//   ∂f/∂x = x·a(r)/n + 2π sin(2πx)·e^c/n,  a = 4e^(-r/5)/r
//   ∂²f/∂x∂y = -a(1/r + 1/5)·xy/(r n²) - 4π² sin(2πx) sin(2πy)·e^c/n², and on the diagonal a/n + 4π² cos(2πx)·e^c/n
// At r = 0, where f has a cone's tip, gradient and Hessian are taken as 0.

const PI2 = 6.283185307179586;

struct Means { r: f32, e: f32 }

fn means() -> Means {
  var squares = 0.0;
  var cosines = 0.0;
  for (var j = 0u; j < shape.n; j++) {
    squares += x(j) * x(j);
    cosines += turns(x(j)).x;
  }
  let n = f32(shape.n);
  return Means(sqrt(squares / n), exp(cosines / n));
}

// The whole of f at the first element: e and 20 are put where next to the minimum they meet their like.
fn value(i: u32) -> f32 {
  if (i > 0u) {
    return 0.0;
  }
  let s = means();
  return 20.0 * (1.0 - exp(-0.2 * s.r)) + (2.718281828459045 - s.e);
}

fn gradient(i: u32) -> f32 {
  let s = means();
  if (s.r == 0.0) {
    return 0.0;
  }
  let n = f32(shape.n);
  return (x(i) * (4.0 * exp(-0.2 * s.r) / s.r) + PI2 * turns(x(i)).y * s.e) / n;
}

fn product(i: u32) -> f32 {
  let s = means();
  if (s.r == 0.0) {
    return 0.0;
  }
  let n = f32(shape.n);
  var along = 0.0;
  var sines = 0.0;
  for (var j = 0u; j < shape.n; j++) {
    along += x(j) * v(j);
    sines += turns(x(j)).y * v(j);
  }
  let a = 4.0 * exp(-0.2 * s.r) / s.r;
  let cone = a * v(i) - a * (1.0 / s.r + 0.2) * along / (s.r * n) * x(i);
  let t = turns(x(i));
  return (cone + PI2 * PI2 * s.e * (t.x * v(i) - t.y * sines / n)) / n;
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
