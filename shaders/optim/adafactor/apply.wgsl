// Adafactor, last pass: p -= step·g / √moment, the step its tensor's.

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

// How the elements of a group lie here and in the factors: see src/optim/factored.ts.
struct Shape {
  at: u32,
  start: u32,
  elements: u32,
  rows: u32,
  cols: u32,
  row_at: u32,
  col_at: u32,
  factored: u32,
}

struct Out { p: vec4f }

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read> row_ratio: array<f32>;
@group(0) @binding(4) var<storage, read> col_var: array<f32>;
@group(0) @binding(5) var<storage, read> shapes: array<Shape>;
@group(0) @binding(6) var<storage, read> group_of: array<u32>;

// Estimates of the second moment of four elements: ratio of the row times factor of the column, or one of their own.
fn moments(place: Place, h: Hyper) -> vec4f {
  let s = shapes[place.group];
  let row_at = place.replica * (arrayLength(&row_ratio) / place.replicas) + s.row_at;
  let col_at = place.replica * (arrayLength(&col_var) / place.replicas) + s.col_at;
  let element = place.element - s.at + s.start;
  var row = element / s.cols;
  var col = element - row * s.cols;
  var v = vec4f();
  for (var k = 0u; k < 4u && element + k < s.elements; k++) {
    let ratio = row_ratio[row_at + row];
    if (s.factored != 0u) {
      v[k] = ratio * col_var[col_at + row / s.rows * s.cols + col];
    } else {
      v[k] = ratio;
    }
    col++;
    if (col == s.cols) {
      col = 0u;
      row++;
    }
  }
  return max(v, vec4f(h.least));
}

fn rule(p: vec4f, g: vec4f, place: Place, h: Hyper) -> Out {
  return Out(p - h.step * (g / sqrt(moments(place, h))));
}

// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----

// Four elements: the first one's place in a replica's arena, and whose they are.
struct Place { element: u32, group: u32, replica: u32, replicas: u32 }

override LANES: u32 = 4;
override WORKGROUP: u32 = 64;

// Into [-most, most]; the largest f32 stands for no clipping. NaN stays NaN: what lies in (most, infinity] is told by its bits.
fn clip(g: vec4f, most: f32) -> vec4f {
  let bits = bitcast<vec4u>(g);
  let limit = bitcast<u32>(most);
  let beyond = select(0x7f800000u - limit, 0u, most > 3.4e38);
  let over = (bits & vec4u(0x7fffffffu)) - vec4u(limit + 1u) < vec4u(beyond);
  return select(g, bitcast<vec4f>((bits & vec4u(0x80000000u)) | vec4u(limit)), over);
}

// A chunk of 64 floats belongs to one tensor; LANES share its 16 vec4s, and take a stretch of chunks. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn update(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let quads = arrayLength(&param) / groups.z;
  let chunks = quads / 16u;
  let first = id.z * quads + id.x % LANES;
  let teams = groups.x * (WORKGROUP / LANES);
  let share = (chunks + teams - 1u) / teams;
  let team = id.x / LANES;
  let end = min(team * share + share, chunks);
  var next = 0u;
  for (var chunk = team * share; chunk < end; chunk = next) {
    let row = group_of[chunk];
    next = chunk + 1u;
    while (next < end && group_of[next] == row) { next++; }
    let h = hyper[row * groups.z + id.z];
    if (h.skip != 0u) {
      continue;
    }
    for (var at = first + chunk * 16u; at < first + next * 16u; at += LANES) {
      let s_param = param[at];
      let s_p = select(s_param, s_param - h.decay * s_param, h.decay != 0.0);
      let s_g = clip(h.grad_scale * grad[at], h.clip_value) + h.l2 * param[at];
      let out = rule(s_p, s_g, Place(4u * (at - id.z * quads), row, id.z, groups.z), h);
      param[at] = out.p;
    }
  }
}
