// The monkey saddle, with three ways down; at the origin gradient and Hessian are 0.
//   f = x³ - 3xy²,  ∇f = (3x² - 3y², -6xy),  H = [6x, -6y; -6y, -6x]

alias Point = vec2f;

fn value(p: Point) -> f32 {
  return p.x * (p.x * p.x - 3.0 * p.y * p.y);
}

fn gradient(p: Point) -> Point {
  return Point(3.0 * (p.x - p.y) * (p.x + p.y), -6.0 * p.x * p.y);
}

fn product(p: Point, v: Point) -> Point {
  return 6.0 * Point(p.x * v.x - p.y * v.y, -p.y * v.x - p.x * v.y);
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
