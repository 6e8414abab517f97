// Tells the updates over rows how many there are: the first word of their table (src/kernels/rows.ts), in the order of the
// caller's commands.

struct Shape { rows: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> table: array<u32>;

@compute @workgroup_size(1)
fn set_rows() {
  table[0] = shape.rows;
}
