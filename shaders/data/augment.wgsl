// The inputs and targets of a batch, cut out and mixed: what the network reads in the place of the data set.
//
// Cutout (DeVries & Taylor 2017): a square of 0 in each image, its centre anywhere, clipped at the edges. Then mixup (Zhang
// et al. 2018): x = λ x_i + (1 - λ) x_j, t = λ t_i + (1 - λ) t_j, with one λ for the batch and each row's partner j so many
// rows further (around the valid rows, never itself), both keyed by seed and step: nothing is stored. Numbers of the network
// are cut and mixed, raw·scale + shift. One workgroup per row; z of the grid is the replica. src/data/augment.ts is its twin.
//
//   data     [samples, x_stride] f32, or bytes (BYTES)   targets  one label per sample (LABELS), or [samples, n] f32
//   batch    sample of each row, [replica, rows]         stream   per replica; step, valid and seed are read
//   mixes    quantiles of λ: (λ, 1 - λ), a power of two of them
//   x        [replica, rows, x_stride], written, padding included
//   y        [replica, rows, n], written where rows are mixed (MIXUP)

override BYTES: bool = false;
override LABELS: bool = false;
override MIXUP: bool = false;
override CUTOUT: bool = false;
override WORKGROUP: u32 = 64;

struct Shape {
  rows: u32, features: u32, x_stride: u32, n: u32, height: u32, width: u32, size: u32, mixes: u32, scale: f32, shift: f32,
}
struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read> mixes: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> x: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

// Keep these numbers apart from those of batches and layers, whatever the seed.
const MIX = 0x4d58u;
const CUT = 0x4355u;

// The hash pcg3d (Jarzynski & Olano, JCGT 9(3), 2020), last component; pcgHash of src/kernels/random.ts.
fn hash(seed: u32, sequence: u32, index: u32) -> u32 {
  var v = vec3u(seed, sequence, index) * 1664525u + 1013904223u;
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v ^= v >> vec3u(16u);
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  return v.z ^ (v.z >> 16u);
}

// The first line and column of a row's square; they may lie outside.
fn corner(now: Stream, row: u32) -> vec2i {
  let key = hash(now.seed, CUT, now.step);
  let centre = vec2u(hash(key, row, 0u) % shape.height, hash(key, row, 1u) % shape.width);
  return vec2i(centre) - i32(shape.size / 2u);
}

// A feature of a sample as the network sees it, with its square cut out.
fn input_at(sample: u32, feature: u32, square: vec2i) -> f32 {
  if (CUTOUT) {
    let inside = vec2i(vec2u(feature / shape.width, feature % shape.width)) - square;
    if (all(inside >= vec2i()) && all(inside < vec2i(i32(shape.size)))) { return 0.0; }
  }
  let at = sample * shape.x_stride + feature;
  var raw = 0.0;
  if (BYTES) {
    raw = f32((data[at / 4u] >> (8u * (at % 4u))) & 255u);
  } else {
    raw = bitcast<f32>(data[at]);
  }
  return raw * shape.scale + shape.shift;
}

fn target_at(sample: u32, j: u32) -> f32 {
  if (LABELS) { return select(0.0, 1.0, targets[sample] == j); }
  return bitcast<f32>(targets[sample * shape.n + j]);
}

@compute @workgroup_size(WORKGROUP)
fn augment(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= shape.rows) {
    return;
  }
  let first = group.z * shape.rows;
  let now = stream[group.z];
  let own = batch[first + row];
  var other = row;
  var mix = vec2f(1.0, 0.0);
  if (MIXUP && row < now.valid && now.valid > 1u) {
    let key = hash(now.seed, MIX, now.step);
    mix = mixes[hash(key, 0u, 0u) & (shape.mixes - 1u)];
    other = (row + 1u + hash(key, 1u, 0u) % (now.valid - 1u)) % now.valid;
  }
  let partner = batch[first + other];
  let squares = array(corner(now, row), corner(now, other));
  for (var feature = lane; feature < shape.x_stride; feature += WORKGROUP) {
    var value = 0.0;
    if (feature < shape.features) {
      value = input_at(own, feature, squares[0]);
      if (MIXUP && other != row) { value = mix.x * value + mix.y * input_at(partner, feature, squares[1]); }
    }
    x[(first + row) * shape.x_stride + feature] = value;
  }
  if (MIXUP) {
    for (var j = lane; j < shape.n; j += WORKGROUP) {
      var value = target_at(own, j);
      if (other != row) { value = mix.x * value + mix.y * target_at(partner, j); }
      y[(first + row) * shape.n + j] = value;
    }
  }
}
