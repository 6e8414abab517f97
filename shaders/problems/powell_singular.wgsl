// Powell's singular function (1962), number 13 of Moré, Garbow & Hillstrom: at its minimum the Hessian is singular.
//   f = (x + 10y)² + 5(z - w)² + (y - 2z)⁴ + 10(x - w)⁴

alias Point = vec4f;

fn value(p: Point) -> f32 {
  let a = p.x + 10.0 * p.y;
  let b = p.z - p.w;
  let c = (p.y - 2.0 * p.z) * (p.y - 2.0 * p.z);
  let d = (p.x - p.w) * (p.x - p.w);
  return a * a + 5.0 * b * b + c * c + 10.0 * d * d;
}

// What each of the four terms has by its own argument, taken to the elements.
fn spread(t: vec4f) -> Point {
  return Point(t.x + t.w, 10.0 * t.x + t.z, t.y - 2.0 * t.z, -t.y - t.w);
}

fn gradient(p: Point) -> Point {
  let c = p.y - 2.0 * p.z;
  let d = p.x - p.w;
  return spread(vec4f(2.0 * (p.x + 10.0 * p.y), 10.0 * (p.z - p.w), 4.0 * c * c * c, 40.0 * d * d * d));
}

fn product(p: Point, v: Point) -> Point {
  let c = p.y - 2.0 * p.z;
  let d = p.x - p.w;
  let along = vec4f(v.x + 10.0 * v.y, v.z - v.w, v.y - 2.0 * v.z, v.x - v.w);
  return spread(vec4f(2.0, 10.0, 12.0 * c * c, 120.0 * d * d) * along);
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
