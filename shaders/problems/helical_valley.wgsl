// The helical valley of Fletcher & Powell (1963), number 7 of Moré, Garbow & Hillstrom: a valley that winds around an axis.
//   f = 100(z - 10θ)² + 100(r - 1)² + z²,  θ the angle of (x, y) in turns, from -1/4 to 3/4,  r = √(x² + y²)
//   ∇θ = (-y, x)/(2πr²),  ∇r = (x, y)/r
// On the axis, where there is no angle, both are taken as 0.

alias Point = vec3f;

const PI2 = 6.283185307179586;

// atan(t) of |t| <= 1, in turns: 1/(2π)·t·(1 - t²/3 + …), fitted; WGSL's own may be 4096 units off.
fn angle_of(t: f32) -> f32 {
  // Past tan(π/8) about π/4: atan t = π/4 + atan((t - 1)/(t + 1)).
  let far = abs(t) > 0.41421357;
  let u = select(abs(t), (abs(t) - 1.0) / (abs(t) + 1.0), far);
  let z = u * u;
  let series = (((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1) * z * u + u;
  return sign(t) * (series / PI2 + select(0.0, 0.125, far));
}

// Of (x, y), from -1/4 to 3/4.
fn turn(p: Point) -> f32 {
  if (abs(p.y) > abs(p.x)) {
    return select(select(-0.25, 0.75, p.x < 0.0), 0.25, p.y > 0.0) - angle_of(p.x / p.y);
  }
  if (p.x == 0.0) {
    return 0.0;
  }
  return angle_of(p.y / p.x) + select(0.0, 0.5, p.x < 0.0);
}

struct Parts { bend: f32, away: f32, r: f32, by_turn: vec2f, by_r: vec2f }

fn parts(p: Point) -> Parts {
  let r = length(p.xy);
  let inverse = select(1.0 / r, 0.0, r == 0.0);
  let unit = p.xy * inverse;
  return Parts(p.z - 10.0 * turn(p), r - 1.0, r, vec2f(-unit.y, unit.x) * inverse / PI2, unit);
}

fn value(p: Point) -> f32 {
  let own = parts(p);
  return 100.0 * (own.bend * own.bend + own.away * own.away) + p.z * p.z;
}

fn gradient(p: Point) -> Point {
  let own = parts(p);
  let plane = 200.0 * (own.away * own.by_r - 10.0 * own.bend * own.by_turn);
  return Point(plane, 200.0 * own.bend + 2.0 * p.z);
}

fn product(p: Point, v: Point) -> Point {
  let own = parts(p);
  let inverse = select(1.0 / own.r, 0.0, own.r == 0.0);
  // Of bend and r along v, and of their gradients: that of θ turns and shrinks as 1/r, that of r turns.
  let bend = v.z - 10.0 * dot(own.by_turn, v.xy);
  let r = dot(own.by_r, v.xy);
  let across = dot(vec2f(-own.by_r.y, own.by_r.x), v.xy) * inverse;
  let by_r = across * vec2f(-own.by_r.y, own.by_r.x);
  let by_turn = -(across * own.by_r / PI2 + r * own.by_turn) * inverse;
  let plane = r * own.by_r + own.away * by_r - 10.0 * (bend * own.by_turn + own.bend * by_turn);
  return Point(200.0 * plane, 200.0 * bend + 2.0 * v.z);
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
