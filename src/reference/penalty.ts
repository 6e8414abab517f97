import type { Numbers } from './network.js';

/** l1·Σ|w| + l2·Σw² over tensors, and its gradient by every element: l1·sign(w) + 2·l2·w, sign(0) = 0. */
export function referencePenalty(
  tensors: readonly Numbers[],
  { l1 = 0, l2 = 0 }: { readonly l1?: number; readonly l2?: number },
): { readonly value: number; readonly gradients: Float64Array[] } {
  let value = 0;
  const gradients = tensors.map((tensor) =>
    Float64Array.from(tensor, (w) => {
      value += l1 * Math.abs(w) + l2 * w * w;
      return l1 * Math.sign(w) + 2 * l2 * w;
    }),
  );
  return { value, gradients };
}
