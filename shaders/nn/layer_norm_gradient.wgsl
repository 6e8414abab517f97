// The gradient at the input of layer normalisation: with g = dy·weight, x̂ = (x - mean)/sqrt(variance + eps) and means over
// the features of a row,
//
//   dx = (g - mean(g) - x̂·mean(g·x̂)) / sqrt(variance + eps)
//
// Invocations, lanes and the order of sums are layer_norm's.
//
//   x, moments  as layer_norm had and wrote them   dy  [rows, stride]  gradient at y
//   weight  [width] at replica · weight_stride: AFFINE                dx  [rows, stride]  written
//
// The z axis of the grid is the replica.

override AFFINE: bool = false;
override LANES: u32 = 1;
override ROWS: u32 = 8;

struct Shape { rows: u32, stride: u32, width: u32, weight_stride: u32, }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read> moments: array<vec2f>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;

const BLOCK = 16u;

// Per lane: its part of both sums.
var<workgroup> parts: array<vec2f, LANES * ROWS>;

// The sums of all lanes' parts, in order.
fn total(own: vec2f, local: vec3u) -> vec2f {
  if (LANES == 1u) {
    return own;
  }
  parts[local.y * LANES + local.x] = own;
  workgroupBarrier();
  var sum = vec2f();
  for (var lane = 0u; lane < LANES; lane++) { sum += parts[local.y * LANES + lane]; }
  return sum;
}

// dy·weight of a quad, 0 in the padding.
fn upstream(at: u32, quad: u32, replica: u32) -> vec4f {
  let columns = vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u);
  var g = select(vec4f(), dy[at], columns < vec4u(shape.width));
  if (AFFINE) {
    let c = min(columns, vec4u(shape.width - 1u)) + replica * shape.weight_stride;
    g *= vec4f(weight[c.x], weight[c.y], weight[c.z], weight[c.w]);
  }
  return g;
}

@compute @workgroup_size(LANES, ROWS)
fn layer_norm_gradient(
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
  let origin = x[start].x;
  let center = moments[place].x;
  let scale = moments[place].y;
  var own = vec2f();
  for (var begin = local.x; begin < quads; begin += BLOCK * LANES) {
    var plain = vec4f();
    var weighted = vec4f();
    let end = min(begin + BLOCK * LANES, quads);
    for (var quad = begin; quad < end; quad += LANES) {
      let g = upstream(start + quad, quad, replica);
      let normal = ((x[start + quad] - origin) - center) * scale;
      plain += g;
      // (Not 0 times the padding, which is anything.)
      weighted += select(vec4f(), g * normal, vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u) < vec4u(shape.width));
    }
    own += vec2f((plain.x + plain.y) + (plain.z + plain.w), (weighted.x + weighted.y) + (weighted.z + weighted.w));
  }
  let means = total(own, local) / f32(shape.width);
  if (row >= shape.rows) {
    return;
  }
  for (var quad = local.x; quad < quads; quad += LANES) {
    let normal = ((x[start + quad] - origin) - center) * scale;
    dx[start + quad] = scale * ((upstream(start + quad, quad, replica) - means.x) - normal * means.y);
  }
}
