// The six-hump camel (Dixon & Szegő 1978): six minima, of which two are the lowest.
//   f = (4 - 2.1x² + x⁴/3)x² + xy + (4y² - 4)y²
//   ∇f = (8x - 8.4x³ + 2x⁵ + y, x - 8y + 16y³),  H = [8 - 25.2x² + 10x⁴, 1; 1, 48y² - 8]

alias Point = vec2f;

fn value(p: Point) -> f32 {
  let s = p * p;
  return (4.0 - 2.1 * s.x + s.x * s.x / 3.0) * s.x + p.x * p.y + (4.0 * s.y - 4.0) * s.y;
}

fn gradient(p: Point) -> Point {
  let s = p * p;
  return Point(((2.0 * s.x - 8.4) * s.x + 8.0) * p.x + p.y, p.x + (16.0 * s.y - 8.0) * p.y);
}

fn product(p: Point, v: Point) -> Point {
  let s = p * p;
  return Point(((10.0 * s.x - 25.2) * s.x + 8.0) * v.x + v.y, v.x + (48.0 * s.y - 8.0) * v.y);
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
