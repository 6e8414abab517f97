import type { BufferRange } from '../gpu/buffers.js';
import { checkChoice } from '../gpu/fields.js';
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
import { checkOperands, type Op } from './op.js';

/*
 * Activations, elementwise on matrices of a batch. Beside a product they are computed where the product's sum is finished
 * (src/kernels/dense.ts); alone they have small kernels of their own.
 */

/** The activations the kernels know, in the order of their numbers in the WGSL files. */
export const KERNEL_ACTIVATIONS = [
  'identity',
  'relu',
  'leaky-relu',
  'tanh',
  'sigmoid',
  'gelu',
  'silu',
  'elu',
  'gelu-tanh',
  'softplus',
] as const;
export type KernelActivation = (typeof KERNEL_ACTIVATIONS)[number];

/** An activation as the kernels' constants have it. */
export const activationConstants = ({ activation, alpha = DEFAULT_ALPHA[activation] ?? 0 }: Activated) => ({
  ACTIVATION: KERNEL_ACTIVATIONS.indexOf(activation),
  ALPHA: alpha,
});

interface Activated {
  readonly activation: KernelActivation;
  /** Of leaky-relu the slope below 0, default 0.01; of elu its α, default 1. At least 0. */
  readonly alpha?: number | undefined;
}
const DEFAULT_ALPHA: { readonly [K in KernelActivation]?: number } = { 'leaky-relu': 0.01, elu: 1 };

/** Activations whose gradient is computed from their input; that of the others from their output. */
const FROM_INPUT: ReadonlySet<KernelActivation> = new Set(['gelu', 'silu', 'gelu-tanh', 'softplus']);
export const savesInput = (activation: KernelActivation) => FROM_INPUT.has(activation);

/** What both ops of an activation share. */
interface ActivationOperands extends Activated {
  readonly label: string;
  readonly rows: number;
  readonly width: number;
  readonly replicas?: number;
}

interface ActivationShape extends InputShape, Activated {
  readonly rows: number;
  readonly width: number;
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
  checkOperands(label, { rows, width, replicas }, { ...inputBuffers(operands), y: operands.y });
  checkChoice(`${label}: activation`, operands.activation, KERNEL_ACTIVATIONS);
  return {
    kind: 'activation',
    label,
    shape: { rows, width, activation: operands.activation, alpha: operands.alpha, keep, ...inputShape(operands) },
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
  checkOperands(label, { rows, width, replicas }, { saved, dy, dx });
  checkChoice(`${label}: activation`, operands.activation, KERNEL_ACTIVATIONS);
  return {
    kind: 'activation-gradient',
    label,
    shape: { rows, width, activation: operands.activation, alpha: operands.alpha },
    buffers: { saved, dy, dx },
    replicas,
  };
}

export type ActivationProductOp = Op<'activation-product', ActivationGradientOp['shape']>;

/**
 * R dx = R dy ⊙ act' + dy ⊙ act'' ⊙ R x: what {@link activationGradient} is when everything moves along a direction of the
 * parameters. (R y = act' ⊙ R x is that op itself.)
 *
 * @param saved, dy as {@link activationGradient} has them
 * @param rdx as saved, written
 */
export function activationProduct(
  operands: ActivationOperands & {
    readonly saved: BufferRange;
    readonly dy: BufferRange;
    readonly rdy: BufferRange;
    readonly rx: BufferRange;
    readonly rdx: BufferRange;
  },
): ActivationProductOp {
  const { label, rows, width, replicas = 1, saved, dy, rdy, rx, rdx } = operands;
  return {
    kind: 'activation-product',
    label,
    shape: { rows, width, activation: operands.activation, alpha: operands.alpha },
    buffers: { saved, dy, rdy, rx, rdx },
    replicas,
  };
}

export const QUAD_LANES = 32;

/** Workgroups for a matrix, four columns an invocation. */
export const quads = ({ rows, width }: { readonly rows: number; readonly width: number }) =>
  Math.ceil((rows * rowStride(width)) / (4 * QUAD_LANES));

export const activationForms = [
  formOf<ActivationOp>('activation/quads', 'activation', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: activationShader,
      constants: { ...activationConstants(shape), WORKGROUP: QUAD_LANES, ...inputConstants(shape) },
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
        constants: { ...activationConstants(shape), WORKGROUP: QUAD_LANES },
        shape: { rows: shape.rows, stride: rowStride(shape.width) },
        buffers,
        groups: quads(shape),
        replicas,
      },
    ],
  ),
];
