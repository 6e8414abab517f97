// L-BFGS: what becomes of a round. One workgroup; with `coefficients` the only one that writes the state.
//
// Of the points whose value and slope are finite it takes one that lowers the value enough for its step (Armijo's condition, or
// where the value's last places cannot tell, Hager and Zhang's approximate one), before others one at which the slope is flat
// enough as well (the strong Wolfe conditions), and of these the lowest. Where there is none the steps of the next round are
// shorter; after 4 such rounds the history is forgotten; after 4 more it stops. Every round's commands are the same.
//
//   partial  [all, points] of `dots`         values  [ring, points] (bits of the mean value, note) of the objective
//   losses   [ring] (bits of the value at x behind the round, updates before it, with LEFT_OUT where x did not move), written
//
// Nocedal & Wright 2006, chapters 3 and 7; Hager & Zhang 2005, https://doi.org/10.1137/030601880.

// 0 takes the only step there is, 1 Armijo's condition, 2 the Wolfe conditions.
override SEARCH: u32 = 2;
// Batches differ: the last point is x itself on this round's batch.
override STOCHASTIC: bool = false;
override WORKGROUP: u32 = 64;

// `all` segments; steps around the base of the grid: so many are longer.
struct Shape { points: u32, all: u32, ring: u32, longer: u32 }
struct State {
  // 0 before anything is known at x.
  phase: u32,
  // Of this round: no pair comes of it; the point that x became, from 1; whether the direction is made anew.
  fresh: u32, taken: u32, turn: u32,
  // The slot of the next pair, and how many there are behind it.
  head: u32, pairs: u32,
  stop: u32, failures: u32, cleared: u32, flats: u32,
  // At x: the value, and the slope along d.
  value: f32, slope: f32,
  base: f32, ratio: f32,
  // Of the step taken: its length, by how much the value fell, and what that is to be seen beside.
  step: f32, gain: f32, scale: f32, damping: f32,
  grad_max: f32, moved: f32,
}
struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> state: State;
@group(0) @binding(2) var<storage, read_write> clock: array<Clock>;
@group(0) @binding(3) var<storage, read_write> steps: array<f32>;
@group(0) @binding(4) var<storage, read> partial: array<vec2f>;
@group(0) @binding(5) var<storage, read> values: array<vec2u>;
@group(0) @binding(6) var<storage, read_write> losses: array<vec2u>;

const LEFT_OUT = 0x80000000u;
const HALTED = 4u;
const LINESEARCH = 32u;
const NONFINITE = 64u;
const FAILURES = 4u;
// Four units in the last place, as a share of the value.
const ULPS = 0x1p-21f;

var<workgroup> sums: array<vec2f, WORKGROUP>;
// Per point: the slope, and elements of the gradient that are not finite.
var<workgroup> slopes: array<vec2f, 16>;

fn finite(value: f32) -> bool { return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; }

fn usable(value: f32, slope: vec2f) -> bool { return finite(value) && finite(slope.x) && slope.y == 0.0; }

// The point to take, from 1; 0 for none.
fn choose(first: u32, count: u32, value: f32, slope: f32) -> u32 {
  var best = 0u;
  var best_value = 0.0;
  var best_flat = false;
  for (var j = 0u; j < count; j++) {
    let own = bitcast<f32>(values[first + j].x);
    if (!usable(own, slopes[j])) { continue; }
    let at = slopes[j].x;
    let falls = own <= value + 1e-4 * steps[j] * slope;
    let level = own <= value + ULPS * abs(value) && at <= -0.9998 * slope;
    if (SEARCH != 0u && !(slope < 0.0 && (falls || level))) { continue; }
    let flat = SEARCH == 2u && abs(at) <= 0.9 * abs(slope);
    if (best == 0u || (flat && !best_flat) || (flat == best_flat && own < best_value)) {
      best = j + 1u;
      best_value = own;
      best_flat = flat;
    }
  }
  return best;
}

// Powell's share of the difference of gradients in a pair that has too little curvature: s·y = t·(slope there - slope here) and
// s·Bs = -t²·g·d, of the gradient that made d.
fn damp(step: f32, there: f32, here: f32) -> f32 {
  let along = step * (there - here);
  let model = -step * step * state.slope;
  return select(1.0, 0.8 * model / (model - along), along < 0.2 * model);
}

fn take(now: Clock, first: u32) -> Clock {
  var next = now;
  let last = shape.points - 1u;
  let count = select(shape.points, last, STOCHASTIC);
  // Where batches differ, x has another value and slope on this one.
  let here = select(0u, last, STOCHASTIC);
  let begins = state.phase == 0u;
  let anew = begins || STOCHASTIC;
  let value = select(state.value, bitcast<f32>(values[first + here].x), anew);
  let slope = select(state.slope, slopes[here].x, anew);
  let known = !anew || usable(value, slopes[here]);
  state.value = value;
  state.fresh = select(0u, 1u, begins);
  state.turn = 1u;
  state.taken = 0u;
  if (begins) {
    state.phase = select(0u, 1u, known);
    state.pairs = 0u;
    state.taken = select(0u, here + 1u, known);
    if (!known) { state.stop = NONFINITE; state.turn = 0u; }
    next.fate = 2u;
    return next;
  }
  var chosen = 0u;
  if (known) { chosen = choose(first, count, value, slope); }
  state.taken = chosen;
  if (chosen > 0u) {
    let own = bitcast<f32>(values[first + chosen - 1u].x);
    state.step = steps[chosen - 1u];
    state.gain = value - own;
    state.scale = max(abs(value), abs(own));
    state.value = own;
    state.damping = 1.0;
    if (STOCHASTIC) { state.damping = damp(state.step, slopes[chosen - 1u].x, slope); }
    state.failures = 0u;
    state.cleared = 0u;
    next.fate = 0u;
    next.count += 1u;
    return next;
  }
  next.fate = 1u;
  fail(count, known);
  return next;
}

// No point will do: shorter steps, or the history forgotten, or no more.
fn fail(count: u32, known: bool) {
  state.fresh = 1u;
  state.turn = select(0u, 1u, STOCHASTIC && known);
  state.failures += 1u;
  for (var j = 0u; j < count; j++) { state.base /= state.ratio; }
  var step = state.base;
  for (var j = 0u; j < shape.longer; j++) { step *= state.ratio; }
  for (var j = 0u; j < count; j++) {
    steps[j] = step;
    step /= state.ratio;
  }
  if (state.failures < FAILURES) { return; }
  if (state.cleared != 0u || state.pairs == 0u) {
    state.stop = LINESEARCH;
    state.turn = 0u;
    return;
  }
  state.failures = 0u;
  state.cleared = 1u;
  state.pairs = 0u;
  state.turn = 1u;
}

@compute @workgroup_size(WORKGROUP)
fn control(@builtin(local_invocation_index) lane: u32) {
  for (var j = 0u; j < shape.points; j++) {
    var sum = vec2f();
    for (var i = lane; i < shape.all; i += WORKGROUP) { sum += partial[i * shape.points + j]; }
    sums[lane] = sum;
    workgroupBarrier();
    // A lane of the middle: adapters that run subgroups in turn would hide a missing barrier from the first and from the last.
    if (lane == WORKGROUP / 2u) {
      var total = vec2f();
      for (var i = 0u; i < WORKGROUP; i++) { total += sums[i]; }
      slopes[j] = total;
    }
    workgroupBarrier();
  }
  if (lane != 0u) { return; }
  let now = clock[0];
  if ((now.fault & HALTED) != 0u) {
    state.taken = 0u;
    state.turn = 0u;
    clock[0].fate = 1u;
    return;
  }
  let place = now.step % shape.ring;
  var next = take(now, place * shape.points);
  next.step += 1u;
  if (state.stop != 0u) { next.fault |= HALTED | state.stop; }
  clock[0] = next;
  losses[place] = vec2u(bitcast<u32>(state.value), now.count | select(0u, LEFT_OUT, next.fate == 1u));
}
