// Half-precision numbers (IEEE 754 binary16, two to a word) out of somebody else's memory into padded arenas of ours, where they
// are float32, and back: rounded to the nearest, ties to even, to infinity from 65520 on.
//
// All is done on integers: packing and unpacking of the language may round, flush and overflow as the device likes. Pieces are
// those of stage.wgsl, places in `foreign` counted in halves, at any of them: where a row begins or ends within a word, the other
// half of it may be another tensor's, which another lane writes at the same time. So words are atomic, and of such a one only the
// own bits change.
//
//   foreign  halves
//   own      the arena
//   pieces   per piece two vec4u: foreign, own, elements, nothing; width, stride, nothing, nothing

// From the arena to the caller's memory.
override OUT: bool = false;
// On the way in, a number that rounds to the caller's half stays as it is: parameters, whose float32 we keep from step to step.
override KEEP: bool = false;
// Clear the caller's once it is read.
override ZERO: bool = false;
override WORKGROUP: u32 = 64;

@group(0) @binding(0) var<storage, read_write> foreign: array<atomic<u32>>;
@group(0) @binding(1) var<storage, read_write> own: array<u32>;
@group(0) @binding(2) var<storage, read> pieces: array<vec4u>;

// The bits of a half from those of a float.
fn half_of(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    // NaN stays one, and what came from a half gets its bits back.
    let payload = (magnitude >> 13u) & 0x3ffu;
    return sign | 0x7c00u | select(payload, 0x200u, payload == 0u);
  }
  if (magnitude < 0x38800000u) {
    // Below 2^-14 a half is a number of steps of 2^-24; below half a step it is 0.
    let shift = min(126u - (magnitude >> 23u), 25u);
    let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    return sign | ((mantissa + (1u << (shift - 1u)) - 1u + ((mantissa >> shift) & 1u)) >> shift);
  }
  return sign | min(((magnitude + 0xfffu + ((magnitude >> 13u) & 1u)) >> 13u) - 0x1c000u, 0x7c00u);
}

// The bits of a float from those of a half: every half is one.
fn float_of(half: u32) -> u32 {
  let sign = (half & 0x8000u) << 16u;
  let magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) { return sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13u); }
  if (magnitude < 0x400u) { return sign | bitcast<u32>(f32(magnitude) * 0x1p-24f); }
  return sign | ((magnitude << 13u) + 0x38000000u);
}

fn take(at: u32, half: u32) {
  if (!KEEP || half_of(own[at]) != half) { own[at] = float_of(half); }
}

@compute @workgroup_size(WORKGROUP)
fn stage_half(
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
  // A lane has a word; so many may hold a part of a row.
  let words = rows.x / 2u + 1u;
  for (var i = lane; i < (piece.z + rows.x - 1u) / rows.x * words; i += WORKGROUP) {
    let row = i / words;
    let start = piece.x + row * rows.y;
    let word = start / 2u + i % words;
    // Which elements of the row the word's halves are: the first may be the one in front of it, the second the one behind.
    let column = 2u * word - start;
    let length = min(rows.x, piece.z - row * rows.x);
    let first = column < length;
    let second = column + 1u < length;
    let at = piece.y + row * rows.x + column;
    let mine = select(0u, 0xffffu, first) | select(0u, 0xffff0000u, second);
    if (mine == 0u) {
      continue;
    }
    if (OUT) {
      var bits = 0u;
      if (first) { bits = half_of(own[at]); }
      if (second) { bits |= half_of(own[at + 1u]) << 16u; }
      if (mine == 0xffffffffu) {
        atomicStore(&foreign[word], bits);
      } else {
        atomicAnd(&foreign[word], ~mine);
        atomicOr(&foreign[word], bits);
      }
      continue;
    }
    let bits = atomicLoad(&foreign[word]);
    if (first) { take(at, bits & 0xffffu); }
    if (second) { take(at + 1u, bits >> 16u); }
    if (ZERO) { atomicAnd(&foreign[word], ~mine); }
  }
}
