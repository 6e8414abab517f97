// Half-precision numbers (IEEE 754 binary16, two to a word) out of somebody else's memory into padded arenas of ours, where they
// are float32, and back: rounded to the nearest, ties to even, to infinity from 65520 on.
//
// Halves are put together and taken apart here, exactly: packing and unpacking of the language may round, flush and overflow as the
// device likes. Pieces are those of stage.wgsl, places in `foreign` counted in halves, at any of them: where a row begins or ends
// within a word, the other half of it may be another tensor's, which another lane writes at the same time. So words are atomic, and
// of such a one only the own bits change.
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
@group(0) @binding(1) var<storage, read_write> own: array<vec4u>;
@group(0) @binding(2) var<storage, read> pieces: array<vec4u>;

// The bits of halves, in words' order, from those of floats. Within a power of two 2^e a half has 1024 steps, and as many below
// 2^-14; with E the bits of that power's exponent its code is round(|x| / 2^e · 1024) + (E >> 13) - (113 << 10). Products with powers
// of two are exact, and `round` takes ties to even. By floats and masks: SwiftShader shifts each of four neighbours on its own.
fn halves_of(bits: vec4u) -> vec2u {
  let magnitude = bits & vec4u(0x7fffffffu);
  let exponent = clamp(bits & vec4u(0x7f800000u), vec4u(0x38800000u), vec4u(0x47800000u));
  let steps = round(bitcast<vec4f>(magnitude) * bitcast<vec4f>(vec4u(0x7f000000u) - exponent) * 1024.0);
  var codes = min(steps + vec4f(bitcast<vec4i>(exponent)) * 0x1p-13f - 115712.0, vec4f(31744.0));
  // NaN stays one, and what came from a half gets its bits back.
  let payload = vec4f(bitcast<vec4i>(magnitude & vec4u(0x7fe000u))) * 0x1p-13f;
  let nan = select(payload, vec4f(512.0), payload == vec4f()) + 31744.0;
  codes = select(codes, nan, magnitude > vec4u(0x7f800000u));
  codes = select(codes, codes + 32768.0, bits != magnitude);
  let whole = bitcast<vec4u>(codes + vec4f(0x1p23f));
  return (whole.xz & vec2u(0xffffu)) | (whole.yw * vec2u(65536u));
}

// The bits of floats from those of halves: every half is one.
fn floats_of(words: vec2u) -> vec4u {
  let halves = vec4u(words.x & 0xffffu, words.x >> 16u, words.y & 0xffffu, words.y >> 16u);
  let magnitude = halves & vec4u(0x7fffu);
  let tiny = bitcast<vec4u>(vec4f(bitcast<vec4i>(magnitude)) * 0x1p-24f);
  let rest = magnitude * 8192u + select(vec4u(0x38000000u), vec4u(0x70000000u), magnitude >= vec4u(0x7c00u));
  return select(rest, tiny, magnitude < vec4u(0x400u)) | ((halves & vec4u(0x8000u)) * 65536u);
}

// What becomes of numbers in the arena once the caller's halves are read.
fn taken(now: vec4u, words: vec2u) -> vec4u {
  let given = floats_of(words);
  if (!KEEP) { return given; }
  let differ = (halves_of(now) ^ words).xxyy & vec4u(0xffffu, 0xffff0000u, 0xffffu, 0xffff0000u);
  return select(now, given, differ != vec4u());
}

// Whole words of one row, where four of the arena's numbers are two words.
fn copy_quad(at: u32, word: u32) {
  if (OUT) {
    let halves = halves_of(own[at]);
    atomicStore(&foreign[word], halves.x);
    atomicStore(&foreign[word + 1u], halves.y);
    return;
  }
  own[at] = taken(own[at], vec2u(atomicLoad(&foreign[word]), atomicLoad(&foreign[word + 1u])));
  if (ZERO) {
    atomicStore(&foreign[word], 0u);
    atomicStore(&foreign[word + 1u], 0u);
  }
}

// A word of which `mine` is a row's: its first half is number `at` of the arena, its second the one behind.
fn copy_word(at: u32, word: u32, mine: u32) {
  let first = (mine & 0xffffu) != 0u;
  let second = (mine & 0xffff0000u) != 0u;
  var now = vec4u();
  if (first) { now.x = own[at / 4u][at % 4u]; }
  if (second) { now.y = own[(at + 1u) / 4u][(at + 1u) % 4u]; }
  if (OUT) {
    atomicAnd(&foreign[word], ~mine);
    atomicOr(&foreign[word], halves_of(now).x & mine);
    return;
  }
  let next = taken(now, vec2u(atomicLoad(&foreign[word]), 0u));
  if (first) { own[at / 4u][at % 4u] = next.x; }
  if (second) { own[(at + 1u) / 4u][(at + 1u) % 4u] = next.y; }
  if (ZERO) { atomicAnd(&foreign[word], ~mine); }
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
  let quads = select(0u, piece.z / 4u, rows.x >= piece.z && piece.x % 2u == 0u && piece.y % 4u == 0u);
  for (var i = lane; i < quads; i += WORKGROUP) { copy_quad(piece.y / 4u + i, piece.x / 2u + 2u * i); }
  // What is left, a lane to a word; so many may hold a part of a row.
  let done = 4u * quads;
  let width = min(rows.x, piece.z) - done;
  let words = width / 2u + 1u;
  let count = select((piece.z + rows.x - 1u) / rows.x * words, 0u, width == 0u);
  for (var i = lane; i < count; i += WORKGROUP) {
    let row = i / words;
    let start = piece.x + done + row * rows.y;
    let word = start / 2u + i % words;
    // Which elements of the row the word's halves are: the first may be the one in front of it, the second the one behind.
    let column = 2u * word - start;
    let length = min(width, piece.z - done - row * rows.x);
    let mine = select(0u, 0xffffu, column < length) | select(0u, 0xffff0000u, column + 1u < length);
    if (mine != 0u) { copy_word(piece.y + done + row * rows.x + column, word, mine); }
  }
}
