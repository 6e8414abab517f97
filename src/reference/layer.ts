import type { Settings } from '../nn/layer.js';

/** What a layer knows of the pass it is in, beside numbers and parameters. */
export interface ReferencePass {
  readonly rows: number;
  readonly mode: 'train' | 'evaluate';
  /** Of random numbers: the seed of the run, the step (the first is 0), the layer's place in the model. */
  readonly seed: number;
  readonly step: number;
  readonly place: number;
  /** What the layer keeps, in the order of its row. */
  readonly buffers: readonly Float64Array[];
}

/** What the float64 oracle of a layer is: matrices are dense and row-major. */
export interface ReferenceLayer {
  /** y of x, both [rows, width]. @param tensors the layer's, in the order of its row */
  forward(x: Float64Array, tensors: readonly Float64Array[], pass: ReferencePass): Float64Array;
  /**
   * The gradients of its tensors and, unless nothing below needs it, at x.
   *
   * @param pass what `forward` had and gave
   */
  backward(
    dy: Float64Array,
    pass: ReferencePass & { readonly x: Float64Array; readonly y: Float64Array },
    tensors: readonly Float64Array[],
    wanted: boolean,
  ): { readonly gradients: Float64Array[]; readonly dx?: Float64Array };
  /** For products of the Hessian with a vector; absent where there is none. */
  readonly curvature?: ReferenceCurvature;
  /** What the layer keeps of a training pass: changes `pass.buffers`. */
  commit?(pass: ReferencePass & { readonly x: Float64Array }): void;
}

/** Derivatives along a direction of the parameters, R M for every matrix M of a pass: Pearlmutter's R-operator. */
export interface ReferenceCurvature {
  /** R y of R x. @param v the direction, as `tensors` */
  tangent(
    rx: Float64Array,
    pass: ReferencePass & { readonly x: Float64Array },
    tensors: readonly Float64Array[],
    v: readonly Float64Array[],
  ): Float64Array;
  /** R of what `backward` gives: of the gradients, and of dx. */
  product(
    given: { readonly dy: Float64Array; readonly rdy: Float64Array; readonly rx: Float64Array },
    pass: ReferencePass & { readonly x: Float64Array },
    tensors: readonly Float64Array[],
    v: readonly Float64Array[],
  ): { readonly gradients: Float64Array[]; readonly dx: Float64Array };
}

/** Makes the oracle of a layer that takes `input` numbers and gives `output`. */
export type ReferenceLayerOf = (input: number, output: number, settings: Settings) => ReferenceLayer;

/** An activation y = f(z), its slope f'(z) and its bend f''(z), which is 0 at a kink. */
export interface ReferenceActivation {
  value(z: number): number;
  slope(z: number): number;
  bend(z: number): number;
}

/**
 * The oracle of an activation, elementwise.
 *
 * @param activation with its default options
 * @param of with other ones, where it has options
 */
export const elementwise = (
  activation: ReferenceActivation,
  of: (settings: Settings) => ReferenceActivation = () => activation,
): ReferenceLayerOf & ReferenceActivation =>
  Object.assign((_input: number, _output: number, settings: Settings): ReferenceLayer => {
    const { value, slope, bend } = of(settings);
    return {
      forward: (x) => x.map(value),
      backward: (dy, { x }) => ({ gradients: [], dx: dy.map((d, i) => d * slope(x[i]!)) }),
      curvature: {
        tangent: (rx, { x }) => rx.map((r, i) => r * slope(x[i]!)),
        product: ({ dy, rdy, rx }, { x }) => ({
          gradients: [],
          dx: rdy.map((r, i) => r * slope(x[i]!) + dy[i]! * bend(x[i]!) * rx[i]!),
        }),
      },
    };
  }, activation);

/** 1 / (1 + exp(-z)), keeping its relative accuracy for z far below 0. */
export function logistic(z: number): number {
  const e = Math.exp(-Math.abs(z));
  return (z < 0 ? e : 1) / (1 + e);
}
