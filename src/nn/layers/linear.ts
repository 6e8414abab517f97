import { flag } from '../../gpu/fields.js';
import { add } from '../../kernels/add.js';
import { dense, denseInputGradient, denseWeightGradient } from '../../kernels/dense.js';
import { matrixBytes, rowStride } from '../../kernels/matrix.js';
import type { Op } from '../../kernels/op.js';
import {
  checkWidth,
  type Layer,
  type LayerBinding,
  type LayerProduct,
  type LayerRow,
  resolveSettings,
} from '../layer.js';

type LinearSettings = { readonly out: number; readonly bias: boolean };

/** Options of {@link linear}. */
export interface LinearOptions {
  /** Adds a bias to every output. Default true. */
  readonly bias?: boolean;
}

const sizes = ({ rows, replicas, input: inputs, output: outputs }: LayerBinding<LinearSettings>) => ({
  rows,
  replicas,
  inputs,
  outputs,
});

const row: LayerRow<LinearSettings> & { name: 'linear' } = {
  name: 'linear',
  title: 'Linear',
  fields: { bias: flag('adds a bias to every output', true) },
  given: ['out'],
  output: (_, { out }, where) => checkWidth(`${where}: its width`, out),
  tensors: (input, { out, bias }) => [
    { name: 'weight', shape: [input, out], role: 'weight' },
    ...(bias ? [{ name: 'bias', shape: [out], role: 'bias' } as const] : []),
  ],
  forward: (b) => [
    dense({
      ...sizes(b),
      label: b.label('forward'),
      x: b.x,
      batch: b.batch,
      weight: b.param('weight'),
      bias: b.settings.bias ? b.param('bias')[0] : undefined,
      y: b.y,
    }),
  ],
  backward: (b) => [
    denseWeightGradient({
      ...sizes(b),
      label: b.label('weight-gradient'),
      x: b.x,
      batch: b.batch,
      dy: b.dy,
      weight: b.grad('weight'),
      bias: b.settings.bias ? b.grad('bias')[0] : undefined,
    }),
    ...(b.dx
      ? [
          denseInputGradient({
            ...sizes(b),
            label: b.label('input-gradient'),
            dy: b.dy,
            weight: b.param('weight'),
            dx: b.dx,
          }),
        ]
      : []),
  ],
  curvature: {
    // R y = R x·W + x·V + v
    tangent: (b) => [
      ...(b.rx
        ? [dense({ ...sizes(b), label: b.label('tangent-of-x'), x: b.rx, weight: b.param('weight'), y: b.ry })]
        : []),
      dense({
        ...sizes(b),
        label: b.label('tangent'),
        x: b.x,
        batch: b.batch,
        weight: b.direction('weight'),
        bias: b.settings.bias ? b.direction('bias')[0] : undefined,
        y: b.ry,
        onto: b.rx !== undefined,
      }),
    ],
    product: (b) => [...weightProduct(b), ...inputProduct(b)],
  },
};

/** R dW = xᵀ·R dy + R xᵀ·dy, R db = Σ R dy. */
const weightProduct = (b: LayerProduct<LinearSettings>) => [
  denseWeightGradient({
    ...sizes(b),
    label: b.label('weight-product'),
    x: b.x,
    batch: b.batch,
    dy: b.rdy,
    weight: b.grad('weight'),
    bias: b.settings.bias ? b.grad('bias')[0] : undefined,
  }),
  ...(b.rx && !b.gaussNewton
    ? [
        denseWeightGradient({
          ...sizes(b),
          label: b.label('weight-product-of-x'),
          x: b.rx,
          dy: b.dy,
          weight: b.part('weight'),
        }),
      ]
    : []),
];

/** R dx = R dy·Wᵀ + dy·Vᵀ. */
function inputProduct(b: LayerProduct<LinearSettings>): Op[] {
  const { rdx, rows, replicas, input } = b;
  if (!rdx) return [];
  const product = denseInputGradient({
    ...sizes(b),
    label: b.label('input-product'),
    dy: b.rdy,
    weight: b.param('weight'),
    dx: rdx,
  });
  if (b.gaussNewton) return [product];
  const part = b.scratch('input-product', matrixBytes(rows, input, replicas));
  return [
    product,
    denseInputGradient({
      ...sizes(b),
      label: b.label('input-product-of-w'),
      dy: b.dy,
      weight: b.direction('weight'),
      dx: part,
    }),
    add({
      label: b.label('input-product-sum'),
      source: part,
      goal: rdx,
      elements: rows * rowStride(input) * replicas,
    }),
  ];
}

/**
 * A fully connected layer, as torch.nn.Linear. Weights are [in, out] on the GPU; files have PyTorch's [out, in].
 *
 *     y = x · weight + bias
 *
 * Weights start as the model's `init` says, biases at 0 (with init 'pytorch' uniform in ±1/√in).
 *
 * @example linear(100, { bias: false })
 * @param out width of its output
 * @throws DownhillError SHAPE-INVALID for a width that is not a positive integer; OPTION-*.
 */
export const linear = Object.assign(
  (out: number, options: LinearOptions = {}): Layer =>
    Object.freeze({
      row,
      settings: Object.freeze({
        out: checkWidth('linear: its width', out),
        ...resolveSettings('linear', row.fields, options),
      }),
    }),
  { row },
);
