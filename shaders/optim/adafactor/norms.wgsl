// Adafactor, third pass: squares of each tensor's update u = g / √moment and of its parameter, summed.

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

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read> row_ratio: array<f32>;
@group(0) @binding(4) var<storage, read> col_var: array<f32>;
@group(0) @binding(5) var<storage, read> shapes: array<Shape>;
@group(0) @binding(6) var<storage, read> segments: array<vec4u>;
@group(0) @binding(7) var<storage, read_write> partial: array<vec4f>;

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

fn terms(p: vec4f, g: vec4f, place: Place, h: Hyper) -> mat4x4f {
  let u = g / sqrt(moments(place, h));
  return mat4x4f(u * u, p * p, vec4f(), vec4f());
}

// ---- Written by `npm run gen` from here on, the same in every rule’s file. ----

// Four elements: the first one's place in a replica's arena, and whose they are.
struct Place { element: u32, group: u32, replica: u32, replicas: u32 }

override WORKGROUP: u32 = 64;

// Into [-most, most]; the largest f32 stands for no clipping. NaN stays NaN: what lies in (most, infinity] is told by its bits.
fn clip(g: vec4f, most: f32) -> vec4f {
  let bits = bitcast<vec4u>(g);
  let limit = bitcast<u32>(most);
  let beyond = select(0x7f800000u - limit, 0u, most > 3.4e38);
  let over = (bits & vec4u(0x7fffffffu)) - vec4u(limit + 1u) < vec4u(beyond);
  return select(g, bitcast<vec4f>((bits & vec4u(0x80000000u)) | vec4u(limit)), over);
}

var<workgroup> lanes: array<vec4f, WORKGROUP>;

// A workgroup sums a segment of one tensor: lanes take every WORKGROUP-th vec4 in order, then lane 0 adds the lanes in order.
// segments: first element, elements, place in `partial`, group. z is the replica.
@compute @workgroup_size(WORKGROUP)
fn sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they sum the last segment again, and do not write it.
  let index = group.y * groups.x + group.x;
  let count = arrayLength(&segments);
  let segment = segments[min(index, count - 1u)];
  let h = hyper[segment.w * groups.z + group.z];
  let first = group.z * (arrayLength(&param) / groups.z) + segment.x / 4u;
  var sum = mat4x4f();
  for (var i = lane; 4u * i < segment.y; i += WORKGROUP) {
    let at = first + i;
    let s_p = param[at];
    let s_g = clip(h.grad_scale * grad[at], h.clip_value) + h.l2 * param[at];
    let all = terms(s_p, s_g, Place(segment.x + 4u * i, segment.w, group.z, groups.z), h);
    // Not the padding behind the tensor's end.
    let inside = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(segment.y);
    for (var k = 0u; k < 4u; k++) { sum[k] += select(vec4f(), all[k], inside); }
  }
  let one = vec4f(1.0);
  lanes[lane] = vec4f(dot(sum[0], one), dot(sum[1], one), dot(sum[2], one), dot(sum[3], one));
  workgroupBarrier();
  if (lane == 0u && index < count) {
    var total = vec4f();
    for (var i = 0u; i < WORKGROUP; i++) { total += lanes[i]; }
    partial[group.z * (arrayLength(&partial) / groups.z) + segment.z] = total;
  }
}
