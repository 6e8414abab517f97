import type { BufferRange } from '../gpu/buffers.js';
import { dropoutShader } from '../shaders/nn/dropout.gen.js';
import { formOf } from './lower.js';
import { rowStride } from './matrix.js';
import { checkOperands, type Form, type Op } from './op.js';

export type DropoutOp = Op<
  'dropout',
  { readonly rows: number; readonly width: number; readonly p: number; readonly layer: number }
>;

/**
 * y = x·mask/(1 - p): inverted dropout. Its gradient is the same op, of the gradient at y: the mask depends on nothing but the
 * stream's seed and step, the layer and the element.
 *
 * @param p share that is dropped: at least 0, below 1
 * @param layer a number of the layer's own, so that no two layers drop alike
 * @param x [rows, rowStride(width)]
 * @param y as x, written
 */
export function dropout(operands: {
  readonly label: string;
  readonly rows: number;
  readonly width: number;
  readonly replicas?: number;
  readonly p: number;
  readonly layer: number;
  readonly x: BufferRange;
  readonly y: BufferRange;
  readonly stream: BufferRange;
}): DropoutOp {
  const { label, rows, width, replicas = 1, p, layer, x, y, stream } = operands;
  checkOperands(label, { rows, width, replicas }, { x, y, stream });
  return { kind: 'dropout', label, shape: { rows, width, p, layer }, buffers: { x, y, stream }, replicas };
}

/** The hash below which an element is dropped: p·2^32, rounded. */
export const dropoutThreshold = (p: number) => Math.min(Math.round(p * 2 ** 32), 2 ** 32 - 1);

const WORKGROUP = 32;

export const dropoutForms: readonly Form[] = [
  formOf<DropoutOp>('dropout/quads', 'dropout', ({ label, shape, buffers, replicas }) => {
    const { rows, width, p, layer } = shape;
    const stride = rowStride(width);
    return [
      {
        label,
        shader: dropoutShader,
        constants: { WORKGROUP },
        shape: { rows, stride, width, layer, threshold: dropoutThreshold(p), scale: 1 / (1 - p) },
        buffers,
        groups: Math.ceil((rows * stride) / (4 * WORKGROUP)),
        replicas,
      },
    ];
  }),
];
