// Adafactor, second pass: the averages of g² over the rows and the columns of a matrix, and what rows have beyond their mean.
//
//   row_var += beta2_c·(mean of g² over the row + eps_mean - row_var);  col_var likewise
//   row_ratio = row_var / max(mean of row_var, eps_row)
//
// so that row_ratio·col_var estimates the second moment. A tensor that is not factored has each element's own, `variance`, which
// row_ratio then holds. From the host: beta2_c = t^beta2Decay; the paper has eps_mean and no eps_row, PyTorch the other.

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

// Places: of its sums in `partial` and how far apart they are, of its state, of its ratios. See src/optim/factored.ts.
struct Matrix {
  rows: u32,
  cols: u32,
  row_at: u32,
  row_parts: u32,
  row_apart: u32,
  col_at: u32,
  col_parts: u32,
  row_state: u32,
  col_state: u32,
  ratio_at: u32,
  group: u32,
  factored: u32,
}

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read> matrices: array<Matrix>;
@group(0) @binding(3) var<storage, read_write> row_var: array<f32>;
@group(0) @binding(4) var<storage, read_write> col_var: array<f32>;
@group(0) @binding(5) var<storage, read_write> variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> row_ratio: array<f32>;

var<workgroup> lanes: array<f32, WORKGROUP>;

fn sum_of(at: u32, parts: u32, apart: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < parts; k++) { sum += partial[at + k * apart]; }
  return sum;
}

// The first gradient alone where nothing is remembered: the other form would lose it far below an old average.
fn average(old: f32, found: f32, h: Hyper) -> f32 {
  return select(old + h.beta2_c * (found - old), found, h.beta2_c == 1.0);
}

// A workgroup for each matrix; z is the replica.
@compute @workgroup_size(WORKGROUP)
fn factors(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&matrices)) {
    return;
  }
  let m = matrices[index];
  let h = hyper[m.group * groups.z + group.z];
  if (h.skip != 0u) {
    return;
  }
  let sums = group.z * (arrayLength(&partial) / groups.z);
  let ratios = group.z * (arrayLength(&row_ratio) / groups.z) + m.ratio_at;
  let rows = group.z * (arrayLength(&row_var) / groups.z) + m.row_state;
  let cols = group.z * (arrayLength(&col_var) / groups.z) + m.col_state;
  let own = group.z * (arrayLength(&variance) / groups.z) + m.row_state;
  var sum = 0.0;
  for (var r = lane; r < m.rows; r += WORKGROUP) {
    let mean = sum_of(sums + m.row_at + r, m.row_parts, m.row_apart) / f32(m.cols) + h.eps_mean;
    if (m.factored != 0u) {
      let next = average(row_var[rows + r], mean, h);
      row_var[rows + r] = next;
      sum += next;
    } else {
      let next = average(variance[own + r], mean, h);
      variance[own + r] = next;
      row_ratio[ratios + r] = next;
    }
  }
  if (m.factored == 0u) {
    return;
  }
  lanes[lane] = sum;
  workgroupBarrier();
  var all = 0.0;
  for (var i = 0u; i < WORKGROUP; i++) { all += lanes[i]; }
  let mean = max(all / f32(m.rows), h.eps_row);
  for (var r = lane; r < m.rows; r += WORKGROUP) { row_ratio[ratios + r] = row_var[rows + r] / mean; }
  for (var c = lane; c < m.cols; c += WORKGROUP) {
    let next = sum_of(sums + m.col_at + c, m.col_parts, m.cols) / f32(m.rows) + h.eps_mean;
    col_var[cols + c] = average(col_var[cols + c], next, h);
  }
}
