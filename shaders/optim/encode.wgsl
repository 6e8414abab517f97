// Optimizer state in fewer bytes: how four values become words and words values, as harness/generate/emit-packed.ts carries it into
// the loops around every rule. src/reference/encodings.ts has the same in float64.
//
//   bf16   the upper half of an f32, two to a word
//   f16    IEEE half precision of x · 2^k, two to a word; k, one for a block, puts the block's largest magnitude in [2^14, 2^15)
//   8 bit  places in the dynamic map of Dettmers et al. 2022 (8-bit optimizers via block-wise quantization,
//          https://arxiv.org/abs/2110.02861), four to a word, times a scale that puts the block's largest magnitude at its end
//
// A block has up to 256 neighbouring elements of one tensor. All round at random, up as often as keeps the mean: a moment that
// changes by less than half a step would else never change. What is above 0 and has no sign (a second moment) is never rounded to
// 0: the rule divides by its root.

// Random bits: hashes of the PCG family (Jarzynski & Olano, JCGT 9(3), 2020). What a block's are keyed by: pcg3d of a key (seed and
// span) and the update.
fn key_of(key: u32, count: u32) -> u32 {
  var v = vec3u(key, count, 0u) * 1664525u + 1013904223u;
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v ^= v >> vec3u(16u);
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  return v.z ^ (v.z >> 16u);
}

// The upper halves of words, as x >> 16 gives them. SwiftShader shifts each of four neighbours on its own, which took a fifth of
// Adam's update there with state in bf16; all of these are one instruction. What is converted and added has 16 bits: it is exact.
fn high(x: vec2u) -> vec2u {
  let halves = vec2f(bitcast<vec2i>(x & vec2u(0xffff0000u))) * 0x1p-16f;
  return bitcast<vec2u>(halves + vec2f(0x1.8p23f)) & vec2u(0xffffu);
}

// 16 bits for each of four neighbours: pcg2d. (pcg4d, with bits for two slots, took a sixth of Adam on SwiftShader.)
fn random(key: u32, quad: u32) -> vec4u {
  var v = vec2u(quad, key) * 1664525u + 1013904223u;
  v.x += v.y * 1664525u;
  v.y += v.x * 1664525u;
  v ^= high(v);
  v.x += v.y * 1664525u;
  v.y += v.x * 1664525u;
  v ^= high(v);
  return vec4u(v & vec2u(0xffffu), high(v)).xzyw;
}

// Another slot's: moved on, around 2^16, so far that the two do not correlate.
fn other(bits: vec4u, slot: u32) -> vec4u { return (bits + vec4u(slot * 13849u)) & vec4u(0xffffu); }

// They as fractions: x + fraction, rounded down, is x rounded up as often as its fraction says. Less than 1 by so much that a whole x
// is not rounded up with the sum.
fn fraction(random: vec4u) -> vec4f { return vec4f(bitcast<vec4i>(random)) * (0x1p-16f * (1.0 - 0x1p-13)); }

// Of floats that are not negative, as integers, which needs no care for NaN: half the time of a minimum on SwiftShader. Of two for
// the maximum one may be negative.
fn lower(a: vec4f, b: vec4f) -> vec4f { return bitcast<vec4f>(min(bitcast<vec4i>(a), bitcast<vec4i>(b))); }
fn higher(a: vec4f, b: vec4f) -> vec4f { return bitcast<vec4f>(max(bitcast<vec4i>(a), bitcast<vec4i>(b))); }

fn largest(x: vec4f) -> f32 {
  let pairs = max(bitcast<vec4i>(x).xy, bitcast<vec4i>(x).zw);
  return bitcast<f32>(max(pairs.x, pairs.y));
}

// Infinity and NaN stay what they are; a finite value in the last half step below 2^128 may become infinite.
fn to_bf16(x: vec4f, random: vec4u) -> vec2u {
  let bits = bitcast<vec4u>(x);
  let up = select(bits + random, bits, (bits & vec4u(0x7f800000u)) == vec4u(0x7f800000u));
  return high(up.xz) | (up.yw & vec2u(0xffff0000u));
}

fn from_bf16(words: vec2u) -> vec4f {
  return bitcast<vec4f>(vec4u(words.x * 65536u, words.x & 0xffff0000u, words.y * 65536u, words.y & 0xffff0000u));
}

// (scale, 1 / scale) of a block for f16: powers of two, both within f32. One that holds what is not finite becomes NaN.
fn scale_f16(most: f32) -> vec2f {
  let exponent = max(bitcast<u32>(most) >> 23u, 15u);
  return bitcast<vec2f>(select(vec2u(exponent - 14u, 268u - exponent) << vec2u(23u), vec2u(0x7fc00000u), exponent == 255u));
}

// Of y from 0 to below 2^16 the bits of a half, as a whole number: put together here, since a packing of floats rounds as the device
// likes. Within a power of two 2^e a half has 1024 steps, and as many below 2^-14; products with powers of two are exact.
fn half_codes(y: vec4f, random: vec4u) -> vec4f {
  let exponent = max(bitcast<vec4u>(y) & vec4u(0x7f800000u), vec4u(0x38800000u));
  let steps = floor(y * bitcast<vec4f>(vec4u(0x7f000000u) - exponent) * 1024.0 + fraction(random));
  return steps + vec4f(bitcast<vec4i>(exponent)) * 0x1p-13f - 115712.0;
}

// Two to a word, each below 2^16.
fn pair_up(codes: vec4f) -> vec2u {
  let bits = bitcast<vec4u>(codes + vec4f(0x1p23f));
  return (bits.xz & vec2u(0xffffu)) | (bits.yw * vec2u(65536u));
}

fn to_f16(x: vec4f, per_scale: f32, random: vec4u) -> vec2u {
  let codes = half_codes(abs(x) * per_scale, random);
  return pair_up(select(codes, codes + vec4f(32768.0), x < vec4f()));
}

fn to_f16_positive(x: vec4f, per_scale: f32, random: vec4u) -> vec2u {
  return pair_up(max(half_codes(x * per_scale, random), select(vec4f(), vec4f(1.0), x > vec4f())));
}

fn from_f16(words: vec2u, scale: f32) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y)) * scale;
}

// The dynamic map: seven decades up to 1, each of twice as many equal parts of [0.1, 1] as the one below, one part at least; an
// entry is the middle of a part, entry 0 is 0. Signed, decade i from 0 has 2^i parts, entry n is ±map(n) for n < 128; unsigned it
// has 2^(i+1), n < 255. The last entry of the paper's, 1, is left out: the scale puts the largest magnitude at the last but one.
const MOST_SIGNED = 1.0 - 0.45 / 64.0;
const MOST_POSITIVE = 1.0 - 0.45 / 128.0;

// (scale, 1 / scale) of a block for 8 bit. One of zeros, or of what is too small to divide by, becomes zeros.
fn scale_8bit(most: f32, end: f32) -> vec2f {
  return select(vec2f(most / end, end / most), vec2f(), most < 0x1p-126f);
}

// The entries lie on a convex curve of straight lines, a line for each decade: an entry is the largest of the lines at n, and
// the inverse at any y between two entries the smallest of the inverse lines, those from decade to decade included. So neither
// needs a table or a branch. (A table in private memory took as long on both CPU adapters.)
fn entry_signed(n: vec4f) -> vec4f {
  var y = n * 0.55e-6;
  y = higher(y, n * (0.9e-5 / 2.0) - 1e-5 * (0.8 - 0.45 / 2.0));
  y = higher(y, n * (0.9e-4 / 4.0) - 1e-4 * (0.8 - 0.45 / 4.0));
  y = higher(y, n * (0.9e-3 / 8.0) - 1e-3 * (0.8 - 0.45 / 8.0));
  y = higher(y, n * (0.9e-2 / 16.0) - 1e-2 * (0.8 - 0.45 / 16.0));
  y = higher(y, n * (0.9e-1 / 32.0) - 1e-1 * (0.8 - 0.45 / 32.0));
  return higher(y, n * (0.9 / 64.0) - (0.8 - 0.45 / 64.0));
}

// With z = y·10^(6-i) the lines are 2^i·(z + 0.8) / 0.9 - 1/2 within decade i, and 2^i·(2 + (z - 1) / 2.7) - 5/6 from it to the next: up
// to constants those of decades 0 to 3 are those of 3 to 6, of 1000·y and divided by 8. Half as many are a tenth of the update.
fn place_signed(x: vec4f) -> vec4f {
  let below = x < vec4f(5e-4);
  let y = select(x, x * 1000.0, below);
  var within = y * (64.0 / 0.9) + 51.2 / 0.9;
  within = lower(within, y * (32e1 / 0.9) + 25.6 / 0.9);
  within = lower(within, y * (16e2 / 0.9) + 12.8 / 0.9);
  within = lower(within, y * (8e3 / 0.9) + 6.4 / 0.9);
  var between = y * (32e1 / 2.7) + (64.0 - 32.0 / 2.7);
  between = lower(between, y * (16e2 / 2.7) + (32.0 - 16.0 / 2.7));
  between = lower(between, y * (8e3 / 2.7) + (16.0 - 8.0 / 2.7));
  let part = select(vec4f(1.0), vec4f(0.125), below);
  return lower(lower(within * part - 1.0 / 2.0, between * part - 5.0 / 6.0), x * (1e6 / 0.55));
}

fn entry_positive(n: vec4f) -> vec4f {
  var y = vec4f();
  y = higher(y, n * (0.9e-6 / 2.0) - 1e-6 * (0.8 - 1.35 / 2.0));
  y = higher(y, n * (0.9e-5 / 4.0) - 1e-5 * (0.8 - 1.35 / 4.0));
  y = higher(y, n * (0.9e-4 / 8.0) - 1e-4 * (0.8 - 1.35 / 8.0));
  y = higher(y, n * (0.9e-3 / 16.0) - 1e-3 * (0.8 - 1.35 / 16.0));
  y = higher(y, n * (0.9e-2 / 32.0) - 1e-2 * (0.8 - 1.35 / 32.0));
  y = higher(y, n * (0.9e-1 / 64.0) - 1e-1 * (0.8 - 1.35 / 64.0));
  return higher(y, n * (0.9 / 128.0) - (0.8 - 1.35 / 128.0));
}

// Twice as many entries, and one less in front of each decade.
fn place_positive(x: vec4f) -> vec4f {
  let below = x < vec4f(5e-4);
  let y = select(x, x * 1000.0, below);
  var within = y * (128.0 / 0.9) + 102.4 / 0.9;
  within = lower(within, y * (64e1 / 0.9) + 51.2 / 0.9);
  within = lower(within, y * (32e2 / 0.9) + 25.6 / 0.9);
  within = lower(within, y * (16e3 / 0.9) + 12.8 / 0.9);
  var between = y * (64e1 / 2.7) + (128.0 - 64.0 / 2.7);
  between = lower(between, y * (32e2 / 2.7) + (64.0 - 32.0 / 2.7));
  between = lower(between, y * (16e3 / 2.7) + (32.0 - 16.0 / 2.7));
  let part = select(vec4f(1.0), vec4f(0.125), below);
  return lower(lower(within * part - 3.0 / 2.0, between * part - 11.0 / 6.0), x * (1e6 / 0.325));
}

// Four codes below 2^8, to a word.
fn pack(codes: vec4f) -> u32 {
  let bits = bitcast<vec2u>(codes.xz + codes.yw * 256.0 + vec2f(0x1p23f));
  return (bits.x & 0xffffu) | (bits.y * 65536u);
}

// A byte where it lies in a word, as a whole number.
const PLACES = vec4f(1.0, 0x1p-8, 0x1p-16, 0x1p-24);

// The sign is the upper bit.
fn to_8bit(x: vec4f, per_scale: f32, random: vec4u) -> u32 {
  let n = min(floor(place_signed(abs(x) * per_scale) + fraction(random)), vec4f(127.0));
  return pack(select(n, n + vec4f(128.0), x < vec4f()));
}

fn from_8bit(word: u32, scale: f32) -> vec4f {
  let n = vec4f(bitcast<vec4i>(vec4u(word) & vec4u(0x7fu, 0x7f00u, 0x7f0000u, 0x7f000000u))) * PLACES;
  let sign = (vec4u(word) * vec4u(0x1000000u, 0x10000u, 0x100u, 1u)) & vec4u(0x80000000u);
  return bitcast<vec4f>(bitcast<vec4u>(entry_signed(n) * scale) | sign);
}

fn to_8bit_positive(x: vec4f, per_scale: f32, random: vec4u) -> u32 {
  let n = min(floor(place_positive(abs(x) * per_scale) + fraction(random)), vec4f(254.0));
  return pack(max(n, select(vec4f(), vec4f(1.0), x > vec4f())));
}

fn from_8bit_positive(word: u32, scale: f32) -> vec4f {
  var n = vec4f(bitcast<vec4i>(vec4u(word) & vec4u(0xffu, 0xff00u, 0xff0000u, 0x7f000000u))) * PLACES;
  n.w += select(0.0, 128.0, word >= 0x80000000u);
  return entry_positive(n) * scale;
}

// ---- One block, encoded and decoded again: to be compared with the reference. The rest is what the emitter carries. ----

override ENCODING: u32 = 0; // bf16; f16, the same positive; 8 bit, the same positive

struct Shape { key: u32, count: u32, quads: u32, slot: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
// The words as they are: for 8 bit the first of the two alone.
@group(0) @binding(2) var<storage, read_write> words: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
// The block's scale.
@group(0) @binding(4) var<storage, read_write> scale: array<f32>;

@compute @workgroup_size(1)
fn encode() {
  var most = 0.0;
  for (var i = 0u; i < shape.quads; i++) { most = max(most, largest(abs(x[i]))); }
  var scales = vec2f(1.0);
  if (ENCODING == 1u || ENCODING == 2u) { scales = scale_f16(most); }
  if (ENCODING == 3u) { scales = scale_8bit(most, MOST_SIGNED); }
  if (ENCODING == 4u) { scales = scale_8bit(most, MOST_POSITIVE); }
  scale[0] = scales.x;
  for (var i = 0u; i < shape.quads; i++) {
    let bits = other(random(key_of(shape.key, shape.count), i), shape.slot);
    var packed = vec2u();
    var value = vec4f();
    switch (ENCODING) {
      case 0u: { packed = to_bf16(x[i], bits); value = from_bf16(packed); }
      case 1u: { packed = to_f16(x[i], scales.y, bits); value = from_f16(packed, scales.x); }
      case 2u: { packed = to_f16_positive(x[i], scales.y, bits); value = from_f16(packed, scales.x); }
      case 3u: { packed.x = to_8bit(x[i], scales.y, bits); value = from_8bit(packed.x, scales.x); }
      default: { packed.x = to_8bit_positive(x[i], scales.y, bits); value = from_8bit_positive(packed.x, scales.x); }
    }
    words[i] = packed;
    y[i] = value;
  }
}
