// y = act(x), elementwise: an activation that no product beside it takes along. One invocation computes four columns.
//
//   x       [rows, stride]  f32; or, as the first layer (GATHER), rows of the data set picked by `batch`:
//   data    [samples, stride]  f32 or bytes (BYTES), decoded as raw·SCALE + SHIFT
//   y       [rows, stride]  written, padding included
//
// The z axis of the grid is the replica. The functions are those of dense_forward, word for word.

override ACTIVATION: u32 = 0;
// Of leaky-relu the slope below 0, of elu its α.
override ALPHA: f32 = 0.0;
override GATHER: bool = false;
override BYTES: bool = false;
override SCALE: f32 = 1.0;
override SHIFT: f32 = 0.0;
override WORKGROUP: u32 = 32;

struct Shape { rows: u32, stride: u32, }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read> data: array<u32>;
@group(0) @binding(4) var<storage, read> batch: array<u32>;

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

@compute @workgroup_size(WORKGROUP)
fn apply(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let quads = shape.stride / 4u;
  let i = (group.y * groups.x + group.x) * WORKGROUP + local.x;
  if (i >= shape.rows * quads) {
    return;
  }
  let at = group.z * shape.rows * quads + i;
  var start = 4u * at;
  if (GATHER) {
    start = batch[at / quads] * shape.stride + 4u * (i % quads);
  }
  y[at] = activate(load_x(start));
}
