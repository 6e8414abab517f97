// dW = xᵀ·dy and db = Σ_rows dy: the gradients of a dense layer's parameters, in one pass over the batch.
//
// One invocation computes 4 inputs × 4 outputs in registers; the inputs are the same for a whole workgroup, its lanes
// lie along the outputs. The workgroups that own input 0 also sum the bias gradient, since they read all of dy anyway.
// Rows are summed in blocks of 64, the blocks in order: the same tree every time, with the error of a short sum.
//
//   x, data, batch  as in dense_forward: the activations below, or rows of the data set
//   dy     [rows, DY_STRIDE]  gradient at this layer's pre-activation, already divided by the number of valid rows;
//                             zero in rows past that number
//   grads  dW [K, N] and, BIAS elements on, db [N]; both at replica · PARAM_STRIDE; written
//
// W may come in pieces along K, from K_BEGIN on; the LAST piece carries the bias.

override ROWS: u32 = 1;
override K: u32 = 1;
override N: u32 = 1;
override K_BEGIN: u32 = 0;
override X_STRIDE: u32 = 4;
override DY_STRIDE: u32 = 4;
override PARAM_STRIDE: u32 = 0;
override BIAS: u32 = 0;
override GATHER: bool = false;
override BYTES: bool = false;
override SCALE: f32 = 1.0;
override SHIFT: f32 = 0.0;
override LAST: bool = true;
override WORKGROUP: u32 = 32;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grads: array<f32>;
@group(0) @binding(3) var<storage, read> data: array<u32>;
@group(0) @binding(4) var<storage, read> batch: array<u32>;

const BLOCK = 64u;

fn bytes(word: u32) -> vec4f {
  return vec4f(vec4u(word, word >> 8u, word >> 16u, word >> 24u) & vec4u(255u));
}

fn load_x(row: u32, input: u32, replica: u32) -> vec4f {
  if (!GATHER) {
    return x[((replica * ROWS + row) * X_STRIDE + K_BEGIN + input) / 4u];
  }
  let at = batch[replica * ROWS + row] * X_STRIDE + K_BEGIN + input;
  if (BYTES) {
    return bytes(data[at / 4u]) * SCALE + SHIFT;
  }
  return bitcast<vec4f>(vec4u(data[at], data[at + 1u], data[at + 2u], data[at + 3u])) * SCALE + SHIFT;
}

fn store(input: u32, output: u32, replica: u32, sum: vec4f) {
  if (input >= K) {
    return;
  }
  let at = replica * PARAM_STRIDE + input * N + output;
  for (var c = 0u; c < 4u; c++) {
    if (output + c < N) { grads[at + c] = sum[c]; }
  }
}

@compute @workgroup_size(WORKGROUP)
fn weight_gradient(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let across = (N + 4u * WORKGROUP - 1u) / (4u * WORKGROUP);
  let tile = group.y * groups.x + group.x;
  let input = (tile / across) * 4u;
  let output = ((tile % across) * WORKGROUP + local.x) * 4u;
  let replica = group.z;
  if (input >= K || output >= N) {
    return;
  }
  let owns_bias = LAST && input == 0u;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var bias = vec4f();
  for (var begin = 0u; begin < ROWS; begin += BLOCK) {
    var part0 = vec4f();
    var part1 = vec4f();
    var part2 = vec4f();
    var part3 = vec4f();
    var part = vec4f();
    let end = min(begin + BLOCK, ROWS);
    for (var row = begin; row < end; row++) {
      let v = load_x(row, input, replica);
      let d = dy[((replica * ROWS + row) * DY_STRIDE + output) / 4u];
      part0 += v.x * d;
      part1 += v.y * d;
      part2 += v.z * d;
      part3 += v.w * d;
      if (owns_bias) { part += d; }
    }
    sum0 += part0;
    sum1 += part1;
    sum2 += part2;
    sum3 += part3;
    bias += part;
  }
  store(input, output, replica, sum0);
  store(input + 1u, output, replica, sum1);
  store(input + 2u, output, replica, sum2);
  store(input + 3u, output, replica, sum3);
  if (owns_bias) {
    let at = replica * PARAM_STRIDE + BIAS + output;
    for (var c = 0u; c < 4u; c++) {
      if (output + c < N) { grads[at + c] = bias[c]; }
    }
  }
}
