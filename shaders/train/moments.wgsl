// What there is to know of many numbers, in segments: mean, deviation, norm, range, zeros. A workgroup takes a segment;
// the host adds segments up in float64 (src/train/watch-report.ts). z of the grid is the replica.
//
// Three times over the segment: its range; its mean; the squares around that. Before, it is divided by the power of two
// below its largest magnitude: squares of gradients below 1e-19 would be lost, those of activations beyond 1e19 infinite.
// Lanes take every WORKGROUP-th element in order, then each adds the lanes in order: the same numbers give the same bits.
// What is not finite, told by its bits, is counted and left out.
//
//   values    replicas `stride` apart, elements of a segment `step` apart
//   before    as values, subtracted (DIFFERENCE)
//   segments  per segment: first element, number of elements, its place in `partial`, what it belongs to
//   stream    per replica; with ROWS a segment has as many elements as the batch has valid rows
//   partial   [replicas, all, 2], written: (unit, mean, rest, squares), (lowest, highest, zeros, not finite), the mean
//             and both sums in units: rest = Σ (x - mean), what rounding the mean left over; squares = Σ (x - mean)²

override DIFFERENCE: bool = false;
override ROWS: bool = false;
override WORKGROUP: u32 = 64;

// `segments` of this dispatch, `all` of what is watched.
struct Shape { segments: u32, all: u32, stride: u32, step: u32 }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> before: array<f32>;
@group(0) @binding(3) var<storage, read> segments: array<vec4u>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read_write> partial: array<vec4f>;

const LARGEST = 0x1.fffffep+127f;

// Per lane: lowest, highest, zeros, not finite; then its part of a sum, and of another.
var<workgroup> ranges: array<vec4f, WORKGROUP>;
var<workgroup> sums: array<f32, WORKGROUP>;
var<workgroup> squares: array<vec2f, WORKGROUP>;

fn element(at: u32) -> f32 {
  if (DIFFERENCE) { return values[at] - before[at]; }
  return values[at];
}

fn finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// The power of two below a magnitude, as an exponent field; of what is too small for one, and of nothing, that of 1. One
// less than the highest, so that its inverse has one, too.
fn exponent(magnitude: f32) -> u32 {
  let field = bitcast<u32>(magnitude) >> 23u;
  return select(min(field, 253u), 127u, field == 0u);
}

@compute @workgroup_size(WORKGROUP)
fn moments(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they take the last segment again, and do not write it.
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, shape.segments - 1u)];
  let first = group.z * shape.stride + segment.x;
  var count = segment.y;
  if (ROWS) { count = stream[group.z].valid; }

  var range = vec4f(LARGEST, -LARGEST, 0.0, 0.0);
  for (var i = lane; i < count; i += WORKGROUP) {
    let x = element(first + i * shape.step);
    if (!finite(x)) {
      range.w += 1.0;
    } else {
      range = vec4f(min(range.x, x), max(range.y, x), range.z + select(0.0, 1.0, (bitcast<u32>(x) & 0x7fffffffu) == 0u), range.w);
    }
  }
  ranges[lane] = range;
  workgroupBarrier();
  range = ranges[0];
  for (var i = 1u; i < WORKGROUP; i++) {
    let other = ranges[i];
    range = vec4f(min(range.x, other.x), max(range.y, other.y), range.zw + other.zw);
  }
  let some = f32(count) - range.w;
  let field = exponent(select(0.0, max(abs(range.x), abs(range.y)), some > 0.0));
  let down = bitcast<f32>((254u - field) << 23u);

  var sum = 0.0;
  for (var i = lane; i < count; i += WORKGROUP) {
    let x = element(first + i * shape.step);
    if (finite(x)) { sum += x * down; }
  }
  sums[lane] = sum;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
  let mean = total / max(some, 1.0);

  var around = vec2f();
  for (var i = lane; i < count; i += WORKGROUP) {
    let x = element(first + i * shape.step);
    let d = x * down - mean;
    if (finite(x)) { around += vec2f(d, d * d); }
  }
  squares[lane] = around;
  workgroupBarrier();
  if (lane == 0u && index < shape.segments) {
    var both = vec2f();
    for (var i = 0u; i < WORKGROUP; i++) { both += squares[i]; }
    let at = 2u * (group.z * shape.all + segment.z);
    partial[at] = vec4f(bitcast<f32>(field << 23u), mean, both);
    partial[at + 1u] = range;
  }
}
