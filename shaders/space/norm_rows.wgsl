// Sums of squares of a gradient in rows, and how many of its elements are not usable numbers: as norm.wgsl, for fields of
// records that lie at strides. A segment is some rows of one field; rows that are left alone take no part. The order of a
// sum never changes.
//
//   grad      f32, or i32 in a field's unit
//   segments  per segment: first row, rows, its place in `partial`, and the field's words in the table
//   table     of the update over rows (src/kernels/rows.ts)
//   active_rows  1: a word for each row, 0 where it is left alone; 2: the number of rows
//   partial   (sum of squares, of those scaled up, unusable elements, nothing) of each segment, written

override ACTIVE: u32 = 0;
override WORKGROUP: u32 = 64;

// The magnitude 1e19 as bits.
const TOO_LARGE = 0x5f0ac723u;
const SMALL = 0x1p-35f;
const UP = 0x1p64f;

struct Shape { segments: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> grad: array<u32>;
@group(0) @binding(2) var<storage, read> segments: array<vec4u>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read> active_rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> partial: array<vec4f>;

var<workgroup> sums: array<vec3f, WORKGROUP>;

fn squares(g: f32) -> vec3f {
  let scaled = select(0.0, g * UP, abs(g) < SMALL);
  return vec3f(g * g, scaled * scaled, 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they sum the last segment again, and do not write it.
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, shape.segments - 1u)];
  var count = table[0];
  if (ACTIVE == 2u) { count = min(count, max(active_rows[table[3]], table[4]) - table[4]); }
  let width = table[segment.w + 1u];
  let unit = bitcast<f32>(table[segment.w + 8u]);
  let end = min(segment.x + segment.y, count);
  var sum = vec3f();
  for (var i = lane; i < (max(end, segment.x) - segment.x) * width; i += WORKGROUP) {
    let row = segment.x + i / width;
    if (ACTIVE == 1u) {
      if (active_rows[table[3] + row] == 0u) {
        continue;
      }
    }
    let bits = grad[table[segment.w + 4u] + row * table[segment.w + 5u] + i % width];
    if (unit != 0.0) {
      sum += squares(f32(bitcast<i32>(bits)) * unit);
    } else if ((bits & 0x7fffffffu) >= TOO_LARGE) {
      sum.z += 1.0;
    } else {
      sum += squares(bitcast<f32>(bits));
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && index < shape.segments) {
    var total = vec3f();
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    partial[segment.z] = vec4f(total, 0.0);
  }
}
