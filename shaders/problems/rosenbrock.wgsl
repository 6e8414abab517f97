// Rosenbrock's valley (1960), for more than two dimensions as number 21 of Moré, Garbow & Hillstrom: n/2 of them beside
// each other.
//   f = Σ 100(y - x²)² + (1 - x)²  over the pairs (x, y) = (x_2k, x_2k+1)
//   ∂f/∂x = -400x(y - x²) - 2(1 - x),  ∂f/∂y = 200(y - x²)
//   H of a pair = [1200x² - 400y + 2, -400x; -400x, 200]

// The pair that an element is of.
fn pair(i: u32) -> vec2f {
  return vec2f(x(i & ~1u), x(i | 1u));
}

// Of f: the even elements have the whole of their pair.
fn value(i: u32) -> f32 {
  let p = pair(i);
  let bend = 10.0 * (p.y - p.x * p.x);
  let away = 1.0 - p.x;
  return select(0.0, bend * bend + away * away, (i & 1u) == 0u);
}

fn gradient(i: u32) -> f32 {
  let p = pair(i);
  let slope = 200.0 * (p.y - p.x * p.x);
  return select(slope, -2.0 * p.x * slope - 2.0 * (1.0 - p.x), (i & 1u) == 0u);
}

fn product(i: u32) -> f32 {
  let p = pair(i);
  let d = vec2f(v(i & ~1u), v(i | 1u));
  let even = (1200.0 * p.x * p.x - 400.0 * p.y + 2.0) * d.x - 400.0 * p.x * d.y;
  return select(200.0 * d.y - 400.0 * p.x * d.x, even, (i & 1u) == 0u);
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
