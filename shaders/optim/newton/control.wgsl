// Newton's method: what becomes of a step, in three places. One workgroup, and the only one that writes the state.
//
//   STAGE 0, behind the gradient   whether the point is taken, by what the model foretold; the next radius
//   STAGE 1, behind the product    how far along d: to the minimum along it, or to the edge of the trust region, which is where
//                                  directions of no or negative curvature lead
//   STAGE 2, behind the move       whether the direction is good enough to be tried, or d goes on: Steihaug's truncated CG
//
//   partial  [all, 2] of `dots`: 0 of (gradient, same, same), 1 of (d, Hd, z), 2 of (r, g, z)
//   values   [ring] (bits of the mean value at the point, note) of the objective
//   losses   [ring] (bits of the value at x behind the step, updates before it, with LEFT_OUT where a point was refused), written
//
// Steihaug 1983, https://doi.org/10.1137/0720042; Nocedal & Wright 2006, algorithms 4.1 and 7.2.

override STAGE: u32 = 0;
override WORKGROUP: u32 = 64;

// `all` segments; `most` products for a direction.
struct Shape { all: u32, ring: u32, most: u32 }
struct Settings { radius: f32, tolerance_grad: f32 }
struct State {
  // 0 before anything is known at x; 1 the direction grows, at x; 2 its end is tried.
  phase: u32,
  // Of this step: x becomes the point; the direction begins anew; the product is one at x; the direction goes on.
  taken: u32, anew: u32, turn: u32, goes: u32,
  // The direction ends at the edge of the trust region; products it took.
  edge: u32, made: u32,
  stop: u32, failures: u32, flats: u32,
  // Since the beginning.
  products: u32,
  // At x.
  value: f32, grad_max: f32, gg: f32,
  // Of the residual; of the direction, and what the model says it gains.
  rr: f32, length: f32, beta: f32, norm: f32, predicted: f32,
  radius: f32,
}
struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> settings: Settings;
@group(0) @binding(2) var<storage, read> partial: array<vec4f>;
@group(0) @binding(3) var<storage, read> values: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> state: State;
@group(0) @binding(5) var<storage, read_write> clock: array<Clock>;
@group(0) @binding(6) var<storage, read_write> losses: array<vec2u>;

const LEFT_OUT = 0x80000000u;
const HALTED = 4u;
const GRADIENT = 8u;
const FLAT = 16u;
const LINESEARCH = 32u;
const NONFINITE = 64u;
const FAILURES = 20u;
// Four units in the last place, as a share of the value.
const ULPS = 0x1p-21f;
// Curvature along d below this share of |d|·|Hd| is none: what f32 leaves of it.
const FLATNESS = 1e-6;
const LARGEST_RADIUS = 1e9;

var<workgroup> firsts: array<vec4f, WORKGROUP>;
var<workgroup> seconds: array<vec4f, WORKGROUP>;

fn finite(value: f32) -> bool { return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; }

// Whether the point is taken. The value's last places cannot tell a fall that small: then by the gradient.
fn takes(value: f32, gg: f32) -> bool {
  let noise = ULPS * max(abs(value), abs(state.value));
  let fall = state.value - value;
  if (state.predicted > noise) {
    let share = fall / state.predicted;
    if (share < 0.25) { state.radius = 0.25 * state.norm; }
    if (share > 0.75 && state.edge != 0u) { state.radius = min(2.0 * state.radius, LARGEST_RADIUS); }
    return share > 1e-4;
  }
  if (fall >= -noise && gg < state.gg) { return true; }
  state.flats += 1u;
  state.radius = 0.25 * state.norm;
  return false;
}

fn judge(now: Clock, value: f32, gg: f32, largest: f32, bad: f32) -> Clock {
  var next = now;
  let usable = finite(value) && bad == 0.0 && finite(gg);
  state.taken = 0u;
  state.anew = 0u;
  state.turn = 1u;
  next.fate = 2u;
  if (state.phase == 1u) { return next; }
  state.anew = 1u;
  state.taken = 1u;
  if (state.phase == 0u) {
    state.radius = settings.radius;
    if (!usable) { state.stop = NONFINITE; }
  } else if (usable && takes(value, gg)) {
    next.fate = 0u;
    next.count += 1u;
    state.failures = 0u;
    state.flats = 0u;
  } else {
    if (!usable) { state.radius = 0.25 * state.norm; }
    next.fate = 1u;
    state.taken = 0u;
    // The point is none that a product is wanted at.
    state.turn = 0u;
    state.failures += 1u;
    if (state.failures >= FAILURES) { state.stop = LINESEARCH; }
    if (state.flats >= 2u) { state.stop = FLAT; }
  }
  if (state.taken != 0u && usable) {
    state.value = value;
    state.gg = gg;
    state.grad_max = largest;
    if (largest <= settings.tolerance_grad) { state.stop = GRADIENT; }
  }
  state.phase = select(1u, 0u, state.stop == NONFINITE);
  state.rr = state.gg;
  state.edge = 0u;
  state.made = 0u;
  if (state.stop != 0u) {
    state.turn = 0u;
    state.taken = select(state.taken, 0u, state.stop == NONFINITE);
    next.fault |= HALTED | state.stop;
  }
  return next;
}

// dd, dh, dz, hh, zz: products of d, Hd and z.
fn lengthen(dd: f32, dh: f32, dz: f32, hh: f32, zz: f32) {
  state.made += 1u;
  state.products += 1u;
  let room = max(state.radius * state.radius - zz, 0.0);
  let edge = room / (max(dz, 0.0) + sqrt(max(dz, 0.0) * max(dz, 0.0) + dd * room));
  state.length = edge;
  state.edge = 1u;
  if (finite(dh) && dh > FLATNESS * sqrt(dd) * sqrt(hh)) {
    let own = state.rr / dh;
    if (own < edge) {
      state.length = own;
      state.edge = 0u;
    }
  }
  if (!finite(state.length)) { state.length = 0.0; }
}

fn turn_on(rr: f32, gg: f32, rz: f32, gz: f32, zz: f32) {
  state.predicted = -0.5 * (gz + rz);
  state.norm = sqrt(zz);
  let g = sqrt(gg);
  let enough = !(sqrt(rr) > min(0.5, sqrt(g)) * g);
  state.goes = select(1u, 0u, enough || state.edge != 0u || state.made >= shape.most);
  if (state.goes == 0u) { state.phase = 2u; }
  state.beta = rr / state.rr;
  state.rr = rr;
}

@compute @workgroup_size(WORKGROUP)
fn control(@builtin(local_invocation_index) lane: u32) {
  var first = vec4f();
  var second = vec4f();
  for (var i = lane; i < shape.all; i += WORKGROUP) {
    let own = partial[2u * i + 1u];
    first += partial[2u * i];
    second = vec4f(second.xy + own.xy, max(second.z, own.z), second.w + own.w);
  }
  firsts[lane] = first;
  seconds[lane] = second;
  workgroupBarrier();
  if (lane != 0u) { return; }
  first = vec4f();
  second = vec4f();
  for (var i = 0u; i < WORKGROUP; i++) {
    let own = seconds[i];
    first += firsts[i];
    second = vec4f(second.xy + own.xy, max(second.z, own.z), second.w + own.w);
  }
  if (STAGE == 1u) {
    state.length = 0.0;
    if (state.turn != 0u) { lengthen(first.x, first.y, first.z, first.w, second.y); }
    return;
  }
  if (STAGE == 2u) {
    state.goes = 0u;
    if (state.turn != 0u) { turn_on(first.x, first.w, first.z, second.x, second.y); }
    return;
  }
  let now = clock[0];
  if ((now.fault & HALTED) != 0u) {
    state.taken = 0u;
    state.anew = 0u;
    state.turn = 0u;
    clock[0].fate = 1u;
    return;
  }
  let place = now.step % shape.ring;
  var next = judge(now, bitcast<f32>(values[place].x), first.x, second.z, second.w);
  next.step += 1u;
  clock[0] = next;
  losses[place] = vec2u(bitcast<u32>(state.value), now.count | select(0u, LEFT_OUT, next.fate == 1u));
}
