// dW = xᵀ·dy and db = Σ_rows dy: the gradients of a dense layer's parameters, in one pass over the batch.
//
// One invocation computes 8 inputs × 4 outputs in registers; the inputs are the same for a whole workgroup, its lanes
// lie along the outputs. The workgroups that own input 0 also sum the bias gradient: no dispatch of its own.
// Rows are summed in blocks of 64, the blocks in order: the same tree every time, with the error of a short sum.
//
//   x, data, batch  as in dense_forward: the activations below, or rows of the data set
//   dy     [rows, dy_stride]  gradient at this layer's output, already divided by the number of valid rows; zero in rows
//                             past that number
//   grads  dW [k, n] at replica · weight_stride + weight_at; written
//   bias   db [n] at replica · bias_stride + bias_at, written where there is a bias (BIAS): in a buffer of its own, or
//          (SHARED) in `grads`, since two replicas' dW and db lie in turn and writable ranges must not overlap
//
// W may come in pieces along the inputs, from k_begin on; one of them carries the bias.

override GATHER: bool = false;
override BYTES: bool = false;
override SCALE: f32 = 1.0;
override SHIFT: f32 = 0.0;
override BIAS: bool = false;
override SHARED: bool = false;
override WORKGROUP: u32 = 32;

// What only sizes loops is no override: another batch size or width needs no other pipeline. (SCALE and SHIFT stand in the
// innermost one: from a uniform they cost lavapipe a tenth of the first layer.)
struct Shape {
  rows: u32, k: u32, n: u32, k_begin: u32, x_stride: u32, dy_stride: u32,
  weight_at: u32, weight_stride: u32, bias_at: u32, bias_stride: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;
@group(0) @binding(4) var<storage, read_write> bias: array<f32>;
@group(0) @binding(5) var<storage, read> data: array<u32>;
@group(0) @binding(6) var<storage, read> batch: array<u32>;

const BLOCK = 64u;

fn bytes(word: u32) -> vec4f {
  return vec4f(vec4u(word, word >> 8u, word >> 16u, word >> 24u) & vec4u(255u));
}

// First element of a row of x: through the batch for the data set, which all replicas share.
fn row_start(place: u32, stride: u32, begin: u32) -> u32 {
  if (GATHER) {
    return batch[place] * stride + begin;
  }
  return place * stride + begin;
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
  if (input >= shape.k) {
    return;
  }
  let at = replica * shape.weight_stride + shape.weight_at + input * shape.n + output;
  for (var c = 0u; c < 4u; c++) {
    if (output + c < shape.n) { grads[at + c] = sum[c]; }
  }
}

// Σ_rows dy of four outputs, in the same blocks.
fn bias_gradient(output: u32, replica: u32) {
  let rows = shape.rows;
  let quads = shape.dy_stride / 4u;
  var sum = vec4f();
  for (var begin = 0u; begin < rows; begin += BLOCK) {
    var part = vec4f();
    let end = min(begin + BLOCK, rows);
    for (var row = begin; row < end; row++) { part += dy[(replica * rows + row) * quads + output / 4u]; }
    sum += part;
  }
  let at = replica * shape.bias_stride + shape.bias_at + output;
  for (var c = 0u; c < 4u; c++) {
    if (output + c < shape.n) {
      if (SHARED) { grads[at + c] = sum[c]; } else { bias[at + c] = sum[c]; }
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn weight_gradient(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let rows = shape.rows;
  let quads = shape.dy_stride / 4u;
  let stride = shape.x_stride;
  let first = shape.k_begin;
  let across = (shape.n + 4u * WORKGROUP - 1u) / (4u * WORKGROUP);
  let tile = group.y * groups.x + group.x;
  let input = (tile / across) * 8u;
  let output = ((tile % across) * WORKGROUP + local.x) * 4u;
  let replica = group.z;
  if (input >= shape.k || output >= shape.n) {
    return;
  }
  // The second quad may lie past the last input; it is then read again from the first and not stored.
  let second = select(input, input + 4u, input + 4u < shape.k);
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var sum4 = vec4f();
  var sum5 = vec4f();
  var sum6 = vec4f();
  var sum7 = vec4f();
  for (var begin = 0u; begin < rows; begin += BLOCK) {
    var part0 = vec4f();
    var part1 = vec4f();
    var part2 = vec4f();
    var part3 = vec4f();
    var part4 = vec4f();
    var part5 = vec4f();
    var part6 = vec4f();
    var part7 = vec4f();
    let end = min(begin + BLOCK, rows);
    for (var row = begin; row < end; row++) {
      let place = replica * rows + row;
      let d = dy[place * quads + output / 4u];
      let start = row_start(place, stride, first);
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
  if (BIAS && input == 0u) {
    bias_gradient(output, replica);
  }
}
