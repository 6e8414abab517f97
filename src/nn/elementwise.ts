import { activation, activationGradient, type KernelActivation, savesInput } from '../kernels/activation.js';
import { type Factory, factoryOf, type LayerRow } from './layer.js';

/** The row of an activation, y = act(x) for every element: as wide as its input, with nothing to train. */
export function elementwise<N extends string>(
  name: N,
  title: string,
  kernel: KernelActivation,
): Factory<LayerRow & { name: N }> {
  return factoryOf({
    name,
    title,
    fields: {},
    output: (input) => input,
    tensors: () => [],
    forward: ({ rows, replicas, input: width, train, label, x, batch, y }) => [
      activation({
        label: label(name),
        rows,
        width,
        replicas,
        activation: kernel,
        x,
        batch,
        y,
        keep: train && savesInput(kernel),
      }),
    ],
    backward: ({ rows, replicas, input: width, label, x, y, dy, dx }) =>
      dx
        ? [
            activationGradient({
              label: label(`${name}-gradient`),
              rows,
              width,
              replicas,
              activation: kernel,
              saved: savesInput(kernel) ? x : y,
              dy,
              dx,
            }),
          ]
        : [],
  });
}
