// D-Adaptation of Adam, first pass: what the distance is estimated from, summed over all tensors:
// d·rate·g·s / (√v + eps) with s and v as they are, and |s| as it will be.
//
//   s = √beta2·s + (1-√beta2)·d·rate·g       from the host: rate = lr, with bias correction
//                                            lr·√(1-beta2ᵗ)/(1-beta1ᵗ); root_c = 1-√beta2
//
// Defazio & Mishchenko 2023, Learning-rate-free learning by D-adaptation, https://arxiv.org/abs/2301.07733.

struct Hyper {
  @align(64) count: u32,
  skip: u32,
  grad_scale: f32,
  clip_value: f32,
  l2: f32,
  decay: f32,
  rate: f32,
  beta1_c: f32,
  beta2_c: f32,
  root_c: f32,
  eps: f32,
  weight_decay: f32,
  d0: f32,
  growth_rate: f32,
}

@group(0) @binding(0) var<uniform> hyper: array<Hyper, 1024>;
@group(0) @binding(1) var<storage, read> param: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read> exp_avg_sq: array<vec4f>;
@group(0) @binding(4) var<storage, read> s: array<vec4f>;
// By replica: d; what it was in the last step; the numerator. 0 before the first.
@group(0) @binding(5) var<storage, read> distance: array<vec4f>;
@group(0) @binding(6) var<storage, read> segments: array<vec4u>;
@group(0) @binding(7) var<storage, read_write> partial: array<vec4f>;

fn terms(g: vec4f, exp_avg_sq: vec4f, s: vec4f, place: Place, h: Hyper) -> mat4x4f {
  if (h.rate == 0.0) {
    return mat4x4f();
  }
  let known = distance[place.replica].x;
  let u = select(known, h.d0, known == 0.0) * h.rate * g;
  let next = s + h.root_c * (u - s);
  return mat4x4f(u * (s / (sqrt(exp_avg_sq) + h.eps)), abs(next), vec4f(), vec4f());
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
    let s_g = clip(h.grad_scale * grad[at], h.clip_value) + h.l2 * param[at];
    let s_exp_avg_sq = exp_avg_sq[at];
    let s_s = s[at];
    let all = terms(s_g, s_exp_avg_sq, s_s, Place(segment.x + 4u * i, segment.w, group.z, groups.z), h);
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
