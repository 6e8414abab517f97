import type { ReferenceGiven, ReferenceProblem } from '../problem.js';

/** Of every sample, its row (features times the label's sign) with a vector; and behind the rows lambda. */
function products({ data, n }: ReferenceGiven, vector: ArrayLike<number>): number[] {
  return Array.from({ length: Math.floor((data.length - 1) / n) }, (_, s) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += data[s * n + j]! * vector[j]!;
    return sum;
  });
}

/** lambda · own + the mean of the samples' rows, each times its factor. */
function combined({ data, n }: ReferenceGiven, own: ArrayLike<number>, factors: readonly number[]): Float64Array {
  const lambda = data[factors.length * n]!;
  return Float64Array.from(own, (value, j) => {
    const sum = factors.reduce((all, factor, s) => all + factor * data[s * n + j]!, 0);
    return lambda * value + sum / factors.length;
  });
}

const sigmoid = (m: number) => 1 / (1 + Math.exp(-m));
const loss = (m: number) => Math.max(-m, 0) + Math.log1p(Math.exp(-Math.abs(m)));

/** Mean of log(1 + exp(-a·w)), and lambda/2 |w|². */
export const logisticRegression: ReferenceProblem = {
  value(w, given) {
    const margins = products(given, w);
    const lambda = given.data[margins.length * given.n]!;
    const squares = Array.from(w).reduce((sum, value) => sum + value ** 2, 0);
    return margins.reduce((sum, m) => sum + loss(m), 0) / margins.length + (lambda / 2) * squares;
  },
  gradient(w, given) {
    const factors = products(given, w).map((m) => -sigmoid(-m));
    return combined(given, w, factors);
  },
  product(w, v, given) {
    const along = products(given, v);
    const factors = products(given, w).map((m, s) => sigmoid(m) * sigmoid(-m) * along[s]!);
    return combined(given, v, factors);
  },
};
