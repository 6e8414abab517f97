// Beale's function (1958): steep walls, and a long flat valley.
//   f = Σ_k r_k²,  r_k = c_k - x(1 - y^k),  c = (1.5, 2.25, 2.625),  k = 1, 2, 3
//   ∂r_k/∂x = y^k - 1,  ∂r_k/∂y = k·x·y^(k-1),  ∂²r_k/∂x∂y = k·y^(k-1),  ∂²r_k/∂y² = k(k-1)·x·y^(k-2)

alias Point = vec2f;

// Powers of y, and of each what its derivatives by y have.
fn powers(y: f32) -> vec3f {
  return vec3f(y, y * y, y * y * y);
}

fn slopes(y: f32) -> vec3f {
  return vec3f(1.0, 2.0 * y, 3.0 * y * y);
}

fn residuals(p: Point) -> vec3f {
  return vec3f(1.5, 2.25, 2.625) - p.x * (1.0 - powers(p.y));
}

fn value(p: Point) -> f32 {
  let r = residuals(p);
  return dot(r, r);
}

fn gradient(p: Point) -> Point {
  let r = residuals(p);
  return 2.0 * Point(dot(r, powers(p.y) - 1.0), dot(r, p.x * slopes(p.y)));
}

fn product(p: Point, v: Point) -> Point {
  let r = residuals(p);
  let by_x = powers(p.y) - 1.0;
  let by_y = p.x * slopes(p.y);
  // Of the residuals along v, and of their derivatives.
  let change = by_x * v.x + by_y * v.y;
  let bend_x = slopes(p.y) * v.y;
  let bend_y = slopes(p.y) * v.x + p.x * vec3f(0.0, 2.0, 6.0 * p.y) * v.y;
  return 2.0 * Point(dot(change, by_x) + dot(r, bend_x), dot(change, by_y) + dot(r, bend_y));
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
