import type { BufferRange } from '../gpu/buffers.js';
import { activationShader } from '../shaders/nn/activation.gen.js';
import { activationGradientShader } from '../shaders/nn/activation_gradient.gen.js';
import { formOf } from './lower.js';
import {
  type InputOperands,
  type InputShape,
  inputBindings,
  inputBuffers,
  inputConstants,
  inputShape,
  rowStride,
} from './matrix.js';
import type { Op } from './op.js';

/*
 * Activations, elementwise on matrices of a batch. Beside a product they are computed where the product's sum is finished
 * (src/kernels/dense.ts); alone they have small kernels of their own.
 */

/** The activations the kernels know, in the order of their numbers in the WGSL files. */
export const KERNEL_ACTIVATIONS = ['identity', 'relu', 'leaky-relu', 'tanh', 'sigmoid', 'gelu', 'silu'] as const;
export type KernelActivation = (typeof KERNEL_ACTIVATIONS)[number];

export const activationNumber = (activation: KernelActivation) => KERNEL_ACTIVATIONS.indexOf(activation);

/** Activations whose gradient is computed from their input; that of the others from their output. */
const FROM_INPUT: ReadonlySet<KernelActivation> = new Set(['gelu', 'silu']);
export const savesInput = (activation: KernelActivation) => FROM_INPUT.has(activation);

/** What both ops of an activation share. */
interface ActivationOperands {
  readonly label: string;
  readonly rows: number;
  readonly width: number;
  readonly replicas?: number;
  readonly activation: KernelActivation;
}

interface ActivationShape extends InputShape {
  readonly rows: number;
  readonly width: number;
  readonly activation: KernelActivation;
  /** Whether x is read again afterwards. */
  readonly keep: boolean;
}

export type ActivationOp = Op<'activation', ActivationShape>;
export type ActivationGradientOp = Op<'activation-gradient', Omit<ActivationShape, 'keep' | 'decoding'>>;

/**
 * y = act(x).
 *
 * @param keep whether x is read again afterwards: where {@link savesInput}, for the gradient. Else x is a temporary, which
 * a form may leave out.
 * @param y [rows, rowStride(width)], written
 */
export function activation(
  operands: ActivationOperands & InputOperands & { readonly y: BufferRange; readonly keep?: boolean },
): ActivationOp {
  const { label, rows, width, replicas = 1, keep = false } = operands;
  return {
    kind: 'activation',
    label,
    shape: { rows, width, activation: operands.activation, keep, ...inputShape(operands) },
    buffers: { ...inputBuffers(operands), y: operands.y },
    replicas,
  };
}

/**
 * dx = dy ⊙ act'.
 *
 * @param saved the activation's output, or its input where {@link savesInput}
 * @param dy as saved: the gradient at the output; a temporary, which a form may leave out
 * @param dx as saved, written
 */
export function activationGradient(
  operands: ActivationOperands & {
    readonly saved: BufferRange;
    readonly dy: BufferRange;
    readonly dx: BufferRange;
  },
): ActivationGradientOp {
  const { label, rows, width, replicas = 1, saved, dy, dx } = operands;
  return {
    kind: 'activation-gradient',
    label,
    shape: { rows, width, activation: operands.activation },
    buffers: { saved, dy, dx },
    replicas,
  };
}

const WORKGROUP = 32;

/** Workgroups for a matrix, four columns an invocation. */
const quads = ({ rows, width }: { readonly rows: number; readonly width: number }) =>
  Math.ceil((rows * rowStride(width)) / (4 * WORKGROUP));

export const activationForms = [
  formOf<ActivationOp>('activation/quads', 'activation', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: activationShader,
      constants: { ACTIVATION: activationNumber(shape.activation), WORKGROUP, ...inputConstants(shape) },
      shape: { rows: shape.rows, stride: rowStride(shape.width) },
      buffers: { ...inputBindings(shape, buffers), y: buffers.y },
      groups: quads(shape),
      replicas,
    },
  ]),
  formOf<ActivationGradientOp>(
    'activation-gradient/quads',
    'activation-gradient',
    ({ label, shape, buffers, replicas }) => [
      {
        label,
        shader: activationGradientShader,
        constants: { ACTIVATION: activationNumber(shape.activation), WORKGROUP },
        shape: { rows: shape.rows, stride: rowStride(shape.width) },
        buffers,
        groups: quads(shape),
        replicas,
      },
    ],
  ),
];
