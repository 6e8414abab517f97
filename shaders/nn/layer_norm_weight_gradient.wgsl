// The gradients of layer normalisation's parameters: dbias = Σ_rows dy and dweight = Σ_rows dy·x̂, for every column.
//
// An invocation takes four columns of every LANES-th row; rows are summed in blocks of 64, then the lanes in order. Rows past
// the valid ones have dy 0.
//
//   x, moments  as layer_norm had and wrote them   dy  [rows, stride]  gradient at y
//   grads  dweight [width] at replica · weight_stride + weight_at, written
//   bias   dbias [width] at replica · bias_stride + bias_at: in a buffer of its own, or (SHARED) in `grads`
//
// The z axis of the grid is the replica.

override SHARED: bool = false;
override QUADS: u32 = 8;
override LANES: u32 = 1;

struct Shape {
  rows: u32, stride: u32, width: u32, weight_at: u32, weight_stride: u32, bias_at: u32, bias_stride: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read> moments: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> grads: array<f32>;
@group(0) @binding(5) var<storage, read_write> bias: array<f32>;

const BLOCK = 64u;

struct Sums { bias: vec4f, weight: vec4f }

// Per lane: its part of both sums.
var<workgroup> parts: array<Sums, QUADS * LANES>;

// The sums of all lanes' parts, in order.
fn total(own: Sums, local: vec3u) -> Sums {
  if (LANES == 1u) {
    return own;
  }
  parts[local.y * QUADS + local.x] = own;
  workgroupBarrier();
  var sum = parts[local.x];
  for (var lane = 1u; lane < LANES; lane++) {
    sum.bias += parts[lane * QUADS + local.x].bias;
    sum.weight += parts[lane * QUADS + local.x].weight;
  }
  return sum;
}

@compute @workgroup_size(QUADS, LANES)
fn layer_norm_weight_gradient(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let rows = shape.rows;
  let quads = shape.stride / 4u;
  let quad = (group.y * groups.x + group.x) * QUADS + local.x;
  // Past the last column the last one is computed again and not stored: every lane meets every barrier.
  let at = min(quad, quads - 1u);
  let replica = group.z;
  let first = replica * rows;
  var own = Sums();
  for (var begin = local.y; begin < rows; begin += BLOCK * LANES) {
    var part = Sums();
    let end = min(begin + BLOCK * LANES, rows);
    for (var row = begin; row < end; row += LANES) {
      let place = first + row;
      let d = dy[place * quads + at];
      let moment = moments[place];
      part.bias += d;
      part.weight += d * (((x[place * quads + at] - x[place * quads].x) - moment.x) * moment.y);
    }
    own.bias += part.bias;
    own.weight += part.weight;
  }
  let sums = total(own, local);
  if (quad >= quads || local.y > 0u) {
    return;
  }
  let w = replica * shape.weight_stride + shape.weight_at + 4u * at;
  let b = replica * shape.bias_stride + shape.bias_at + 4u * at;
  for (var c = 0u; c < 4u; c++) {
    if (4u * at + c < shape.width) {
      grads[w + c] = sums.weight[c];
      if (SHARED) { grads[b + c] = sums.bias[c]; } else { bias[b + c] = sums.bias[c]; }
    }
  }
}
