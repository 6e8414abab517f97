// dx = (dy·Wᵀ) ⊙ act'(x): the gradient at a dense layer's input, the activation's gradient of the layer below fused.
//
// One invocation computes 4 rows × 4 inputs in registers; rows are the same for a whole workgroup, its lanes lie along
// the inputs. Edges as in dense_forward.
//
//   dy      [rows, dy_stride]  gradient at this layer's output
//   weight  W [k, n] at replica · weight_stride
//   saved   [rows, dx_stride]  what act' is computed from: the output of the activation below (relu, leaky-relu, tanh,
//                              sigmoid, elu), its input for gelu, silu and softplus; not read where ACTIVATION is 0
//   dx      [rows, dx_stride]  written: the gradient at that activation's input
//
// W may come in pieces along the inputs: each writes its own columns of dx, from k_begin on.

override ACTIVATION: u32 = 0;
// Of leaky-relu the slope below 0, of elu its α.
override ALPHA: f32 = 0.0;
override WORKGROUP: u32 = 32;

// What only sizes loops is no override: another batch size or width needs no other pipeline.
struct Shape { rows: u32, k: u32, n: u32, k_begin: u32, dx_stride: u32, dy_stride: u32, weight_stride: u32, }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> saved: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

fn logistic(z: f32) -> f32 {
  return 1.0 / (1.0 + exp(clamp(-z, -87.0, 87.0)));
}

// Φ(z), as in dense_forward.
fn normal_cdf(z: f32) -> f32 {
  let a = min(abs(z) * 0.7071067811865476, 9.0);
  let t = 1.0 / (1.0 + 0.5 * a);
  let poly = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
    + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  let tail = 0.5 * t * exp(-a * a + poly);
  return select(tail, 1.0 - tail, z > 0.0);
}

// act' from the output y of the activation, or (gelu, silu, gelu-tanh, softplus) from its input z.
fn slope(s: f32) -> f32 {
  switch (ACTIVATION) {
    case 1u: { return select(0.0, 1.0, s > 0.0); }
    case 2u: { return select(ALPHA, 1.0, s > 0.0); }
    case 3u: { return (1.0 - s) * (1.0 + s); }
    case 4u: { return s * (1.0 - s); }
    case 5u: {
      let a = min(abs(s), 13.0);
      return normal_cdf(s) + s * 0.3989422804014327 * exp(-0.5 * a * a);
    }
    case 6u: {
      let p = logistic(s);
      return p * (1.0 + s * (1.0 - p));
    }
    case 7u: { return select(s + ALPHA, 1.0, s > 0.0); }
    case 8u: {
      let c = clamp(s, -20.0, 20.0);
      let p = logistic(1.5957691216057308 * c * (1.0 + 0.044715 * c * c));
      return p * (1.0 + c * (1.0 - p) * 1.5957691216057308 * (1.0 + 0.134145 * c * c));
    }
    case 9u: { return logistic(s); }
    default: { return 1.0; }
  }
}

fn finish(row: u32, input: u32, replica: u32, sum: vec4f) {
  if (row >= shape.rows) {
    return;
  }
  let out = (replica * shape.rows + row) * shape.dx_stride + shape.k_begin + input;
  for (var c = 0u; c < 4u; c++) {
    if (input + c < shape.k) { dx[out + c] = sum[c] * slope(saved[out + c]); }
  }
}

@compute @workgroup_size(WORKGROUP)
fn input_gradient(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let rows = shape.rows;
  let inputs = shape.k;
  let n = shape.n;
  let quads = shape.dy_stride / 4u;
  let across = (inputs + 4u * WORKGROUP - 1u) / (4u * WORKGROUP);
  let tile = group.y * groups.x + group.x;
  let row = (tile / across) * 4u;
  let input = ((tile % across) * WORKGROUP + local.x) * 4u;
  let replica = group.z;
  if (row >= rows || input >= inputs) {
    return;
  }
  // First weight of each of the four inputs' rows of W.
  let w = replica * shape.weight_stride + min(vec4u(input) + vec4u(0u, 1u, 2u, 3u), vec4u(inputs - 1u)) * n;
  let start = replica * rows;
  let d0 = (start + row) * quads;
  let d1 = (start + min(row + 1u, rows - 1u)) * quads;
  let d2 = (start + min(row + 2u, rows - 1u)) * quads;
  let d3 = (start + min(row + 3u, rows - 1u)) * quads;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var j = 0u; j + 4u <= n; j += 4u) {
    let v0 = dy[d0 + j / 4u];
    let v1 = dy[d1 + j / 4u];
    let v2 = dy[d2 + j / 4u];
    let v3 = dy[d3 + j / 4u];
    let wa = vec4f(weight[w.x + j], weight[w.y + j], weight[w.z + j], weight[w.w + j]);
    let wb = vec4f(weight[w.x + j + 1u], weight[w.y + j + 1u], weight[w.z + j + 1u], weight[w.w + j + 1u]);
    let wc = vec4f(weight[w.x + j + 2u], weight[w.y + j + 2u], weight[w.z + j + 2u], weight[w.w + j + 2u]);
    let wd = vec4f(weight[w.x + j + 3u], weight[w.y + j + 3u], weight[w.z + j + 3u], weight[w.w + j + 3u]);
    sum0 += v0.x * wa; sum1 += v1.x * wa; sum2 += v2.x * wa; sum3 += v3.x * wa;
    sum0 += v0.y * wb; sum1 += v1.y * wb; sum2 += v2.y * wb; sum3 += v3.y * wb;
    sum0 += v0.z * wc; sum1 += v1.z * wc; sum2 += v2.z * wc; sum3 += v3.z * wc;
    sum0 += v0.w * wd; sum1 += v1.w * wd; sum2 += v2.w * wd; sum3 += v3.w * wd;
  }
  let rest = n & ~3u;
  if (rest < n) {
    let v0 = dy[d0 + rest / 4u];
    let v1 = dy[d1 + rest / 4u];
    let v2 = dy[d2 + rest / 4u];
    let v3 = dy[d3 + rest / 4u];
    for (var j = rest; j < n; j++) {
      let wa = vec4f(weight[w.x + j], weight[w.y + j], weight[w.z + j], weight[w.w + j]);
      let c = j - rest;
      sum0 += v0[c] * wa; sum1 += v1[c] * wa; sum2 += v2[c] * wa; sum3 += v3[c] * wa;
    }
  }
  finish(row, input, replica, sum0);
  finish(row + 1u, input, replica, sum1);
  finish(row + 2u, input, replica, sum2);
  finish(row + 3u, input, replica, sum3);
}
