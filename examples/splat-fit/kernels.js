/**
 * The example's own WGSL. A picture is the sum of its splats (Zhang et al. 2024, GaussianImage: no order, no sorting):
 *   I(p) = sum of a·w(p)·colour,  w = exp(-|q|²/2),  q = Rᵀ(p - position) / σ,  a = sigmoid(opacity),  σ = exp(scale),
 * and the loss half the sum of squares of I - target. Positions and σ are in pixels.
 */

/** Words of a record, and of its gradient; at which word each field lies, as WGSL lays the struct out. */
export const WORDS = 12;
export const FIELDS = { position: 0, scale: 2, colour: 4, opacity: 7, angle: 8 };

/** What the integer 1 stands for: sums have to stay within ±2^31 units, that is ±32768, ±8192 and ±2048. */
export const UNITS = { place: 2 ** -16, colour: 2 ** -18, picture: 2 ** -20 };

/** Splats of a workgroup, and invocations of a splat: each takes every eighth row of its box. */
export const SPLATS = 8;

export const KERNELS = /* wgsl */ `
struct View { low: vec2i, high: vec2i, width: i32, count: u32 } // pixels from low to below high; splats there are
struct Splat { position: vec2f, scale: vec2f, colour: vec3f, opacity: f32, angle: f32 }
struct Box { low: vec2i, high: vec2i }

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> splats: array<Splat>;
@group(0) @binding(2) var<storage, read> goal: array<f32>; // r, g, b of each pixel
@group(0) @binding(3) var<storage, read_write> picture: array<atomic<i32>>;
@group(0) @binding(4) var<storage, read_write> visible: array<u32>;
@group(0) @binding(5) var<storage, read_write> gradients: array<atomic<i32>>;

/** The pixels of the view that are within 3σ of a splat, by the extents of its turned ellipse. */
fn box_of(splat: Splat) -> Box {
  let squares = exp(2.0 * splat.scale);
  let turn = vec2f(cos(splat.angle), sin(splat.angle));
  let reach = 3.0 * sqrt(vec2f(dot(turn * turn, squares), dot(turn.yx * turn.yx, squares)));
  return Box(max(view.low, vec2i(floor(splat.position - reach))), min(view.high, vec2i(ceil(splat.position + reach))));
}

/** Where a pixel's middle lies in the splat, in σ. */
fn within(splat: Splat, pixel: vec2i) -> vec2f {
  let d = vec2f(pixel) + 0.5 - splat.position;
  let c = cos(splat.angle);
  let s = sin(splat.angle);
  return vec2f(c * d.x + s * d.y, c * d.y - s * d.x) * exp(-splat.scale);
}

fn opacity_of(splat: Splat) -> f32 { return 1.0 / (1.0 + exp(-splat.opacity)); }

/** Adds each splat to the picture, and says who is in view. */
@compute @workgroup_size(${SPLATS}, ${SPLATS})
fn draw(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= view.count) { return; }
  let splat = splats[id.y];
  let box = box_of(splat);
  if (id.x == 0u) { visible[id.y] = u32(all(box.low < box.high)); }
  let light = opacity_of(splat) * splat.colour / ${UNITS.picture};
  for (var y = box.low.y + i32(id.x); y < box.high.y; y += ${SPLATS}) {
    for (var x = box.low.x; x < box.high.x; x++) {
      let q = within(splat, vec2i(x, y));
      let add = vec3i(round(exp(-0.5 * dot(q, q)) * light));
      let at = 3 * (y * view.width + x);
      atomicAdd(&picture[at], add.r);
      atomicAdd(&picture[at + 1], add.g);
      atomicAdd(&picture[at + 2], add.b);
    }
  }
}

fn pull(at: u32, value: f32, unit: f32) { atomicAdd(&gradients[at], i32(round(value / unit))); }

/** Adds up each splat's gradient over its pixels: rows in registers, then one atomicAdd per parameter. */
@compute @workgroup_size(${SPLATS}, ${SPLATS})
fn gradient(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= view.count) { return; }
  let splat = splats[id.y];
  let box = box_of(splat);
  let a = opacity_of(splat);
  var moved = vec2f();   // sum of h·q, where h = a·w·(I - target)·colour
  var scaled = vec2f();  // sum of h·q²
  var turned = 0.0;      // sum of h·q.x·q.y
  var coloured = vec3f(); // sum of w·(I - target)
  for (var y = box.low.y + i32(id.x); y < box.high.y; y += ${SPLATS}) {
    for (var x = box.low.x; x < box.high.x; x++) {
      let q = within(splat, vec2i(x, y));
      let at = 3 * (y * view.width + x);
      let sum = vec3i(atomicLoad(&picture[at]), atomicLoad(&picture[at + 1]), atomicLoad(&picture[at + 2]));
      let residual = vec3f(sum) * ${UNITS.picture} - vec3f(goal[at], goal[at + 1], goal[at + 2]);
      let weighted = exp(-0.5 * dot(q, q)) * residual;
      let h = a * dot(weighted, splat.colour);
      moved += h * q;
      scaled += h * q * q;
      turned += h * q.x * q.y;
      coloured += weighted;
    }
  }
  if (box.low.y + i32(id.x) >= box.high.y || box.low.x >= box.high.x) { return; } // no row of its own
  let size = exp(splat.scale);
  let push = moved / size;
  let c = cos(splat.angle);
  let s = sin(splat.angle);
  let at = ${WORDS}u * id.y;
  pull(at + ${FIELDS.position}u, c * push.x - s * push.y, ${UNITS.place});
  pull(at + ${FIELDS.position + 1}u, s * push.x + c * push.y, ${UNITS.place});
  pull(at + ${FIELDS.scale}u, scaled.x, ${UNITS.place});
  pull(at + ${FIELDS.scale + 1}u, scaled.y, ${UNITS.place});
  pull(at + ${FIELDS.angle}u, turned * (size.x / size.y - size.y / size.x), ${UNITS.place});
  for (var k = 0u; k < 3u; k++) { pull(at + ${FIELDS.colour}u + k, a * coloured[k], ${UNITS.colour}); }
  pull(at + ${FIELDS.opacity}u, a * (1.0 - a) * dot(coloured, splat.colour), ${UNITS.colour});
}`;
