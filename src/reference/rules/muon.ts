import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';
import { adamw } from './adamw.js';

export type MuonHyper = CommonHyper & {
  /** Of matrices. */
  readonly lr: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly scale: string;
  readonly eps: number;
  /** Of tensors that are not matrices: AdamW's. */
  readonly adamwLr: number;
  readonly adamwBetas: readonly [number, number];
  readonly adamwEps: number;
};

/** Row-major. */
interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly values: Float64Array;
}

const transposed = ({ rows, cols, values }: Matrix): Matrix => ({
  rows: cols,
  cols: rows,
  values: values.map((_, i) => values[(i % rows) * cols + Math.floor(i / rows)]!),
});

/** X·Xᵀ. */
function gramOf({ rows, cols, values }: Matrix): Matrix {
  const gram = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = i; j < rows; j++) {
      let sum = 0;
      for (let k = 0; k < cols; k++) sum += values[i * cols + k]! * values[j * cols + k]!;
      gram[i * rows + j] = sum;
      gram[j * rows + i] = sum;
    }
  }
  return { rows, cols: rows, values: gram };
}

/** a·X + B·X. */
function combined(a: number, x: Matrix, b: Matrix): Matrix {
  const { rows, cols, values: from } = x;
  const values = from.map((value) => a * value);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < rows; k++) {
      const factor = b.values[i * rows + k]!;
      for (let j = 0; j < cols; j++) values[i * cols + j]! += factor * from[k * cols + j]!;
    }
  }
  return { rows, cols, values };
}

/**
 * The matrix with its singular values near 1: five Newton-Schulz steps of the quintic, on the matrix over its norm, of whichever
 * orientation has fewer rows.
 */
export function orthogonalised(matrix: Matrix, eps: number): Matrix {
  if (matrix.rows > matrix.cols) return transposed(orthogonalised(transposed(matrix), eps));
  const [a, b, c] = [3.4445, -4.775, 2.0315];
  const norm = Math.sqrt(matrix.values.reduce((sum, value) => sum + value * value, 0));
  let x: Matrix = { ...matrix, values: matrix.values.map((value) => value / (norm + eps)) };
  for (let step = 0; step < 5; step++) {
    const gram = gramOf(x);
    const square = gramOf(gram); // A·A = A·Aᵀ, as A is symmetric
    x = combined(a, x, { ...gram, values: gram.values.map((value, i) => b * value + c * square.values[i]!) });
  }
  return x;
}

/** One matrix [inputs, outputs], in place. */
function updateMatrix(
  [rows, cols]: readonly [number, number],
  param: Float64Array,
  grad: Float64Array,
  buffer: Float64Array,
  hyper: MuonHyper,
): void {
  const { lr, momentum, nesterov, scale, eps } = hyper;
  const gradient = prepare(param, grad, hyper);
  for (let i = 0; i < buffer.length; i++) buffer[i] = momentum * buffer[i]! + (1 - momentum) * gradient[i]!;
  const direction = nesterov ? buffer.map((b, i) => momentum * b + (1 - momentum) * gradient[i]!) : buffer;
  const { values } = orthogonalised({ rows, cols, values: direction }, eps);
  // PyTorch's A and B are outputs and inputs.
  const factor = scale === 'original' ? Math.sqrt(Math.max(1, cols / rows)) : 0.2 * Math.sqrt(Math.max(rows, cols));
  for (let i = 0; i < param.length; i++) param[i] = param[i]! - lr * factor * values[i]!;
}

/**
 * Muon for matrices [inputs, outputs], AdamW for all other tensors.
 *
 *     b = momentum · b + (1 - momentum) · g;  U = nesterov ? momentum · b + (1 - momentum) · g : b
 *     p = p · (1 - lr · weightDecay) - lr · factor · orthogonalised(U)
 *
 * Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; torch.optim.Muon.
 */
export const muon: ReferenceRule<MuonHyper> = {
  defaults: {
    lr: 1e-3,
    momentum: 0.95,
    nesterov: true,
    scale: 'original',
    eps: 1e-7,
    adamwLr: 1e-3,
    adamwBetas: [0.9, 0.999],
    adamwEps: 1e-8,
    ...commonDefaults,
    weightDecay: 0.1,
    decoupledWeightDecay: true,
  },

  /** Of a tensor that is no matrix. */
  slots(hyper = {}) {
    complete('muon', this.defaults, hyper);
    return ['exp_avg', 'exp_avg_sq'];
  },

  lengths(shape): Readonly<Record<string, number>> {
    const elements = shape.reduce((product, size) => product * size, 1);
    return shape.length === 2 ? { momentum_buffer: elements } : { exp_avg: elements, exp_avg_sq: elements };
  },

  update(param, grad, state, t, hyper = {}) {
    const { adamwLr, adamwBetas, adamwEps, ...full } = complete('muon', this.defaults, hyper);
    const { weightDecay, decoupledWeightDecay, maximize } = full;
    const own = { lr: adamwLr, betas: adamwBetas, eps: adamwEps, weightDecay, decoupledWeightDecay, maximize };
    adamw.update(param, grad, state, t, own);
  },

  step(tensors, t, hyper = {}) {
    const full = complete('muon', this.defaults, hyper);
    for (const { shape, param, grad, state } of tensors) {
      if (shape.length !== 2) {
        this.update(param, grad, state, t, hyper);
        continue;
      }
      checkUpdate(param, grad, state, t, ['momentum_buffer']);
      updateMatrix(shape as [number, number], param, grad, state.momentum_buffer!, full);
    }
  },
};
