import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type ShampooHyper = CommonHyper & {
  readonly lr: number;
  /** Added to the diagonal of a preconditioner, times its largest sum of magnitudes in a row. */
  readonly eps: number;
  readonly preconditionFrequency: number;
  readonly adagradEps: number;
  readonly momentum: number;
  /** Whose length the step of a matrix has. */
  readonly grafting: 'none' | 'sgd' | 'adagrad';
  /** Sides longer than this keep the diagonal of their preconditioner. */
  readonly maxPreconditionerSize: number;
};

/** A rotation of two rows of a matrix [n, n]. */
function rotate(matrix: Float64Array, n: number, p: number, q: number, cos: number, sin: number): void {
  for (let k = 0; k < n; k++) {
    const [x, y] = [matrix[p * n + k]!, matrix[q * n + k]!];
    matrix[p * n + k] = cos * x - sin * y;
    matrix[q * n + k] = sin * x + cos * y;
  }
}

/** The same of two columns. */
function rotateColumns(matrix: Float64Array, n: number, p: number, q: number, cos: number, sin: number): void {
  for (let k = 0; k < n; k++) {
    const [x, y] = [matrix[k * n + p]!, matrix[k * n + q]!];
    matrix[k * n + p] = cos * x - sin * y;
    matrix[k * n + q] = sin * x + cos * y;
  }
}

/** Eigenvalues and eigenvectors (rows) of a symmetric matrix [n, n], by Jacobi's rotations. */
export function eigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const a = matrix.slice();
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  const scale = matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (let sweep = 0; sweep < 30; sweep++) {
    let rotations = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const off = a[p * n + q]!;
        if (Math.abs(off) <= 1e-16 * scale) continue;
        rotations++;
        const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * off);
        const tan = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const cos = 1 / Math.hypot(tan, 1);
        rotate(a, n, p, q, cos, tan * cos);
        rotateColumns(a, n, p, q, cos, tan * cos);
        rotate(vectors, n, p, q, cos, tan * cos);
      }
    }
    if (rotations === 0) break;
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]!), vectors };
}

/** (A + eps·F·I)^(-1/4) of a positive semidefinite matrix; 0 of 0. */
export function inverseFourthRoot(matrix: Float64Array, n: number, eps: number): Float64Array {
  let norm = 0;
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += Math.abs(matrix[i * n + j]!);
    norm = Math.max(norm, sum);
  }
  const root = new Float64Array(n * n);
  if (norm === 0) return root;
  const { values, vectors } = eigen(matrix, n);
  for (let k = 0; k < n; k++) {
    const factor = (Math.max(values[k]!, 0) + eps * norm) ** -0.25;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) root[i * n + j]! += factor * vectors[k * n + i]! * vectors[k * n + j]!;
    }
  }
  return root;
}

/** The same of a diagonal, F its largest element. */
function diagonalRoot(diagonal: Float64Array, eps: number): Float64Array {
  const norm = diagonal.reduce((most, value) => Math.max(most, value), 0);
  return diagonal.map((value) => (norm === 0 ? 0 : (value + eps * norm) ** -0.25));
}

/** x [rows, cols] transposed. */
const transposed = (x: Float64Array, rows: number, cols: number): Float64Array =>
  x.map((_, i) => x[(i % rows) * cols + Math.floor(i / rows)]!);

/** Adds x·xᵀ, or its diagonal, of x [rows, cols]. */
function addStatistics(sum: Float64Array, x: Float64Array, rows: number, cols: number, whole: boolean): void {
  for (let i = 0; i < rows; i++) {
    for (let j = whole ? 0 : i; j < (whole ? rows : i + 1); j++) {
      let dot = 0;
      for (let k = 0; k < cols; k++) dot += x[i * cols + k]! * x[j * cols + k]!;
      sum[whole ? i * rows + j : i]! += dot;
    }
  }
}

/** root·x, of a root that is a matrix or a diagonal, x [rows, cols]. */
function preconditioned(root: Float64Array, x: Float64Array, rows: number, cols: number): Float64Array {
  if (root.length < rows * rows) return x.map((value, i) => root[Math.floor(i / cols)]! * value);
  const result = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < rows; k++) {
      const factor = root[i * rows + k]!;
      for (let j = 0; j < cols; j++) result[i * cols + j]! += factor * x[k * cols + j]!;
    }
  }
  return result;
}

const sizeOf = (side: number, largest: number) => (side > largest ? side : side * side);
const normOf = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** p = p - lr·m, with m = momentum·m + change where there is momentum. */
function move(param: Float64Array, change: Float64Array, momentum: Float64Array | undefined, full: ShampooHyper): void {
  for (let i = 0; i < param.length; i++) {
    const step = change[i]! + (momentum ? full.momentum * momentum[i]! : 0);
    if (momentum) momentum[i] = step;
    param[i] = param[i]! - full.lr * step;
  }
}

/** A step with the length of another rule's. @param sum AdaGrad's, which is changed */
function grafted(change: Float64Array, gradient: Float64Array, sum: Float64Array | undefined, full: ShampooHyper) {
  const other = gradient.map((g, i) => {
    if (!sum) return g;
    sum[i] = sum[i]! + g * g;
    return g / (Math.sqrt(sum[i]!) + full.adagradEps);
  });
  const [own, wanted] = [normOf(change), normOf(other)];
  return change.map((value) => (own === 0 ? 0 : (value * wanted) / own));
}

const EXTRAS = { momentum: 0, grafting: 'none', maxPreconditionerSize: 1024 } as const;

/**
 * Shampoo for matrices, AdaGrad for all other tensors.
 *
 *     L = L + G·Gᵀ;  R = R + Gᵀ·G
 *     p = p - lr · (L + eps·F·I)^(-1/4) · G · (R + eps·F·I)^(-1/4)
 *     s = s + g²;  p = p - lr · g / (sqrt(s) + adagradEps)
 *
 * With grafting (Anil et al. 2020) the step of a matrix has the norm of G, or of g / (sqrt(Σ g²) + adagradEps); with momentum
 * m = momentum · m + step;  p = p - lr · m.
 *
 * Gupta et al. 2018, algorithm 1, with eps relative to L and R instead of at their start. Roots by eigenvalues, every
 * preconditionFrequency updates and at each of the first so many.
 */
export const shampoo: ReferenceRule<ShampooHyper> = {
  defaults: { lr: 0.1, eps: 1e-6, preconditionFrequency: 1, adagradEps: 1e-10, ...EXTRAS, ...commonDefaults },

  /** Kernels have their rows padded to whole vec4s. */
  unlike: ['preconditioners', 'roots'],

  /** Of a tensor that is no matrix. */
  slots(hyper = {}) {
    const { momentum } = complete('shampoo', this.defaults, hyper);
    return ['sum', ...(momentum === 0 ? [] : ['momentum_buffer'])];
  },

  /** Both preconditioners, one behind the other, and both roots. */
  lengths(shape, hyper = {}): Readonly<Record<string, number>> {
    const { momentum, grafting, maxPreconditionerSize } = complete('shampoo', this.defaults, hyper);
    const elements = shape.reduce((product, size) => product * size, 1);
    const added: Record<string, number> = momentum === 0 ? {} : { momentum_buffer: elements };
    if (shape.length !== 2) return { sum: elements, ...added };
    const both = shape.reduce((sum, side) => sum + sizeOf(side, maxPreconditionerSize), 0);
    return { preconditioners: both, roots: both, ...added, ...(grafting === 'adagrad' && { graft_sum: elements }) };
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('shampoo', this.defaults, hyper);
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const sum = state.sum!;
    const change = prepare(param, grad, full).map((g, i) => {
      sum[i] = sum[i]! + g * g;
      return g / (Math.sqrt(sum[i]!) + full.adagradEps);
    });
    move(param, change, state.momentum_buffer, full);
  },

  step(tensors, t, hyper = {}) {
    const full = complete('shampoo', this.defaults, hyper);
    const { eps, preconditionFrequency, maxPreconditionerSize: largest } = full;
    const due = t <= preconditionFrequency || (t - 1) % preconditionFrequency === 0;
    for (const { shape, param, grad, state } of tensors) {
      if (shape.length !== 2) {
        this.update(param, grad, state, t, hyper);
        continue;
      }
      checkUpdate(param, grad, state, t, []);
      const [rows, cols] = shape as [number, number];
      const whole = prepare(param, grad, full);
      let gradient = whole;
      for (const [side, other, from] of [
        [rows, cols, 0],
        [cols, rows, sizeOf(rows, largest)],
      ] as const) {
        const sum = state.preconditioners!.subarray(from, from + sizeOf(side, largest));
        const root = state.roots!.subarray(from, from + sizeOf(side, largest));
        addStatistics(sum, gradient, side, other, side <= largest);
        if (due) root.set(side > largest ? diagonalRoot(sum, eps) : inverseFourthRoot(sum, side, eps));
        gradient = transposed(gradient, side, other);
      }
      // Back in its own layout after two turns; now the roots, from each side in turn.
      const left = preconditioned(state.roots!.subarray(0, sizeOf(rows, largest)), gradient, rows, cols);
      const right = preconditioned(
        state.roots!.subarray(sizeOf(rows, largest)),
        transposed(left, rows, cols),
        cols,
        rows,
      );
      const change = transposed(right, cols, rows);
      const graft = full.grafting === 'none' ? change : grafted(change, whole, state.graft_sum, full);
      move(param, graft, state.momentum_buffer, full);
    }
  },
};
