// R dx = R dy ⊙ act'(x) + dy ⊙ act''(x) ⊙ R x, elementwise: what a product of the Hessian with a vector makes of an
// activation on the way back (Pearlmutter's R-operator; activation_gradient makes R y = act'(x) ⊙ R x on the way there). One
// invocation computes four columns.
//
//   saved   [rows, stride]  what act' is computed from: the activation's output, its input for gelu, silu, softplus
//   dy, rdy [rows, stride]  gradient at the activation's output, and R of it
//   rx      [rows, stride]  R of the activation's input
//   rdx     [rows, stride]  written, padding included
//
// The z axis of the grid is the replica. `logistic`, `normal_cdf` and `slope` are those of activation_gradient, word for word.

override ACTIVATION: u32 = 0;
// Of leaky-relu the slope below 0, of elu its α.
override ALPHA: f32 = 0.0;
override WORKGROUP: u32 = 32;

struct Shape { rows: u32, stride: u32, }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> saved: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read> rdy: array<vec4f>;
@group(0) @binding(4) var<storage, read> rx: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> rdx: array<vec4f>;

fn logistic(z: f32) -> f32 {
  return 1.0 / (1.0 + exp(clamp(-z, -87.0, 87.0)));
}

// Φ(z), as in dense_forward.
fn normal_cdf(z: f32) -> f32 {
  let a = min(abs(z) * 0.7071067811865476, 9.0);
  let t = 1.0 / (1.0 + 0.5 * a);
  let poly = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
    + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  let tail = 0.5 * t * exp(-a * a + poly);
  return select(tail, 1.0 - tail, z > 0.0);
}

// act' from the output y of the activation, or (gelu, silu, gelu-tanh, softplus) from its input z.
fn slope(s: f32) -> f32 {
  switch (ACTIVATION) {
    case 1u: { return select(0.0, 1.0, s > 0.0); }
    case 2u: { return select(ALPHA, 1.0, s > 0.0); }
    case 3u: { return (1.0 - s) * (1.0 + s); }
    case 4u: { return s * (1.0 - s); }
    case 5u: {
      let a = min(abs(s), 13.0);
      return normal_cdf(s) + s * 0.3989422804014327 * exp(-0.5 * a * a);
    }
    case 6u: {
      let p = logistic(s);
      return p * (1.0 + s * (1.0 - p));
    }
    case 7u: { return select(s + ALPHA, 1.0, s > 0.0); }
    case 8u: {
      let c = clamp(s, -20.0, 20.0);
      let p = logistic(1.5957691216057308 * c * (1.0 + 0.044715 * c * c));
      return p * (1.0 + c * (1.0 - p) * 1.5957691216057308 * (1.0 + 0.134145 * c * c));
    }
    case 9u: { return logistic(s); }
    default: { return 1.0; }
  }
}

// act'' from the same; 0 at a kink.
fn bend(s: f32) -> f32 {
  switch (ACTIVATION) {
    case 3u: { return -2.0 * s * (1.0 - s) * (1.0 + s); }
    case 4u: { return s * (1.0 - s) * (1.0 - 2.0 * s); }
    case 5u: {
      let a = min(abs(s), 13.0);
      return (2.0 - a * a) * 0.3989422804014327 * exp(-0.5 * a * a);
    }
    case 6u: {
      let p = logistic(s);
      return p * (1.0 - p) * (2.0 + s * (1.0 - 2.0 * p));
    }
    case 7u: { return select(s + ALPHA, 0.0, s > 0.0); }
    case 8u: {
      // z·p with p = logistic(u), u' = rise, u'' = bow.
      let c = clamp(s, -20.0, 20.0);
      let p = logistic(1.5957691216057308 * c * (1.0 + 0.044715 * c * c));
      let rise = 1.5957691216057308 * (1.0 + 0.134145 * c * c);
      let bow = 1.5957691216057308 * 0.26829 * c;
      return p * (1.0 - p) * (2.0 * rise + c * ((1.0 - 2.0 * p) * rise * rise + bow));
    }
    case 9u: {
      let p = logistic(s);
      return p * (1.0 - p);
    }
    default: { return 0.0; }
  }
}

@compute @workgroup_size(WORKGROUP)
fn activation_product(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let count = shape.rows * (shape.stride / 4u);
  let i = (group.y * groups.x + group.x) * WORKGROUP + local.x;
  if (i >= count) {
    return;
  }
  let at = group.z * count + i;
  let s = saved[at];
  rdx[at] = rdy[at] * vec4f(slope(s.x), slope(s.y), slope(s.z), slope(s.w))
    + dy[at] * vec4f(bend(s.x), bend(s.y), bend(s.z), bend(s.w)) * rx[at];
}
