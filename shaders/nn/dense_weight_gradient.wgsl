// dW = xᵀ·dy and db = Σ_rows dy: the gradients of a dense layer's parameters, in one pass over the batch.
//
// One invocation computes 8 inputs × 4 outputs in registers; the inputs are the same for a whole workgroup, its lanes
// lie along the outputs. The workgroups that own input 0 also sum the bias gradient: no dispatch of its own.
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

// First element of a row of x: through the batch for the data set, which all replicas share.
fn row_start(row: u32, replica: u32) -> u32 {
  if (GATHER) {
    return batch[replica * ROWS + row] * X_STRIDE + K_BEGIN;
  }
  return (replica * ROWS + row) * X_STRIDE + K_BEGIN;
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

fn store(input: u32, output: u32, replica: u32, sum: vec4f) {
  if (input >= K) {
    return;
  }
  let at = replica * PARAM_STRIDE + input * N + output;
  for (var c = 0u; c < 4u; c++) {
    if (output + c < N) { grads[at + c] = sum[c]; }
  }
}

// Σ_rows dy of four outputs, in the same blocks.
fn bias_gradient(output: u32, replica: u32) {
  var sum = vec4f();
  for (var begin = 0u; begin < ROWS; begin += BLOCK) {
    var part = vec4f();
    let end = min(begin + BLOCK, ROWS);
    for (var row = begin; row < end; row++) { part += dy[((replica * ROWS + row) * DY_STRIDE + output) / 4u]; }
    sum += part;
  }
  let at = replica * PARAM_STRIDE + BIAS + output;
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
  let input = (tile / across) * 8u;
  let output = ((tile % across) * WORKGROUP + local.x) * 4u;
  let replica = group.z;
  if (input >= K || output >= N) {
    return;
  }
  // The second quad may lie past the last input; it is then read again from the first and not stored.
  let second = select(input, input + 4u, input + 4u < K);
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var sum4 = vec4f();
  var sum5 = vec4f();
  var sum6 = vec4f();
  var sum7 = vec4f();
  for (var begin = 0u; begin < ROWS; begin += BLOCK) {
    var part0 = vec4f();
    var part1 = vec4f();
    var part2 = vec4f();
    var part3 = vec4f();
    var part4 = vec4f();
    var part5 = vec4f();
    var part6 = vec4f();
    var part7 = vec4f();
    let end = min(begin + BLOCK, ROWS);
    for (var row = begin; row < end; row++) {
      let d = dy[((replica * ROWS + row) * DY_STRIDE + output) / 4u];
      let start = row_start(row, replica);
      let a = load_x(start + input);
      let b = load_x(start + second);
      part0 += a.x * d; part1 += a.y * d; part2 += a.z * d; part3 += a.w * d;
      part4 += b.x * d; part5 += b.y * d; part6 += b.z * d; part7 += b.w * d;
    }
    sum0 += part0; sum1 += part1; sum2 += part2; sum3 += part3;
    sum4 += part4; sum5 += part5; sum6 += part6; sum7 += part7;
  }
  store(input, output, replica, sum0);
  store(input + 1u, output, replica, sum1);
  store(input + 2u, output, replica, sum2);
  store(input + 3u, output, replica, sum3);
  store(input + 4u, output, replica, sum4);
  store(input + 5u, output, replica, sum5);
  store(input + 6u, output, replica, sum6);
  store(input + 7u, output, replica, sum7);
  if (LAST && input == 0u) {
    bias_gradient(output, replica);
  }
}
