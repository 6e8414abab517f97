// The running statistics of batch normalisation, once the step is decided: with momentum m and n valid rows
//
//   mean += m·(batch mean - mean)    variance += m·(batch variance · n/(n - 1) - variance)    tracked += 1
//
// A step that is left out (`fate` 1) changes nothing, nor does a column whose batch mean or variance is not finite: it would
// stay so for ever. One invocation takes a column. What lies in another buffer is written by another dispatch: its place here
// is NONE.
//
//   moments  as batch_norm wrote them                      stream  per replica; `valid` is read
//   clock    the optimizer's, after `advance`              kept    bits of mean [width], variance [width], tracked [1], at
//                                                                  replica · kept_stride + their places; updated
//
// The z axis of the grid is the replica.

override WORKGROUP: u32 = 32;

struct Shape {
  stride: u32, width: u32, kept_stride: u32, mean_at: u32, variance_at: u32, tracked_at: u32,
  // m, and 1 - m from the host's float64.
  momentum: f32, rest: f32,
}
struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}
struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> moments: array<f32>;
@group(0) @binding(2) var<storage, read> stream: array<Stream>;
@group(0) @binding(3) var<storage, read> clock: array<Clock>;
@group(0) @binding(4) var<storage, read_write> kept: array<u32>;

const NONE = 0xffffffffu;
const LEAVE = 1u;

fn finite(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

fn track(place: u32, value: f32) {
  if (place != NONE) {
    kept[place] = bitcast<u32>(shape.rest * bitcast<f32>(kept[place]) + shape.momentum * value);
  }
}

// Where one column's or the only element of a tensor lies.
fn place_of(at: u32, element: u32, replica: u32) -> u32 {
  return select(replica * shape.kept_stride + at + element, NONE, at == NONE);
}

@compute @workgroup_size(WORKGROUP)
fn batch_norm_statistics(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let column = (group.y * groups.x + group.x) * WORKGROUP + local.x;
  let replica = group.z;
  if (column >= shape.width || clock[replica].fate == LEAVE) {
    return;
  }
  let n = f32(stream[replica].valid);
  let i = 4u * replica * shape.stride + column;
  let mean = moments[i] + moments[i + shape.stride];
  let variance = moments[i + 2u * shape.stride] * (n / max(n - 1.0, 1.0));
  if (finite(mean) && finite(variance)) {
    track(place_of(shape.mean_at, column, replica), mean);
    track(place_of(shape.variance_at, column, replica), variance);
  }
  let tracked = place_of(shape.tracked_at, 0u, replica);
  if (column == 0u && tracked != NONE) {
    kept[tracked] += 1u;
  }
}
