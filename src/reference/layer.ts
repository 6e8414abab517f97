/** What the float64 oracle of a layer is: matrices are dense and row-major. */
export interface ReferenceLayer {
  /** y of x, both [rows, width]. @param tensors the layer's, in the order of its row */
  forward(x: Float64Array, tensors: readonly Float64Array[], rows: number): Float64Array;
  /**
   * The gradients of its tensors and, unless nothing below needs it, at x.
   *
   * @param pass what `forward` had and gave
   */
  backward(
    dy: Float64Array,
    pass: { readonly x: Float64Array; readonly y: Float64Array; readonly rows: number },
    tensors: readonly Float64Array[],
    wanted: boolean,
  ): { readonly gradients: Float64Array[]; readonly dx?: Float64Array };
}

/** Makes the oracle of a layer that takes `input` numbers and gives `output`. */
export type ReferenceLayerOf = (input: number, output: number) => ReferenceLayer;

/** An activation y = f(z) and its slope f'(z). */
export interface ReferenceActivation {
  value(z: number): number;
  slope(z: number): number;
}

/** The oracle of an activation, elementwise. */
export const elementwise = (activation: ReferenceActivation): ReferenceLayerOf & ReferenceActivation =>
  Object.assign(
    (): ReferenceLayer => ({
      forward: (x) => x.map(activation.value),
      backward: (dy, { x }) => ({ gradients: [], dx: dy.map((d, i) => d * activation.slope(x[i]!)) }),
    }),
    activation,
  );

/** 1 / (1 + exp(-z)), keeping its relative accuracy for z far below 0. */
export function logistic(z: number): number {
  const e = Math.exp(-Math.abs(z));
  return (z < 0 ? e : 1) / (1 + e);
}
