// L-BFGS: the slope at every point of a round, g·d, and how many elements of its gradient are not finite (told by their bits).
//
// A workgroup sums a segment of a tensor at one point: lanes take every WORKGROUP-th four elements in order, then lane 0 adds the
// lanes in order; `control` adds the segments. The order never changes. Segments begin at multiples of 4, and behind the end of a
// tensor there is padding.
//
//   grads    [points, quads]     d  one replica    segments  per segment: first element, elements, group, place
//   partial  [segments of all spans, points] (sum, elements that are not finite), written

override WORKGROUP: u32 = 64;

struct Shape { segments: u32, quads: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> clock: array<vec4u>;
@group(0) @binding(2) var<storage, read> grads: array<vec4f>;
@group(0) @binding(3) var<storage, read> d: array<vec4f>;
@group(0) @binding(4) var<storage, read> segments: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> partial: array<vec2f>;

const HALTED = 4u;

var<workgroup> sums: array<vec2f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn dots(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // `fault` is the third word of a clock.
  if ((clock[0].z & HALTED) != 0u) {
    return;
  }
  // A folded grid may have workgroups to spare: they sum the last segment again, and do not write it.
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, shape.segments - 1u)];
  let first = segment.x / 4u;
  var sum = vec2f();
  for (var i = lane; 4u * i < segment.y; i += WORKGROUP) {
    let inside = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(segment.y);
    let g = select(vec4f(), grads[group.z * shape.quads + first + i], inside);
    let bad = (bitcast<vec4u>(g) & vec4u(0x7f800000u)) == vec4u(0x7f800000u);
    sum += vec2f(dot(select(g, vec4f(), bad), d[first + i]), dot(select(vec4f(), vec4f(1.0), bad), vec4f(1.0)));
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u && index < shape.segments) {
    var total = vec2f();
    for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
    partial[segment.w * groups.z + group.z] = total;
  }
}
