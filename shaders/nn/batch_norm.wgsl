// Batch normalisation: y = (x - mean) / sqrt(variance + eps) · weight + bias, for every column of a batch.
//
// In training (TRAIN) mean and biased variance are those of the batch's valid rows, in two passes over them; else they are
// the running ones. An invocation takes four columns of every LANES-th row. All numbers are taken relative to the first row:
// where the mean is large beside the deviation, that difference loses nothing, and the mean's rounding cannot reach y.
// Rows are summed in blocks of 64, then the lanes in order: the same tree every time.
//
//   x        [rows, stride]                   stream  per replica; `valid` is read
//   y        [rows, stride]  written          moments [replica, 4, stride]  written in training: first row, mean - first row,
//   weight   [width], bias [width]: AFFINE            biased variance, 1/sqrt(variance + eps)
//   mean     [width], variance [width]: the running ones, read outside of training
//
// The z axis of the grid is the replica.

override TRAIN: bool = true;
override AFFINE: bool = false;
override QUADS: u32 = 8;
override LANES: u32 = 1;

struct Shape {
  rows: u32, stride: u32, width: u32, weight_stride: u32, bias_stride: u32, mean_stride: u32, variance_stride: u32,
  eps: f32,
}
struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> moments: array<vec4f>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> mean: array<f32>;
@group(0) @binding(7) var<storage, read> variance: array<f32>;
@group(0) @binding(8) var<storage, read> stream: array<Stream>;

const BLOCK = 64u;

// Per lane: its part of a sum.
var<workgroup> parts: array<vec4f, QUADS * LANES>;

// The sum of all lanes' parts, in order.
fn total(own: vec4f, local: vec3u) -> vec4f {
  if (LANES == 1u) {
    return own;
  }
  workgroupBarrier();
  parts[local.y * QUADS + local.x] = own;
  workgroupBarrier();
  var sum = parts[local.x];
  for (var lane = 1u; lane < LANES; lane++) { sum += parts[lane * QUADS + local.x]; }
  return sum;
}

// Σ (x - center)^power over the valid rows of one lane.
fn deviations(first: u32, lane: u32, valid: u32, at: u32, origin: vec4f, center: vec4f, squares: bool) -> vec4f {
  let quads = shape.stride / 4u;
  var sum = vec4f();
  for (var begin = lane; begin < valid; begin += BLOCK * LANES) {
    var part = vec4f();
    let end = min(begin + BLOCK * LANES, valid);
    for (var row = begin; row < end; row += LANES) {
      let d = (x[(first + row) * quads + at] - origin) - center;
      part += select(d, d * d, squares);
    }
    sum += part;
  }
  return sum;
}

@compute @workgroup_size(QUADS, LANES)
fn normalize_batch(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let rows = shape.rows;
  let quads = shape.stride / 4u;
  let quad = (group.y * groups.x + group.x) * QUADS + local.x;
  // Past the last column the last one is computed again and not stored: every lane meets every barrier.
  let at = min(quad, quads - 1u);
  let inside = quad < quads;
  let replica = group.z;
  let first = replica * rows;
  let columns = min(vec4u(4u * at) + vec4u(0u, 1u, 2u, 3u), vec4u(shape.width - 1u));

  var origin = vec4f();
  var center: vec4f;
  var spread: vec4f;
  if (TRAIN) {
    let valid = stream[replica].valid;
    let n = f32(valid);
    origin = x[first * quads + at];
    center = total(deviations(first, local.y, valid, at, origin, vec4f(), false), local) / n;
    spread = total(deviations(first, local.y, valid, at, origin, center, true), local) / n;
  } else {
    let m = replica * shape.mean_stride;
    let v = replica * shape.variance_stride;
    center = vec4f(mean[m + columns.x], mean[m + columns.y], mean[m + columns.z], mean[m + columns.w]);
    spread = vec4f(variance[v + columns.x], variance[v + columns.y], variance[v + columns.z], variance[v + columns.w]);
  }
  let scale = 1.0 / sqrt(spread + shape.eps);
  var w = vec4f(1.0);
  var b = vec4f();
  if (AFFINE) {
    let i = replica * shape.weight_stride;
    let j = replica * shape.bias_stride;
    w = vec4f(weight[i + columns.x], weight[i + columns.y], weight[i + columns.z], weight[i + columns.w]);
    b = vec4f(bias[j + columns.x], bias[j + columns.y], bias[j + columns.z], bias[j + columns.w]);
  }
  if (!inside) {
    return;
  }
  for (var row = local.y; row < rows; row += LANES) {
    let i = (first + row) * quads + at;
    y[i] = ((x[i] - origin) - center) * scale * w + b;
  }
  if (TRAIN && local.y == 0u) {
    let i = 4u * replica * quads + at;
    moments[i] = origin;
    moments[i + quads] = center;
    moments[i + 2u * quads] = spread;
    moments[i + 3u * quads] = scale;
  }
}
