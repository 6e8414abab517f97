// Himmelblau's function (1972): four minima, all of value 0.
//   f = a² + b²,  a = x² + y - 11,  b = x + y² - 7
//   ∇f = (4xa + 2b, 2a + 4yb),  H = [4a + 8x² + 2, 4x + 4y; 4x + 4y, 4b + 8y² + 2]

alias Point = vec2f;

fn residuals(p: Point) -> vec2f {
  return p * p + p.yx - vec2f(11.0, 7.0);
}

fn value(p: Point) -> f32 {
  let r = residuals(p);
  return dot(r, r);
}

fn gradient(p: Point) -> Point {
  let r = residuals(p);
  return 4.0 * p * r + 2.0 * r.yx;
}

fn product(p: Point, v: Point) -> Point {
  let diagonal = 4.0 * residuals(p) + 8.0 * p * p + 2.0;
  return diagonal * v + 4.0 * (p.x + p.y) * v.yx;
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
