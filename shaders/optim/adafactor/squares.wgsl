// Adafactor, first pass: sums of g² over the rows and the columns of tiles of 64 by 64 elements.
//
// A tensor that is not factored is a matrix of one column, whose column sum nobody wants. Shazeer & Stern 2018, Adafactor:
// adaptive learning rates with sublinear memory cost, https://arxiv.org/abs/1804.04235.

override WORKGROUP: u32 = 64;

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  rho: f32,
  beta2_c: f32,
  eps_mean: f32,
  eps_row: f32,
  least: f32,
  eps_scale: f32,
  d: f32,
  scale_parameter: u32,
  // Of the tensor: written by scale.wgsl.
  step: f32,
}

// first: its place in the arena; stride: from row to row; row_at, col_at: where its sums begin in `partial`.
struct Tile {
  first: u32,
  rows: u32,
  cols: u32,
  stride: u32,
  row_at: u32,
  col_at: u32,
  group: u32,
  factored: u32,
}

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read> param: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> tiles: array<Tile>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;

// The sum of up to four squares, so many elements apart.
fn squares(at: u32, apart: u32, count: u32, h: Hyper) -> f32 {
  let last = count - 1u;
  let places = vec4u(at) + apart * min(vec4u(0u, 1u, 2u, 3u), vec4u(last));
  let raw = vec4f(grad[places.x], grad[places.y], grad[places.z], grad[places.w]);
  let p = vec4f(param[places.x], param[places.y], param[places.z], param[places.w]);
  let g = clip(h.grad_scale * raw, h.clip_value) + h.l2 * p;
  let inside = vec4u(0u, 1u, 2u, 3u) < vec4u(count);
  return dot(select(vec4f(), g * g, inside), vec4f(1.0));
}

// A workgroup sums a tile: each lane a column, then each lane a row. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn tile_sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&tiles)) {
    return;
  }
  let tile = tiles[index];
  let h = hyper[tile.group * groups.z + group.z];
  let first = group.z * (arrayLength(&grad) / groups.z) + tile.first;
  let out = group.z * (arrayLength(&partial) / groups.z);
  if (tile.factored != 0u && lane < tile.cols) {
    var sum = 0.0;
    for (var row = 0u; row < tile.rows; row += 4u) {
      sum += squares(first + row * tile.stride + lane, tile.stride, tile.rows - row, h);
    }
    partial[out + tile.col_at + lane] = sum;
  }
  if (lane < tile.rows) {
    var sum = 0.0;
    for (var col = 0u; col < tile.cols; col += 4u) {
      sum += squares(first + lane * tile.stride + col, 1u, tile.cols - col, h);
    }
    partial[out + tile.row_at + lane] = sum;
  }
}

// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----

// Into [-most, most]; the largest f32 stands for no clipping. NaN stays NaN: what lies in (most, infinity] is told by its bits.
fn clip(g: vec4f, most: f32) -> vec4f {
  let bits = bitcast<vec4u>(g);
  let limit = bitcast<u32>(most);
  let beyond = select(0x7f800000u - limit, 0u, most > 3.4e38);
  let over = (bits & vec4u(0x7fffffffu)) - vec4u(limit + 1u) < vec4u(beyond);
  return select(g, bitcast<vec4f>((bits & vec4u(0x80000000u)) | vec4u(limit)), over);
}
