// Wood's function (Colville 1968), number 14 of Moré, Garbow & Hillstrom: two bent valleys that lean on each other, and a
// point of value 7.88 where it is nearly flat.
//   f = 100(y - x²)² + (1 - x)² + 90(w - z²)² + (1 - z)² + 10(y + w - 2)² + (y - w)²/10

alias Point = vec4f;

// Of a valley of strength c at (x, y).
fn valley(p: vec2f, c: f32) -> f32 {
  let bend = p.y - p.x * p.x;
  return c * bend * bend + (1.0 - p.x) * (1.0 - p.x);
}

fn valley_gradient(p: vec2f, c: f32) -> vec2f {
  let slope = 2.0 * c * (p.y - p.x * p.x);
  return vec2f(-2.0 * p.x * slope - 2.0 * (1.0 - p.x), slope);
}

fn valley_product(p: vec2f, v: vec2f, c: f32) -> vec2f {
  let slope = 2.0 * c * (p.y - p.x * p.x);
  let change = 2.0 * c * (v.y - 2.0 * p.x * v.x);
  return vec2f(-2.0 * (p.x * change + v.x * slope) + 2.0 * v.x, change);
}

fn value(p: Point) -> f32 {
  let sum = p.y + p.w - 2.0;
  let difference = p.y - p.w;
  return valley(p.xy, 100.0) + valley(p.zw, 90.0) + 10.0 * sum * sum + difference * difference / 10.0;
}

// What the elements y and w have of the last two terms, whose derivatives are these.
fn leaning(sum: f32, difference: f32) -> Point {
  return Point(0.0, 20.0 * sum + 0.2 * difference, 0.0, 20.0 * sum - 0.2 * difference);
}

fn gradient(p: Point) -> Point {
  let own = Point(valley_gradient(p.xy, 100.0), valley_gradient(p.zw, 90.0));
  return own + leaning(p.y + p.w - 2.0, p.y - p.w);
}

fn product(p: Point, v: Point) -> Point {
  let own = Point(valley_product(p.xy, v.xy, 100.0), valley_product(p.zw, v.zw, 90.0));
  return own + leaning(v.y + v.w, v.y - v.w);
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
