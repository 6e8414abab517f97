// Numbers out of somebody else's memory into padded arenas of ours, and back: rules of several passes run on arenas.
//
// Bits are copied as they are. The copy is cut into pieces, each within one tensor; a workgroup copies one. An element i of a
// piece lies at `own` + i in the arena and, in rows of `width` elements that are `stride` apart, at
// `foreign` + i / width · stride + i % width.
//
//   foreign  f32, or i32 in units of `unit` (FIXED), which become f32 on the way in; 0 is for f32 among those
//   own      the arena
//   pieces   per piece two vec4u: foreign, own, elements, bits of `unit`; width, stride, nothing, nothing

// From the arena to the caller's memory.
override OUT: bool = false;
override FIXED: bool = false;
// Clear the caller's once it is read.
override ZERO: bool = false;
override WORKGROUP: u32 = 64;

@group(0) @binding(0) var<storage, read_write> foreign: array<u32>;
@group(0) @binding(1) var<storage, read_write> own: array<u32>;
@group(0) @binding(2) var<storage, read> pieces: array<vec4u>;

@compute @workgroup_size(WORKGROUP)
fn stage(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (2u * index >= arrayLength(&pieces)) {
    return;
  }
  let piece = pieces[2u * index];
  let rows = pieces[2u * index + 1u];
  for (var i = lane; i < piece.z; i += WORKGROUP) {
    let theirs = piece.x + i / rows.x * rows.y + i % rows.x;
    if (OUT) {
      foreign[theirs] = own[piece.y + i];
      continue;
    }
    var bits = foreign[theirs];
    if (FIXED && piece.w != 0u) { bits = bitcast<u32>(f32(bitcast<i32>(bits)) * bitcast<f32>(piece.w)); }
    own[piece.y + i] = bits;
    if (ZERO) { foreign[theirs] = 0u; }
  }
}
