// The gradient of batch normalisation in training, through the batch's own mean and variance: with n valid rows and
// x̂ = (x - mean)/sqrt(variance + eps), for every column
//
//   dbias = Σ dy    dweight = Σ dy·x̂    dx = weight/sqrt(variance + eps) · (dy - (dbias + x̂·dweight)/n)
//
// Rows past the valid ones get dx 0. Invocations, lanes and the order of sums are batch_norm's.
//
//   x, moments  as batch_norm had and wrote them   dy   [rows, stride]  gradient at y
//   dx      [rows, stride]  written where it is wanted (INPUT)
//   grads   dweight [width] at replica · weight_stride + weight_at, written where AFFINE
//   bias    dbias [width] at replica · bias_stride + bias_at: in a buffer of its own, or (SHARED) in `grads`
//   weight  [width] at replica · param_stride
//
// The z axis of the grid is the replica.

override AFFINE: bool = false;
override SHARED: bool = false;
override INPUT: bool = true;
override QUADS: u32 = 8;
override LANES: u32 = 1;

struct Shape {
  rows: u32, stride: u32, width: u32, param_stride: u32,
  weight_at: u32, weight_stride: u32, bias_at: u32, bias_stride: u32,
}
struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read> moments: array<vec4f>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> grads: array<f32>;
@group(0) @binding(7) var<storage, read_write> bias: array<f32>;
@group(0) @binding(8) var<storage, read> stream: array<Stream>;

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

fn store(at: u32, replica: u32, sums: Sums) {
  let w = replica * shape.weight_stride + shape.weight_at + 4u * at;
  let b = replica * shape.bias_stride + shape.bias_at + 4u * at;
  for (var c = 0u; c < 4u; c++) {
    if (4u * at + c < shape.width) {
      grads[w + c] = sums.weight[c];
      if (SHARED) { grads[b + c] = sums.bias[c]; } else { bias[b + c] = sums.bias[c]; }
    }
  }
}

@compute @workgroup_size(QUADS, LANES)
fn batch_norm_gradient(
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
  let valid = stream[replica].valid;
  let i = 4u * replica * quads + at;
  let origin = moments[i];
  let center = moments[i + quads];
  let scale = moments[i + 3u * quads];

  var own = Sums();
  for (var begin = local.y; begin < valid; begin += BLOCK * LANES) {
    var part = Sums();
    let end = min(begin + BLOCK * LANES, valid);
    for (var row = begin; row < end; row += LANES) {
      let place = (first + row) * quads + at;
      let d = dy[place];
      part.bias += d;
      part.weight += d * (((x[place] - origin) - center) * scale);
    }
    own.bias += part.bias;
    own.weight += part.weight;
  }
  let sums = total(own, local);
  if (quad >= quads) {
    return;
  }
  if (AFFINE && local.y == 0u) {
    store(at, replica, sums);
  }
  if (!INPUT) {
    return;
  }
  var factor = scale;
  if (AFFINE) {
    let w = replica * shape.param_stride;
    let columns = min(vec4u(4u * at) + vec4u(0u, 1u, 2u, 3u), vec4u(shape.width - 1u));
    factor *= vec4f(weight[w + columns.x], weight[w + columns.y], weight[w + columns.z], weight[w + columns.w]);
  }
  let n = f32(valid);
  let shift = sums.bias / n;
  let slope = sums.weight / n;
  for (var row = local.y; row < rows; row += LANES) {
    let place = (first + row) * quads + at;
    let normal = ((x[place] - origin) - center) * scale;
    dx[place] = select(vec4f(), factor * ((dy[place] - shift) - normal * slope), row < valid);
  }
}
