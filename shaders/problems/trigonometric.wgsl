// The trigonometric function of Spedicato (1975), number 26 of Moré, Garbow & Hillstrom.
//   f = Σ r_k²,  r_k = n - Σ_j cos x_j + k(1 - cos x_k) - sin x_k,  k = 1 … n
//   ∂f/∂x_k = 2 sin x_k Σ_j r_j + 2 r_k(k sin x_k - cos x_k)

const PI2 = 6.283185307179586;

fn angle(i: u32) -> vec2f {
  return turns(x(i) / PI2);
}

// 1 - cos = 2 sin² of half the angle: of small angles nothing is lost.
fn versine(i: u32) -> f32 {
  let half = turns(0.5 * x(i) / PI2).y;
  return 2.0 * half * half;
}

// Of all elements.
fn lack() -> f32 {
  var sum = 0.0;
  for (var j = 0u; j < shape.n; j++) { sum += versine(j); }
  return sum;
}

fn residual(i: u32, lacking: f32) -> f32 {
  return lacking + f32(i + 1u) * versine(i) - angle(i).y;
}

// Of r_k by its own element, but for what all residuals have of it.
fn own_slope(i: u32) -> f32 {
  let t = angle(i);
  return f32(i + 1u) * t.y - t.x;
}

fn value(i: u32) -> f32 {
  let r = residual(i, lack());
  return r * r;
}

fn gradient(i: u32) -> f32 {
  let lacking = lack();
  var sum = 0.0;
  for (var j = 0u; j < shape.n; j++) { sum += residual(j, lacking); }
  return 2.0 * (angle(i).y * sum + residual(i, lacking) * own_slope(i));
}

fn product(i: u32) -> f32 {
  let lacking = lack();
  // Of the lacking along v; then of the sum of all residuals.
  var change = 0.0;
  for (var j = 0u; j < shape.n; j++) { change += angle(j).y * v(j); }
  var sum = 0.0;
  var changes = 0.0;
  for (var j = 0u; j < shape.n; j++) {
    sum += residual(j, lacking);
    changes += change + own_slope(j) * v(j);
  }
  let t = angle(i);
  let bend = (f32(i + 1u) * t.x + t.y) * v(i);
  let own = change + own_slope(i) * v(i);
  return 2.0 * (t.x * v(i) * sum + t.y * changes + own * own_slope(i) + residual(i, lacking) * bend);
}

// ---- Written by `npm run gen` from here on, the same for every problem. ----

override WORKGROUP: u32 = 64;

// n elements of a replica, `stride` from one replica's to the next's; with `product` the Hessian times `direction` is wanted, else
// value and gradient. (As a constant it would be a pipeline more for every problem.)
struct Shape { n: u32, stride: u32, product: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> direction: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<vec2f>;

var<private> replica: u32;
var<private> base: u32;
var<workgroup> sums: array<f32, WORKGROUP>;

fn x(i: u32) -> f32 {
  return param[base + i];
}

fn v(i: u32) -> f32 {
  return direction[base + i];
}

// Cosine and sine of 2πt: t is taken to the next quarter, which is exact, and the rest's series is good to the last bit.
fn turns(t: f32) -> vec2f {
  let quarters = round(4.0 * t);
  let a = 6.283185307179586 * (t - 0.25 * quarters);
  let z = a * a;
  let c = 1.0 - 0.5 * z + z * z * ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2);
  let s = a + a * z * ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1);
  let quarter = i32(quarters) & 3;
  let swapped = select(vec2f(c, s), vec2f(-s, c), (quarter & 1) == 1);
  return select(swapped, -swapped, quarter >= 2);
}

// The value and the gradient at every replica's point, or the Hessian times `direction`, and no value. z of the grid is the replica.
//
//   param   [replicas, stride], read      direction  as param, read for a product only
//   grad    as param, written: the gradient, or the product      result  [replicas] (value, 0), written but for a product
// The value is the sum of the elements' shares: each lane adds its own in order, then lane 0 adds the lanes in order.
@compute @workgroup_size(WORKGROUP)
fn evaluate(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  replica = group.z;
  base = replica * shape.stride;
  var sum = 0.0;
  for (var i = lane; i < shape.n; i += WORKGROUP) {
    if (shape.product != 0u) {
      grad[base + i] = product(i);
    } else {
      sum += value(i);
      grad[base + i] = gradient(i);
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && shape.product == 0u) {
    var total = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    result[replica] = vec2f(total, 0.0);
  }
}
