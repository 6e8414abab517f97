// Newton's method: all products of three vectors, and of the first its largest magnitude and how many elements are not finite.
//
// A workgroup sums a segment of a tensor: lanes take every WORKGROUP-th element in order, then lane 0 adds the lanes in order;
// `control` adds the segments. The order never changes.
//
//   segments  per segment: first element, elements, group, place
//   partial   [segments of all spans, 2] (a·a, a·b, a·c, b·b), (b·c, c·c, max |a|, elements of a that are not finite), written

override WORKGROUP: u32 = 64;

struct Shape { segments: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> segments: array<vec4u>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read> c: array<f32>;
@group(0) @binding(5) var<storage, read_write> partial: array<vec4f>;

var<workgroup> firsts: array<vec4f, WORKGROUP>;
var<workgroup> seconds: array<vec4f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn dots(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // A folded grid may have workgroups to spare: they sum the last segment again, and do not write it.
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, shape.segments - 1u)];
  var first = vec4f();
  var second = vec4f();
  for (var i = segment.x + lane; i < segment.x + segment.y; i += WORKGROUP) {
    let v = vec3f(a[i], b[i], c[i]);
    first += vec4f(v.x * v.x, v.x * v.y, v.x * v.z, v.y * v.y);
    second += vec4f(v.y * v.z, v.z * v.z, 0.0, 0.0);
    second.z = max(second.z, abs(v.x));
    second.w += select(0.0, 1.0, (bitcast<u32>(v.x) & 0x7f800000u) == 0x7f800000u);
  }
  firsts[lane] = first;
  seconds[lane] = second;
  workgroupBarrier();
  if (lane == 0u && index < shape.segments) {
    var total = vec4f();
    var more = vec4f();
    for (var i = 0u; i < WORKGROUP; i++) {
      total += firsts[i];
      more = vec4f(more.xy + seconds[i].xy, max(more.z, seconds[i].z), more.w + seconds[i].w);
    }
    partial[2u * segment.w] = total;
    partial[2u * segment.w + 1u] = more;
  }
}
