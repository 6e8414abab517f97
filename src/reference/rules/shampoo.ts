import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type ShampooHyper = CommonHyper & {
  readonly lr: number;
  /** Added to the diagonal of a preconditioner, times its largest sum of magnitudes in a row. */
  readonly eps: number;
  readonly preconditionFrequency: number;
  readonly adagradEps: number;
};

/** Sides longer than this keep the diagonal of their preconditioner. */
const LARGEST = 1024;

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
function addStatistics(sum: Float64Array, x: Float64Array, rows: number, cols: number): void {
  for (let i = 0; i < rows; i++) {
    for (let j = rows > LARGEST ? i : 0; j < (rows > LARGEST ? i + 1 : rows); j++) {
      let dot = 0;
      for (let k = 0; k < cols; k++) dot += x[i * cols + k]! * x[j * cols + k]!;
      sum[rows > LARGEST ? i : i * rows + j]! += dot;
    }
  }
}

/** root·x, of a root that is a matrix or a diagonal, x [rows, cols]. */
function preconditioned(root: Float64Array, x: Float64Array, rows: number, cols: number): Float64Array {
  if (rows > LARGEST) return x.map((value, i) => root[Math.floor(i / cols)]! * value);
  const result = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < rows; k++) {
      const factor = root[i * rows + k]!;
      for (let j = 0; j < cols; j++) result[i * cols + j]! += factor * x[k * cols + j]!;
    }
  }
  return result;
}

const sizeOf = (side: number) => (side > LARGEST ? side : side * side);

/**
 * Shampoo for matrices, AdaGrad for all other tensors.
 *
 *     L = L + G·Gᵀ;  R = R + Gᵀ·G
 *     p = p - lr · (L + eps·F·I)^(-1/4) · G · (R + eps·F·I)^(-1/4)
 *     s = s + g²;  p = p - lr · g / (sqrt(s) + adagradEps)
 *
 * Gupta et al. 2018, algorithm 1, with eps relative to L and R instead of at their start. Roots by eigenvalues, every
 * preconditionFrequency updates and at each of the first so many.
 */
export const shampoo: ReferenceRule<ShampooHyper> = {
  defaults: { lr: 0.1, eps: 1e-6, preconditionFrequency: 1, adagradEps: 1e-10, ...commonDefaults },

  /** Kernels have their rows padded to whole vec4s. */
  unlike: ['preconditioners', 'roots'],

  /** Of a tensor that is no matrix. */
  slots(hyper = {}) {
    complete('shampoo', this.defaults, hyper);
    return ['sum'];
  },

  /** Both preconditioners, one behind the other, and both roots. */
  lengths(shape): Readonly<Record<string, number>> {
    if (shape.length !== 2) return { sum: shape.reduce((product, size) => product * size, 1) };
    const both = shape.reduce((sum, side) => sum + sizeOf(side), 0);
    return { preconditioners: both, roots: both };
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('shampoo', this.defaults, hyper);
    checkUpdate(param, grad, state, t, ['sum']);
    const gradient = prepare(param, grad, full);
    const sum = state.sum!;
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      sum[i] = sum[i]! + g * g;
      param[i] = param[i]! - (full.lr * g) / (Math.sqrt(sum[i]!) + full.adagradEps);
    }
  },

  step(tensors, t, hyper = {}) {
    const full = complete('shampoo', this.defaults, hyper);
    const { lr, eps, preconditionFrequency } = full;
    const due = t <= preconditionFrequency || (t - 1) % preconditionFrequency === 0;
    for (const { shape, param, grad, state } of tensors) {
      if (shape.length !== 2) {
        this.update(param, grad, state, t, hyper);
        continue;
      }
      checkUpdate(param, grad, state, t, []);
      const [rows, cols] = shape as [number, number];
      let gradient = prepare(param, grad, full);
      for (const [side, other, from] of [
        [rows, cols, 0],
        [cols, rows, sizeOf(rows)],
      ] as const) {
        const sum = state.preconditioners!.subarray(from, from + sizeOf(side));
        const root = state.roots!.subarray(from, from + sizeOf(side));
        addStatistics(sum, gradient, side, other);
        if (due) root.set(side > LARGEST ? diagonalRoot(sum, eps) : inverseFourthRoot(sum, side, eps));
        gradient = transposed(gradient, side, other);
      }
      // Back in its own layout after two turns; now the roots, from each side in turn.
      const left = preconditioned(state.roots!.subarray(0, sizeOf(rows)), gradient, rows, cols);
      const right = preconditioned(state.roots!.subarray(sizeOf(rows)), transposed(left, rows, cols), cols, rows);
      const change = transposed(right, cols, rows);
      for (let i = 0; i < param.length; i++) param[i] = param[i]! - lr * change[i]!;
    }
  },
};
