// Layer normalisation: y = (x - mean) / sqrt(variance + eps) · weight + bias, mean and biased variance over the features of
// each row, in two passes over them.
//
// LANES invocations share a row, each takes every LANES-th quad. As in batch_norm all numbers are relative to one of
// them, the row's first; parts are summed in blocks of 16 quads, then the lanes in order.
//
//   x  [rows, stride]            y        [rows, stride]  written
//   weight [width], bias [width] at replica · their strides: AFFINE
//   moments  [replica, rows]  written: mean - first feature, 1/sqrt(variance + eps)
//
// The z axis of the grid is the replica.

override AFFINE: bool = false;
override LANES: u32 = 1;
override ROWS: u32 = 8;

struct Shape { rows: u32, stride: u32, width: u32, weight_stride: u32, bias_stride: u32, eps: f32, }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> moments: array<vec2f>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;

const BLOCK = 16u;

// Per lane: its part of a sum.
var<workgroup> parts: array<f32, LANES * ROWS>;

// The sum of all lanes' parts, in order.
fn total(own: f32, local: vec3u) -> f32 {
  if (LANES == 1u) {
    return own;
  }
  workgroupBarrier();
  parts[local.y * LANES + local.x] = own;
  workgroupBarrier();
  var sum = 0.0;
  for (var lane = 0u; lane < LANES; lane++) { sum += parts[local.y * LANES + lane]; }
  return sum;
}

// Four columns of a quad; which of them are none, since a row's padding is anything.
fn padding(quad: u32) -> vec4<bool> {
  return vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u) >= vec4u(shape.width);
}

// Σ (x - center)^power over the quads of one lane.
fn deviations(start: u32, lane: u32, origin: f32, center: f32, squares: bool) -> f32 {
  let quads = shape.stride / 4u;
  var sum = vec4f();
  for (var begin = lane; begin < quads; begin += BLOCK * LANES) {
    var part = vec4f();
    let end = min(begin + BLOCK * LANES, quads);
    for (var quad = begin; quad < end; quad += LANES) {
      let d = (x[start + quad] - origin) - center;
      part += select(select(d, d * d, squares), vec4f(), padding(quad));
    }
    sum += part;
  }
  return (sum.x + sum.y) + (sum.z + sum.w);
}

@compute @workgroup_size(LANES, ROWS)
fn normalize_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let quads = shape.stride / 4u;
  let row = (group.y * groups.x + group.x) * ROWS + local.y;
  let replica = group.z;
  // Past the last row the last one is computed again and not stored: every lane meets every barrier.
  let place = replica * shape.rows + min(row, shape.rows - 1u);
  let start = place * quads;
  let n = f32(shape.width);
  let origin = x[start].x;
  let center = total(deviations(start, local.x, origin, 0.0, false), local) / n;
  let variance = total(deviations(start, local.x, origin, center, true), local) / n;
  let scale = 1.0 / sqrt(variance + shape.eps);
  if (row >= shape.rows) {
    return;
  }
  let i = replica * shape.weight_stride;
  let j = replica * shape.bias_stride;
  for (var quad = local.x; quad < quads; quad += LANES) {
    var value = ((x[start + quad] - origin) - center) * scale;
    if (AFFINE) {
      let c = min(vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u), vec4u(shape.width - 1u));
      value = value * vec4f(weight[i + c.x], weight[i + c.y], weight[i + c.z], weight[i + c.w])
        + vec4f(bias[j + c.x], bias[j + c.y], bias[j + c.z], bias[j + c.w]);
    }
    y[start + quad] = value;
  }
  if (local.x == 0u) {
    moments[place] = vec2f(center, scale);
  }
}
