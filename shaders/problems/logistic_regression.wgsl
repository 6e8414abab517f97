// Logistic regression with an L2 penalty, over SAMPLES rows of n features.
//   f = 1/S Σ log(1 + e^-m_s) + λ/2 |w|²,  m_s = a_s·w, where a_s has its label's sign in it;  data: a, and behind it λ
//   ∂f/∂w = λw - 1/S Σ σ(-m_s) a_s,  H v = λv + 1/S Σ σ(m_s)σ(-m_s) (a_s·v) a_s

const SAMPLES = 400u;
const PREPARED = SAMPLES;

// Of each sample: its loss and σ(-m_s); for a product, what a_s is taken times.
var<workgroup> losses: array<f32, SAMPLES>;
var<workgroup> factors: array<f32, SAMPLES>;

// log(1 + u) of 0 <= u <= 1 to the last bits, where u + 1 has lost those of u (Kahan).
fn log1p(u: f32) -> f32 {
  let sum = 1.0 + u;
  let d = sum - 1.0;
  return select(log(sum) * (u / d), u, d == 0.0);
}

fn prepare(s: u32) {
  var margin = 0.0;
  var along = 0.0;
  for (var j = 0u; j < shape.n; j++) {
    margin += data[s * shape.n + j] * x(j);
    if (shape.product != 0u) { along += data[s * shape.n + j] * v(j); }
  }
  let u = exp(-abs(margin));
  // σ(-m) without 1 - σ(m).
  let wrong = select(1.0, u, margin > 0.0) / (1.0 + u);
  losses[s] = max(-margin, 0.0) + log1p(u);
  factors[s] = wrong;
  if (shape.product != 0u) { factors[s] = u / ((1.0 + u) * (1.0 + u)) * along; }
}

fn weighted(i: u32) -> f32 {
  var sum = 0.0;
  for (var s = 0u; s < SAMPLES; s++) { sum += factors[s] * data[s * shape.n + i]; }
  return sum / f32(SAMPLES);
}

fn value(i: u32) -> f32 {
  var sum = 0.0;
  for (var s = i; s < SAMPLES; s += shape.n) { sum += losses[s]; }
  return sum / f32(SAMPLES) + 0.5 * data[SAMPLES * shape.n] * x(i) * x(i);
}

fn gradient(i: u32) -> f32 {
  return data[SAMPLES * shape.n] * x(i) - weighted(i);
}

fn product(i: u32) -> f32 {
  return data[SAMPLES * shape.n] * v(i) + weighted(i);
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
@group(0) @binding(5) var<storage, read> data: array<f32>;

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
  for (var k = lane; k < PREPARED; k += WORKGROUP) { prepare(k); }
  workgroupBarrier();
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
