// Three valleys beside each other, each half a unit lower than the one on its right.
//   f = x²(x² - 4)²/16 + x/4 + y²
//   ∂f/∂x = x(x² - 4)(3x² - 4)/8 + 1/4,  ∂²f/∂x² = (15x⁴ - 48x² + 16)/8;  ∂f/∂y = 2y

alias Point = vec2f;

fn value(p: Point) -> f32 {
  let well = p.x * (p.x * p.x - 4.0) / 4.0;
  return well * well + p.x / 4.0 + p.y * p.y;
}

fn gradient(p: Point) -> Point {
  let square = p.x * p.x;
  return Point(p.x * (square - 4.0) * (3.0 * square - 4.0) / 8.0 + 0.25, 2.0 * p.y);
}

fn product(p: Point, v: Point) -> Point {
  let square = p.x * p.x;
  return Point(((15.0 * square - 48.0) * square + 16.0) / 8.0 * v.x, 2.0 * v.y);
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
