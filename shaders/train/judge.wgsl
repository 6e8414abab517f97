// What a validation decides: one invocation per replica, once its sums are there.
//
// It compares the metric with the best so far and says whether it is a new best one (better by more than min_delta), which
// `copy_if` keeps the weights by, and whether `patience` validations in a row were none: then it halts the optimizer's
// clock, and `advance` leaves out every step behind it, those already recorded too. A metric that is not a finite number is
// never a best one. What is halted already stays as it is.
//
//   sums     [replicas] (loss, counted) over all samples, read    clock  per replica; `fault` gets HALTED
//   control  per replica, updated

override COUNTED: bool = false; // decide by what the loss counts, not by the loss
override LARGER: bool = false;  // larger is better
override STOP: bool = false;

// min_delta of a sum, as the metric is one here.
struct Shape { patience: u32, min_delta: f32 }

struct Clock {
  step: u32, count: u32, fault: u32, skipped: u32, streak: u32, micro: u32, grad_norm: f32, fate: u32,
}

struct Control {
  // Steps done at the last validation, and the sums it gave.
  step: u32, loss: f32, counted: f32,
  // Whether it is the best one so far; how many since the best one were not; whether that stopped the training.
  improved: u32, bad: u32, stop: u32,
  // The best one; step 0 where there is none yet.
  best_step: u32, best_loss: f32, best_counted: f32,
  // Whether it stopped the training and there is a best one, whose weights can be put back.
  restore: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> sums: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> clock: array<Clock>;
@group(0) @binding(3) var<storage, read_write> control: array<Control>;

const HALTED = 4u;

fn better(value: f32, best: f32) -> bool {
  if (LARGER) {
    return value > best + shape.min_delta;
  }
  return value < best - shape.min_delta;
}

@compute @workgroup_size(1)
fn judge(@builtin(workgroup_id) group: vec3u) {
  let replica = group.z;
  var own = control[replica];
  let now = clock[replica];
  if ((now.fault & HALTED) != 0u) {
    control[replica].improved = 0u;
    return;
  }
  let value = sums[replica];
  let metric = select(value.x, value.y, COUNTED);
  let finite = (bitcast<u32>(metric) & 0x7f800000u) != 0x7f800000u;
  let best = select(own.best_loss, own.best_counted, COUNTED);
  let improved = finite && (own.best_step == 0u || better(metric, best));
  own.step = now.step;
  own.loss = value.x;
  own.counted = value.y;
  own.improved = select(0u, 1u, improved);
  own.bad = select(own.bad + 1u, 0u, improved);
  if (improved) {
    own.best_step = now.step;
    own.best_loss = value.x;
    own.best_counted = value.y;
  }
  if (STOP && !improved && own.bad >= shape.patience) {
    own.stop = 1u;
    clock[replica].fault = now.fault | HALTED;
  }
  own.restore = select(0u, 1u, own.stop != 0u && own.best_step != 0u);
  control[replica] = own;
}
