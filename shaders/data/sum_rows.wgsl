// The sums of an evaluation: of the rows' losses, and of what these count. One workgroup per replica, after all chunks.
//
// Lanes take every WORKGROUP-th row in order and add them up in blocks of BLOCK, the blocks in order, then lane 0 the lanes
// in order: the same sum every time, whoever asks, and off by at most BLOCK + rows / (BLOCK · WORKGROUP) + WORKGROUP
// roundings. Where a loss is not a number there is no largest output either, and nothing to count.
//
//   result  [chunks, replicas, rows] (loss, counted), read; the rows past `samples` are left out
//   sums    [replicas] (loss, counted), written: whoever divides them does so in float64, and shares are exact

override WORKGROUP: u32 = 64;

const BLOCK = 32u;

struct Shape { samples: u32, rows: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> result: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> sums: array<vec2f>;

var<workgroup> lanes: array<vec2f, WORKGROUP>;

fn row(index: u32, replica: u32, replicas: u32) -> vec2f {
  let own = result[(index / shape.rows * replicas + replica) * shape.rows + index % shape.rows];
  let finite = (bitcast<u32>(own.x) & 0x7f800000u) != 0x7f800000u;
  return vec2f(own.x, select(0.0, own.y, finite));
}

@compute @workgroup_size(WORKGROUP)
fn sum_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  var sum = vec2f();
  for (var first = lane; first < shape.samples; first += BLOCK * WORKGROUP) {
    var part = vec2f();
    for (var i = 0u; i < BLOCK; i++) {
      let index = first + i * WORKGROUP;
      if (index < shape.samples) { part += row(index, group.z, groups.z); }
    }
    sum += part;
  }
  lanes[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var total = vec2f();
    for (var i = 0u; i < WORKGROUP; i++) { total += lanes[i]; }
    sums[group.z] = total;
  }
}
