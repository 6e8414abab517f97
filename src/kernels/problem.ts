import type { BufferRange } from '../gpu/buffers.js';
import type { Shader } from '../shaders/shader.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/** What a problem's kernels work on; every range holds all replicas, `stride` elements apart. */
export interface ProblemOperands {
  readonly label: string;
  /** Of shaders/problems. */
  readonly shader: Shader;
  /** Numbers of a point. */
  readonly n: number;
  /** Elements from one replica's point to the next's. */
  readonly stride: number;
  readonly replicas?: number;
  readonly param: BufferRange;
  /** What the kernel reads beside the point; left out where it reads nothing. */
  readonly data?: BufferRange | undefined;
}

export type ProblemOp = Op<
  'problem',
  { readonly shader: Shader; readonly n: number; readonly stride: number; readonly product: boolean }
>;

/** What else a shader binds of what is there. */
const bound = (shader: Shader, buffers: ProblemOp['buffers']) =>
  Object.fromEntries(shader.bindings.slice(1).map(({ name }) => [name, buffers[name]]));

/**
 * The value of an analytic function and its gradient, at each replica's point.
 *
 * @param operands.grad as param, written
 * @param operands.result two float32 per replica, written: the value, and 0
 * @param operands.stream per replica: of a noisy problem, whose noise is that of the seed and the step
 */
export function problem(
  operands: ProblemOperands & {
    readonly grad: BufferRange;
    readonly result: BufferRange;
    readonly stream?: BufferRange | undefined;
  },
): ProblemOp {
  const { label, shader, n, stride, replicas = 1, ...buffers } = operands;
  const shape = { shader, n, stride, product: false };
  return { kind: 'problem', label, shape, buffers: bound(shader, buffers), replicas };
}

/**
 * The function's Hessian at each replica's point, times `direction`.
 *
 * @param operands.direction as param, read
 * @param operands.product as param, written
 */
export function problemProduct(
  operands: ProblemOperands & { readonly direction: BufferRange; readonly product: BufferRange },
): ProblemOp {
  const { label, shader, n, stride, replicas = 1, product, ...buffers } = operands;
  const shape = { shader, n, stride, product: true };
  return { kind: 'problem', label, shape, buffers: bound(shader, { ...buffers, grad: product }), replicas };
}

export const problemForms: readonly Form[] = [
  formOf<ProblemOp>('problem', 'problem', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: shape.shader,
      constants: {},
      shape: { n: shape.n, stride: shape.stride, product: shape.product ? 1 : 0 },
      buffers,
      groups: 1,
      replicas,
    },
  ]),
];
