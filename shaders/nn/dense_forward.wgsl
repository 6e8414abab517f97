// y = act(x·W + b): the forward product of a dense layer, bias and activation fused.
//
// One invocation computes a tile of 4 rows × 4 columns in registers, without workgroup memory: the rows are the same
// for a whole workgroup (their loads are uniform), its lanes lie along the columns. Any shape: rows and columns past the
// edge are computed from the nearest valid one and not stored.
//
//   x       [rows, x_stride]  f32; or, in the first layer (GATHER), rows of the data set picked by `batch`:
//   data    [samples, x_stride]  f32 or bytes (BYTES), decoded as raw·SCALE + SHIFT
//   weight  W [k, n] at replica · weight_stride
//   bias    b [n] at replica · bias_stride, where there is one (BIAS)
//   y       [rows, y_stride]  written; `saved` gets x·W + b where the activation's gradient needs it (SAVE)
//
// W may come in pieces along the inputs (split where a limit asks): this one starts at k_begin; FIRST starts the sum,
// LAST adds b and activates. The z axis of the grid is the replica.

override ACTIVATION: u32 = 0;
// Of leaky-relu the slope below 0, of elu its α.
override ALPHA: f32 = 0.0;
override GATHER: bool = false;
override BYTES: bool = false;
override SCALE: f32 = 1.0;
override SHIFT: f32 = 0.0;
override FIRST: bool = true;
override LAST: bool = true;
override BIAS: bool = false;
override SAVE: bool = false;
override WORKGROUP: u32 = 32;

// What only sizes loops is no override: another batch size or width needs no other pipeline. (SCALE and SHIFT stand in the
// innermost one: from a uniform they cost lavapipe a tenth of the first layer.)
struct Shape {
  rows: u32, k: u32, n: u32, k_begin: u32, x_stride: u32, y_stride: u32, weight_stride: u32, bias_stride: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> saved: array<f32>;
@group(0) @binding(6) var<storage, read> data: array<u32>;
@group(0) @binding(7) var<storage, read> batch: array<u32>;

// Four bytes of a word as numbers 0…255.
fn bytes(word: u32) -> vec4f {
  return vec4f(vec4u(word, word >> 8u, word >> 16u, word >> 24u) & vec4u(255u));
}

// Four consecutive inputs from element `at`, a multiple of 4.
fn load_x(at: u32) -> vec4f {
  if (!GATHER) {
    return x[at / 4u];
  }
  if (BYTES) {
    return bytes(data[at / 4u]) * SCALE + SHIFT;
  }
  return bitcast<vec4f>(vec4u(data[at], data[at + 1u], data[at + 2u], data[at + 3u])) * SCALE + SHIFT;
}

// First element of a row of x: through the batch for the data set, which all replicas share.
fn row_start(row: u32, replica: u32) -> u32 {
  let place = replica * shape.rows + row;
  if (GATHER) {
    return batch[place] * shape.x_stride + shape.k_begin;
  }
  return place * shape.x_stride + shape.k_begin;
}

// Exponentials are clamped where f32 overflows: WGSL leaves what follows an infinity undefined.
fn logistic(z: vec4f) -> vec4f {
  return 1.0 / (1.0 + exp(clamp(-z, vec4f(-87.0), vec4f(87.0))));
}

// tanh of our own: WGSL's is allowed an error of 1e-5, and turns NaN beyond about 44 on some GPUs. A polynomial in z²
// near 0 (Cephes' single-precision one), else (1 - e)/(1 + e) with e = exp(-2|z|), which cannot overflow.
fn tanh_exact(z: vec4f) -> vec4f {
  let s = z * z;
  let near = ((((-5.70498872745e-3 * s + 2.06390887954e-2) * s - 5.37397155531e-2) * s + 1.33314422036e-1) * s
    - 3.33332819422e-1) * s * z + z;
  let e = exp(-2.0 * min(abs(z), vec4f(40.0)));
  let far = sign(z) * (1.0 - e) / (1.0 + e);
  return select(far, near, abs(z) < vec4f(0.625));
}

// The normal distribution function Φ(z) = erfc(-z/√2)/2, erfc by the Chebyshev fit of Numerical Recipes, whose relative
// error is below 1.2e-7 everywhere: gelu keeps its digits in the negative tail (in f32 4e-7 near 0, 6e-6 at z = -8, where
// exp magnifies the rounding of its argument).
fn normal_cdf(z: vec4f) -> vec4f {
  let a = min(abs(z) * 0.7071067811865476, vec4f(9.0));
  let t = 1.0 / (1.0 + 0.5 * a);
  let poly = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
    + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  let tail = 0.5 * t * exp(-a * a + poly);
  return select(tail, 1.0 - tail, z > vec4f(0.0));
}

// Σ over an odd series for log(1 + e), 0 ≤ e ≤ 1: 2·artanh(s) with s = e/(2 + e) ≤ 1/3, exact for small e too.
fn log_one_plus(e: vec4f) -> vec4f {
  let s = e / (2.0 + e);
  let q = s * s;
  return 2.0 * s * (1.0 + q * (0.33333333 + q * (0.2 + q * (0.14285714 + q * (0.11111111 + q * (0.09090909
    + q * 0.07692308))))));
}

// √(2/π)·(z + 0.044715·z³): gelu's approximation is z·(1 + tanh of it)/2 = z·logistic(twice it). Beyond 20 it is 1 or 0.
fn gelu_argument(z: vec4f) -> vec4f {
  let c = clamp(z, vec4f(-20.0), vec4f(20.0));
  return 0.7978845608028654 * c * (1.0 + 0.044715 * c * c);
}

// The numbers are those of src/kernels/activation.ts.
fn activate(z: vec4f) -> vec4f {
  switch (ACTIVATION) {
    // Not max(z, 0), which may turn NaN into 0 and hide that a run has diverged.
    case 1u: { return select(z, vec4f(0.0), z < vec4f(0.0)); }
    case 2u: { return select(ALPHA * z, z, z > vec4f(0.0)); }
    case 3u: { return tanh_exact(z); }
    case 4u: { return logistic(z); }
    case 5u: { return z * normal_cdf(z); }
    case 6u: { return z * logistic(z); }
    case 7u: {
      // exp(z) - 1 = 2t/(1 - t) with t = tanh(z/2): below 0 without a difference that cancels.
      let t = tanh_exact(0.5 * min(z, vec4f(0.0)));
      return select(z, ALPHA * (2.0 * t / (1.0 - t)), z < vec4f(0.0));
    }
    case 8u: { return z * logistic(2.0 * gelu_argument(z)); }
    case 9u: { return select(z, vec4f(0.0), z < vec4f(0.0)) + log_one_plus(exp(-min(abs(z), vec4f(87.0)))); }
    default: { return z; }
  }
}

fn finish(row: u32, columns: vec4u, column: u32, replica: u32, sum: vec4f) {
  if (row >= shape.rows) {
    return;
  }
  var z = sum;
  if (BIAS) {
    let b = replica * shape.bias_stride;
    z += vec4f(bias[b + columns.x], bias[b + columns.y], bias[b + columns.z], bias[b + columns.w]);
  }
  let n = shape.n;
  let out = (replica * shape.rows + row) * shape.y_stride + column;
  if (!FIRST) {
    for (var c = 0u; c < 4u; c++) {
      if (column + c < n) { z[c] += y[out + c]; }
    }
  }
  var value = z;
  if (LAST) {
    value = activate(z);
  }
  for (var c = 0u; c < 4u; c++) {
    if (column + c < n) {
      y[out + c] = value[c];
      if (LAST && SAVE) { saved[out + c] = z[c]; }
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let rows = shape.rows;
  let inputs = shape.k;
  let n = shape.n;
  let across = (n + 4u * WORKGROUP - 1u) / (4u * WORKGROUP);
  let tile = group.y * groups.x + group.x;
  let row = (tile / across) * 4u;
  let column = ((tile % across) * WORKGROUP + local.x) * 4u;
  let replica = group.z;
  if (row >= rows || column >= n) {
    return;
  }
  let columns = min(vec4u(column) + vec4u(0u, 1u, 2u, 3u), vec4u(n - 1u));
  let x0 = row_start(row, replica);
  let x1 = row_start(min(row + 1u, rows - 1u), replica);
  let x2 = row_start(min(row + 2u, rows - 1u), replica);
  let x3 = row_start(min(row + 3u, rows - 1u), replica);
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var w = replica * shape.weight_stride;
  // Four inputs at a time; Tint does not unroll, so the four products are written out.
  for (var k = 0u; k + 4u <= inputs; k += 4u) {
    let v0 = load_x(x0 + k);
    let v1 = load_x(x1 + k);
    let v2 = load_x(x2 + k);
    let v3 = load_x(x3 + k);
    let wa = vec4f(weight[w + columns.x], weight[w + columns.y], weight[w + columns.z], weight[w + columns.w]);
    w += n;
    let wb = vec4f(weight[w + columns.x], weight[w + columns.y], weight[w + columns.z], weight[w + columns.w]);
    w += n;
    let wc = vec4f(weight[w + columns.x], weight[w + columns.y], weight[w + columns.z], weight[w + columns.w]);
    w += n;
    let wd = vec4f(weight[w + columns.x], weight[w + columns.y], weight[w + columns.z], weight[w + columns.w]);
    w += n;
    sum0 += v0.x * wa; sum1 += v1.x * wa; sum2 += v2.x * wa; sum3 += v3.x * wa;
    sum0 += v0.y * wb; sum1 += v1.y * wb; sum2 += v2.y * wb; sum3 += v3.y * wb;
    sum0 += v0.z * wc; sum1 += v1.z * wc; sum2 += v2.z * wc; sum3 += v3.z * wc;
    sum0 += v0.w * wd; sum1 += v1.w * wd; sum2 += v2.w * wd; sum3 += v3.w * wd;
  }
  // The last k mod 4 inputs, one at a time: a row's padding never meets another tensor's numbers.
  let rest = inputs & ~3u;
  if (rest < inputs) {
    let v0 = load_x(x0 + rest);
    let v1 = load_x(x1 + rest);
    let v2 = load_x(x2 + rest);
    let v3 = load_x(x3 + rest);
    for (var k = rest; k < inputs; k++) {
      let wa = vec4f(weight[w + columns.x], weight[w + columns.y], weight[w + columns.z], weight[w + columns.w]);
      w += n;
      let c = k - rest;
      sum0 += v0[c] * wa; sum1 += v1[c] * wa; sum2 += v2[c] * wa; sum3 += v3[c] * wa;
    }
  }
  finish(row, columns, column, replica, sum0);
  finish(row + 1u, columns, column, replica, sum1);
  finish(row + 2u, columns, column, replica, sum2);
  finish(row + 3u, columns, column, replica, sum3);
}
