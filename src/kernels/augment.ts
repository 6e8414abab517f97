import { augmentShader } from '../shaders/data/augment.gen.js';
import { formOf } from './lower.js';
import { rowStride } from './matrix.js';
import type { Form, Op } from './op.js';

export type AugmentOp = Op<
  'augment',
  {
    readonly rows: number;
    readonly features: number;
    /** Targets of a row, as the loss takes them. */
    readonly outputs: number;
    /** The data set has one label per sample. */
    readonly labels: boolean;
    readonly encoding: 'bytes' | 'f32';
    readonly scale: number;
    readonly shift: number;
    /** Quantiles of λ, a power of two of them. */
    readonly mixup?: { readonly quantiles: number } | undefined;
    /** Height and width of an image, and the side of its square. */
    readonly cutout?: { readonly image: readonly [number, number]; readonly size: number } | undefined;
  }
>;

/**
 * Inputs and targets of a batch, cut out and mixed.
 *
 * @param buffers data, targets, batch, stream; mixes with mixup; x [rows, rowStride(features)] and with mixup y [rows, outputs],
 *   written
 */
export const augment = (label: string, shape: AugmentOp['shape'], buffers: AugmentOp['buffers'], replicas = 1) =>
  ({ kind: 'augment', label, shape, buffers, replicas }) satisfies AugmentOp;

export const augmentForms: readonly Form[] = [
  formOf<AugmentOp>('augment', 'augment', ({ label, shape, buffers, replicas }) => {
    const { rows, features, outputs, labels, encoding, scale, shift, mixup, cutout } = shape;
    const [height, width] = cutout?.image ?? [1, 1];
    return [
      {
        label,
        shader: augmentShader,
        constants: {
          BYTES: encoding === 'bytes',
          LABELS: labels,
          MIXUP: mixup !== undefined,
          CUTOUT: cutout !== undefined,
        },
        shape: {
          ...{ rows, features, x_stride: rowStride(features), n: outputs, scale, shift },
          ...{ height, width, size: cutout?.size ?? 0, mixes: mixup?.quantiles ?? 1 },
        },
        buffers,
        groups: rows,
        replicas,
      },
    ];
  }),
];
