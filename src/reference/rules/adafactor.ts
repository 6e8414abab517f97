import {
  type CommonHyper,
  checkUpdate,
  commonDefaults,
  complete,
  prepare,
  type ReferenceRule,
  type ReferenceTensor,
} from '../rule.js';

export type AdafactorHyper = CommonHyper & {
  readonly lr: number;
  readonly beta2Decay: number;
  /** eps1 and eps2 of the paper. */
  readonly eps: readonly [number, number];
  readonly d: number;
  readonly relativeStep: boolean;
  readonly scaleParameter: boolean;
  readonly convention: string;
};

const rms = (values: Float64Array) =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / Math.max(values.length, 1));

/** Of an epsilon that was left alone: what the framework has. torch.finfo(float32).eps; algorithm 6. */
const EPS = { pytorch: 2 ** -23, paper: 1e-30 };

/** What the second moments of a tensor are estimated as, after the averages took in `squares`. */
function estimate(
  { shape, state }: ReferenceTensor,
  squares: Float64Array,
  beta2: number,
  floor: number,
): Float64Array {
  const take = (slot: Float64Array, i: number, value: number) => {
    slot[i] = beta2 * slot[i]! + (1 - beta2) * value;
  };
  if (shape.length < 2) {
    for (const [i, value] of squares.entries()) take(state.variance!, i, value);
    return state.variance!.slice();
  }
  const [rows, cols] = shape.slice(-2) as [number, number];
  const v = new Float64Array(squares.length);
  for (let first = 0; first < squares.length; first += rows * cols) {
    const [rowAt, colAt] = [first / cols, first / rows];
    const at = (i: number, j: number) => first + i * cols + j;
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      for (let j = 0; j < cols; j++) sum += squares[at(i, j)]!;
      take(state.row_var!, rowAt + i, sum / cols);
    }
    for (let j = 0; j < cols; j++) {
      let sum = 0;
      for (let i = 0; i < rows; i++) sum += squares[at(i, j)]!;
      take(state.col_var!, colAt + j, sum / rows);
    }
    const mean = state.row_var!.subarray(rowAt, rowAt + rows).reduce((sum, value) => sum + value, 0) / rows;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++)
        v[at(i, j)] = (state.row_var![rowAt + i]! * state.col_var![colAt + j]!) / Math.max(mean, floor);
    }
  }
  return v;
}

/**
 * Adafactor, tensor by tensor.
 *
 *     beta2 = 1 - t^beta2Decay; averages with it of g² (paper: of g² + eps1) over rows and columns, R and C, or V of each element
 *     V = R · C / mean(R)       PyTorch: mean(R) at least eps1, V at least eps1²
 *     u = g / sqrt(V);  u = u / max(1, rms(u) / d)
 *     p = p - max(eps2, rms(p)) · min(lr, 1 / sqrt(t)) · u
 *
 * Shazeer, Stern 2018, algorithms 4 to 6; torch.optim.Adafactor, whose decay is decoupled with lr, rms(p) that before it.
 */
export const adafactor: ReferenceRule<AdafactorHyper> = {
  defaults: {
    lr: 1e-2,
    beta2Decay: -0.8,
    eps: [2 ** -23, 1e-3],
    d: 1,
    relativeStep: true,
    scaleParameter: true,
    convention: 'pytorch',
    ...commonDefaults,
    decoupledWeightDecay: true,
  },

  slots(hyper = {}) {
    complete('adafactor', this.defaults, hyper);
    return [];
  },

  lengths(shape): Record<string, number> {
    const elements = shape.reduce((product, size) => product * size, 1);
    if (shape.length < 2) return { variance: elements };
    return { row_var: elements / shape.at(-1)!, col_var: elements / shape.at(-2)! };
  },

  update(param, grad, state, t, hyper = {}) {
    complete('adafactor', this.defaults, hyper);
    checkUpdate(param, grad, state, t, ['variance']);
    this.step!([{ shape: [param.length], param, grad, state }], t, hyper);
  },

  step(tensors, t, hyper = {}) {
    const full = complete('adafactor', this.defaults, hyper);
    const paper = full.convention === 'paper';
    const [given, eps2] = full.eps;
    const eps1 = paper && hyper.eps === undefined ? EPS.paper : given;
    const { lr, beta2Decay, d, relativeStep, scaleParameter } = full;
    const rho = relativeStep ? Math.min(lr, 1 / Math.sqrt(t)) : lr;
    for (const tensor of tensors) {
      const { param, grad } = tensor;
      const alpha = (scaleParameter ? Math.max(eps2, rms(param)) : 1) * rho;
      const g = prepare(param, grad, full);
      const squares = g.map((value) => value * value + (paper ? eps1 : 0));
      const v = estimate(tensor, squares, 1 - t ** beta2Decay, paper ? 0 : eps1);
      const u = g.map((value, i) => value / Math.sqrt(Math.max(v[i]!, paper ? 0 : eps1 ** 2)));
      const denominator = Math.max(1, rms(u) / d);
      for (let i = 0; i < param.length; i++) param[i] = param[i]! - (alpha / denominator) * u[i]!;
    }
  },
};
