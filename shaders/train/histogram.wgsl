// How many numbers of a tensor, or of a layer's output, fall into each of 64 bins of equal width between its lowest and
// its highest, which the last one includes. A workgroup takes a segment of them (moments.wgsl, which ran before and knows
// the ranges); where all are equal, the first bin has them all. Counts are whole numbers, so their order does not matter.
// z of the grid is the replica.
//
//   values    replicas `stride` apart, elements of a segment `step` apart
//   segments  as moments.wgsl has them
//   begins    per target its first segment's place in `partial`, and the end
//   stream    per replica; with ROWS a segment has as many elements as the batch has valid rows
//   partial   of moments.wgsl
//   counts    [replicas, targets, 64], added to

override ROWS: bool = false;
override WORKGROUP: u32 = 64;

const BINS = 64u;
const LARGEST = 0x1.fffffep+127f;

struct Shape { segments: u32, all: u32, stride: u32, step: u32, targets: u32 }

struct Stream { step: u32, valid: u32, epoch: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> segments: array<vec4u>;
@group(0) @binding(3) var<storage, read> begins: array<u32>;
@group(0) @binding(4) var<storage, read> stream: array<Stream>;
@group(0) @binding(5) var<storage, read> partial: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> counts: array<atomic<u32>>;

// Per lane: lowest, highest.
var<workgroup> ranges: array<vec2f, WORKGROUP>;
var<workgroup> bins: array<atomic<u32>, BINS>;

@compute @workgroup_size(WORKGROUP)
fn histogram(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  let segment = segments[min(index, shape.segments - 1u)];
  let first = group.z * shape.stride + segment.x;
  var count = segment.y;
  if (ROWS) { count = stream[group.z].valid; }

  var range = vec2f(LARGEST, -LARGEST);
  for (var i = begins[segment.w] + lane; i < begins[segment.w + 1u]; i += WORKGROUP) {
    let own = partial[2u * (group.z * shape.all + i) + 1u];
    range = vec2f(min(range.x, own.x), max(range.y, own.y));
  }
  ranges[lane] = range;
  workgroupBarrier();
  for (var i = 0u; i < WORKGROUP; i++) {
    range = vec2f(min(range.x, ranges[i].x), max(range.y, ranges[i].y));
  }
  // Halves, whose difference cannot overflow.
  let low = 0.5 * range.x;
  let width = 0.5 * range.y - low;
  for (var i = lane; i < count; i += WORKGROUP) {
    let x = values[first + i * shape.step];
    if ((bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u) {
      let at = select(0.0, f32(BINS) * ((0.5 * x - low) / width), width > 0.0);
      atomicAdd(&bins[min(u32(max(at, 0.0)), BINS - 1u)], 1u);
    }
  }
  workgroupBarrier();
  if (index < shape.segments) {
    for (var bin = lane; bin < BINS; bin += WORKGROUP) {
      let own = atomicLoad(&bins[bin]);
      if (own > 0u) { atomicAdd(&counts[(group.z * shape.targets + segment.w) * BINS + bin], own); }
    }
  }
}
