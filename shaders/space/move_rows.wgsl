// Rows of fields, moved from one array to another, or put back to what they start with.
//
//   0  row i of `new_rows` is row indices[i] of `old_rows`; where there is no such row it starts anew, or (`keep`) is row i
//   1  row i is row i
//   2  rows indices[i] of `new_rows` start anew; those that are not there are passed over
//   3  rows from `rows` on start anew
//
//   fields   8 words each: width; first word and stride in old_rows, in new_rows; what it starts with; keep; nothing. Then zeros
//   indices  from word `first` on

override MODE: u32 = 0;
override WORKGROUP: u32 = 64;

// `rows` there are in old_rows (0, 1), in new_rows (2), or were (3); `count` are written.
struct Shape { rows: u32, count: u32, first: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> fields: array<u32>;
@group(0) @binding(3) var<storage, read> old_rows: array<u32>;
@group(0) @binding(4) var<storage, read_write> new_rows: array<u32>;

const GATHER = 0u;
const COPY = 1u;
const RESET = 2u;
const WORDS = 8u;

@compute @workgroup_size(WORKGROUP)
fn move_rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var f = 0u; fields[f] != 0u; f += WORDS) {
    let width = fields[f];
    for (var i = id.x; i < shape.count * width; i += groups.x * WORKGROUP) {
      let row = i / width;
      let column = i % width;
      var value = fields[f + 5u];
      var to = row;
      if (MODE == GATHER || MODE == COPY) {
        var given = row;
        if (MODE == GATHER) { given = indices[shape.first + row]; }
        let there = given < shape.rows;
        if (there || fields[f + 6u] != 0u) {
          value = old_rows[fields[f + 1u] + select(row, given, there) * fields[f + 2u] + column];
        }
      } else if (MODE == RESET) {
        to = indices[shape.first + row];
        if (to >= shape.rows) {
          continue;
        }
      } else {
        to = shape.rows + row;
      }
      new_rows[fields[f + 3u] + to * fields[f + 4u] + column] = value;
    }
  }
}
