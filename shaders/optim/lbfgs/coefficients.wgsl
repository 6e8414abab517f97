// L-BFGS: the next direction as coefficients of the basis, from the products alone (vector-free two-loop recursion; Chen et al. 2014), and
// the steps to try along it. One workgroup; with `control` the only one that writes the state.
//
//   basis  s of every slot, y of every slot, g          G  their products, updated here
//   δ(g) = -1;  newest to oldest  α = (G·δ)(s)/s·y, δ(y) -= α;  δ *= s·y/y·y of the newest
//   oldest to newest  β = (G·δ)(y)/s·y, δ(s) += α - β;  slope = (G·δ)(g)
//
// A pair is kept where s·y > 1e-6·|s|·|y|, which does not depend on scale. Steps go around 1; without history around
// min(1, 1/|g|₁) and four times as far apart. It stops at a small gradient ('gradient'), or where steps no longer change the value
// by what f32 can hold ('flat').

// min(1, 1/|g|₂) instead, as optax.
override EUCLIDEAN: bool = false;
override STOCHASTIC: bool = false;
override WORKGROUP: u32 = 64;

struct Shape { points: u32, all: u32, slots: u32, longer: u32 }
struct Settings { lr: f32, tolerance_grad: f32, tolerance_change: f32 }
struct State {
  phase: u32, fresh: u32, taken: u32, turn: u32, head: u32, pairs: u32, stop: u32, failures: u32, cleared: u32, flats: u32,
  value: f32, slope: f32, base: f32, ratio: f32, step: f32, gain: f32, scale: f32, damping: f32, grad_max: f32, moved: f32,
}
struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> settings: Settings;
@group(0) @binding(2) var<storage, read_write> state: State;
@group(0) @binding(3) var<storage, read_write> clock: array<Clock>;
@group(0) @binding(4) var<storage, read_write> steps: array<f32>;
@group(0) @binding(5) var<storage, read> partial: array<vec4f>;
// [2·slots + 1]²
@group(0) @binding(6) var<storage, read_write> products: array<f32>;
@group(0) @binding(7) var<storage, read_write> delta: array<f32>;

const HALTED = 4u;
const GRADIENT = 8u;
const FLAT = 16u;
const NONFINITE = 64u;
const ULPS = 0x1p-21f;

// Per row of `gram`, of at most 101 slots.
var<workgroup> sums: array<vec4f, 204>;
var<workgroup> alphas: array<f32, 101>;

fn finite(value: f32) -> bool { return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; }

// The slot so many pairs back.
fn slot_of(age: u32) -> u32 { return (state.head + shape.slots - age) % shape.slots; }

fn put(a: u32, b: u32, value: f32) {
  let rows = 2u * shape.slots + 1u;
  products[a * rows + b] = value;
  products[b * rows + a] = value;
}

// (G·δ) of a row, over what is live.
fn product(row: u32) -> f32 {
  let rows = 2u * shape.slots + 1u;
  let first = row * rows;
  var sum = delta[rows - 1u] * products[first + rows - 1u];
  for (var age = state.pairs; age > 0u; age--) {
    let slot = slot_of(age);
    sum += delta[slot] * products[first + slot] + delta[shape.slots + slot] * products[first + shape.slots + slot];
  }
  return sum;
}

// Takes in the products of this round, and keeps its pair where there is one with curvature.
fn take_in() {
  let slots = shape.slots;
  let g = 2u * slots;
  put(g, g, sums[g].z);
  for (var age = state.fresh; age <= state.pairs; age++) {
    let s = slot_of(age);
    for (var row = s; row <= slots + s; row += slots) {
      put(row, g, sums[row].z);
      if (state.fresh == 0u) {
        put(row, state.head, sums[row].x);
        put(row, slots + state.head, sums[row].y);
      }
    }
  }
  if (state.fresh != 0u) { return; }
  let s = sums[state.head];
  let y = sums[slots + state.head];
  let along = s.y;
  if (finite(along) && finite(y.y) && along > 1e-6 * sqrt(s.x) * sqrt(y.y)) {
    state.head = (state.head + 1u) % slots;
    state.pairs = min(state.pairs + 1u, slots - 1u);
  }
}

fn recursion() {
  let slots = shape.slots;
  let rows = 2u * slots + 1u;
  for (var i = 0u; i < rows; i++) { delta[i] = 0.0; }
  delta[rows - 1u] = -1.0;
  for (var age = 1u; age <= state.pairs; age++) {
    let slot = slot_of(age);
    alphas[slot] = product(slot) / products[slot * rows + slots + slot];
    delta[slots + slot] = -alphas[slot];
  }
  if (state.pairs > 0u) {
    let newest = slot_of(1u);
    let own = slots + newest;
    let gamma = products[newest * rows + own] / products[own * rows + own];
    for (var i = slots; i < rows; i++) { delta[i] *= gamma; }
    for (var age = state.pairs; age > 0u; age--) {
      let slot = slot_of(age);
      let beta = product(slots + slot) / products[slot * rows + slots + slot];
      delta[slot] = alphas[slot] - beta;
    }
  }
  state.slope = product(rows - 1u);
}

fn steps_from(base: f32, ratio: f32) {
  state.base = base;
  state.ratio = ratio;
  let count = select(shape.points, shape.points - 1u, STOCHASTIC);
  // A round that failed on its batch leaves shorter steps.
  for (var j = 0u; j < count * state.failures; j++) { state.base /= ratio; }
  var step = state.base;
  for (var j = 0u; j < shape.longer; j++) { step *= ratio; }
  for (var j = 0u; j < count; j++) {
    steps[j] = step;
    step /= ratio;
  }
  if (STOCHASTIC) { steps[count] = 0.0; }
}

// Why to end here; 0 to go on.
fn reason() -> u32 {
  let g = 2u * shape.slots;
  if (state.grad_max == 0.0 || (!STOCHASTIC && state.grad_max <= settings.tolerance_grad)) { return GRADIENT; }
  if (STOCHASTIC || state.fresh != 0u) { return 0u; }
  let small = state.moved <= 1e-3 * max(1.0, sums[g + 1u].w);
  let flat = small && abs(state.gain) <= ULPS * state.scale;
  state.flats = select(0u, state.flats + 1u, flat);
  let change = settings.tolerance_change;
  let still = change > 0.0 && (abs(state.gain) <= change || state.moved <= change);
  return select(0u, FLAT, still || state.flats >= 2u);
}

fn next_direction() {
  let g = 2u * shape.slots;
  state.grad_max = sums[g].w;
  state.moved = select(sums[state.head].w, 0.0, state.fresh != 0u);
  take_in();
  state.stop |= reason();
  recursion();
  // No way down, by what f32 made of the history: without it.
  if (!(finite(state.slope) && state.slope < 0.0)) {
    state.pairs = 0u;
    recursion();
  }
  if (!finite(state.slope)) { state.stop |= NONFINITE; }
  if (state.pairs == 0u) {
    let size = select(sums[g + 1u].x, sqrt(sums[g].z), EUCLIDEAN);
    steps_from(settings.lr * min(1.0, 1.0 / size), 4.0);
  } else {
    steps_from(settings.lr, 2.0);
  }
  clock[0].grad_norm = sqrt(sums[g].z);
  if (state.stop != 0u) { clock[0].fault |= HALTED | state.stop; }
}

@compute @workgroup_size(WORKGROUP)
fn coefficients(@builtin(local_invocation_index) lane: u32) {
  let rows = 2u * shape.slots + 2u;
  for (var row = lane; row < rows; row += WORKGROUP) {
    var total = vec4f();
    for (var i = 0u; i < shape.all; i++) {
      let part = partial[i * rows + row];
      total = vec4f(total.xyz + part.xyz, max(total.w, part.w));
    }
    sums[row] = total;
  }
  workgroupBarrier();
  if (lane == 0u && state.turn != 0u) { next_direction(); }
}
