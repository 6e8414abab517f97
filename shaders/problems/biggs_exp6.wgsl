// Biggs' EXP6 (1971), number 18 of Moré, Garbow & Hillstrom: a sum of three exponentials fitted to 13 values.
//   f = Σ_k r_k²,  r_k = c e^(-t a) - d e^(-t b) + s e^(-t u) - y_k,  t = k/10,  (a, b, c, d, u, s) the six elements
//   y_k = e^(-t) - 5e^(-10t) + 3e^(-4t)

alias Point = array<f32, 6>;

struct Residual { r: f32, by: Point }

// A residual and its derivatives.
fn residual(p: Point, t: f32) -> Residual {
  let a = exp(-t * p[0]);
  let b = exp(-t * p[1]);
  let u = exp(-t * p[4]);
  let y = exp(-t) - 5.0 * exp(-10.0 * t) + 3.0 * exp(-4.0 * t);
  return Residual(
    p[2] * a - p[3] * b + p[5] * u - y,
    Point(-t * p[2] * a, t * p[3] * b, a, -b, -t * p[5] * u, u),
  );
}

fn value(p: Point) -> f32 {
  var sum = 0.0;
  for (var k = 1u; k <= 13u; k++) {
    let r = residual(p, f32(k) / 10.0).r;
    sum += r * r;
  }
  return sum;
}

fn gradient(p: Point) -> Point {
  var sum = Point();
  for (var k = 1u; k <= 13u; k++) {
    var own = residual(p, f32(k) / 10.0);
    for (var i = 0u; i < 6u; i++) { sum[i] += 2.0 * own.r * own.by[i]; }
  }
  return sum;
}

fn product(p: Point, v: Point) -> Point {
  var sum = Point();
  var d = v;
  for (var k = 1u; k <= 13u; k++) {
    let t = f32(k) / 10.0;
    var own = residual(p, t);
    var change = 0.0;
    for (var i = 0u; i < 6u; i++) { change += own.by[i] * d[i]; }
    // Of the derivatives along v: (a, c), (b, d) and (u, s) belong together.
    var bend = Point(
      -t * (own.by[0] * v[0] + own.by[2] * v[2]),
      -t * (own.by[1] * v[1] + own.by[3] * v[3]),
      -t * own.by[2] * v[0],
      -t * own.by[3] * v[1],
      -t * (own.by[4] * v[4] + own.by[5] * v[5]),
      -t * own.by[5] * v[4],
    );
    for (var i = 0u; i < 6u; i++) { sum[i] += 2.0 * (change * own.by[i] + own.r * bend[i]); }
  }
  return sum;
}

// ---- Written by `npm run gen` from here on, the same for every problem. ----

override WORKGROUP: u32 = 1;

// n elements of a replica, `stride` from one replica's to the next's; with `product` the Hessian times `direction` is wanted, else
// value and gradient. (As a constant it would be a pipeline more for every problem.)
struct Shape { n: u32, stride: u32, product: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> direction: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<vec2f>;

// The value and the gradient at every replica's point, or the Hessian times `direction`, and no value. z of the grid is the replica.
//
//   param   [replicas, stride], read      direction  as param, read for a product only
//   grad    as param, written: the gradient, or the product      result  [replicas] (value, 0), written but for a product
@compute @workgroup_size(WORKGROUP)
fn evaluate(@builtin(workgroup_id) group: vec3u) {
  let base = group.z * shape.stride;
  var p = Point();
  for (var i = 0u; i < shape.n; i++) { p[i] = param[base + i]; }
  var out = Point();
  if (shape.product != 0u) {
    var v = Point();
    for (var i = 0u; i < shape.n; i++) { v[i] = direction[base + i]; }
    out = product(p, v);
  } else {
    out = gradient(p);
    result[group.z] = vec2f(value(p), 0.0);
  }
  for (var i = 0u; i < shape.n; i++) { grad[base + i] = out[i]; }
}
