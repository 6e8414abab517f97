// Freudenstein and Roth (1963), number 2 of Moré, Garbow & Hillstrom: most ways end in a minimum that is not the lowest.
//   f = a² + b²,  a = -13 + x + ((5 - y)y - 2)y,  b = -29 + x + ((y + 1)y - 14)y

alias Point = vec2f;

fn residuals(p: Point) -> vec2f {
  return p.x + vec2f(((5.0 - p.y) * p.y - 2.0) * p.y - 13.0, ((p.y + 1.0) * p.y - 14.0) * p.y - 29.0);
}

// Of both residuals by y, once and twice; by x they are 1 and 0.
fn slopes(y: f32) -> vec2f {
  return vec2f((10.0 - 3.0 * y) * y - 2.0, (3.0 * y + 2.0) * y - 14.0);
}

fn bends(y: f32) -> vec2f {
  return vec2f(10.0 - 6.0 * y, 6.0 * y + 2.0);
}

fn value(p: Point) -> f32 {
  let r = residuals(p);
  return dot(r, r);
}

fn gradient(p: Point) -> Point {
  let r = residuals(p);
  return 2.0 * Point(r.x + r.y, dot(r, slopes(p.y)));
}

fn product(p: Point, v: Point) -> Point {
  let slope = slopes(p.y);
  let change = v.x + slope * v.y;
  return 2.0 * Point(change.x + change.y, dot(change, slope) + dot(residuals(p), bends(p.y)) * v.y);
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
