import type { Fields } from '../gpu/fields.js';
import {
  activation,
  activationGradient,
  activationProduct,
  type KernelActivation,
  savesInput,
} from '../kernels/activation.js';
import type { LayerBinding, LayerRow } from './layer.js';

/** What makes the row of an activation. */
interface Elementwise<N extends string, S> {
  readonly name: N;
  readonly title: string;
  readonly kernel: KernelActivation;
  readonly fields?: Fields;
  /** The kernel's constant, where it has one. */
  alpha?(settings: S): number;
  /** Factor that makes up for what it does to the size of numbers: see {@link LayerRow}. */
  gain(settings: S): number;
}

/** The row of an activation, y = act(x) for every element: as wide as its input, with nothing to train. */
export function elementwise<const N extends string, S = unknown>(made: Elementwise<N, S>): LayerRow<S> & { name: N } {
  const { name, title, kernel, fields = {}, alpha, gain } = made;
  const shared = ({ rows, replicas, input: width, settings }: LayerBinding<S>) => {
    return { rows, width, replicas, activation: kernel, alpha: alpha?.(settings) };
  };
  return {
    name,
    title,
    fields,
    gain,
    output: (input) => input,
    tensors: () => [],
    forward(b) {
      const { label, train, x, batch, y } = b;
      return [activation({ ...shared(b), label: label(name), x, batch, y, keep: train && savesInput(kernel) })];
    },
    backward(b) {
      const { label, x, y, dy, dx } = b;
      const saved = savesInput(kernel) ? x : y;
      return dx ? [activationGradient({ ...shared(b), label: label(`${name}-gradient`), saved, dy, dx })] : [];
    },
    curvature: {
      // R y = act'(x) ⊙ R x
      tangent({ rx, ry, ...b }) {
        const saved = savesInput(kernel) ? b.x : b.y;
        return rx
          ? [activationGradient({ ...shared(b), label: b.label(`${name}-tangent`), saved, dy: rx, dx: ry })]
          : [];
      },
      product({ rx, rdy, rdx, ...b }) {
        if (!rx || !rdx) return [];
        const own = { ...shared(b), label: b.label(`${name}-product`), saved: savesInput(kernel) ? b.x : b.y };
        return [
          b.gaussNewton
            ? activationGradient({ ...own, dy: rdy, dx: rdx })
            : activationProduct({ ...own, dy: b.dy, rdy, rx, rdx }),
        ];
      },
    },
  };
}
