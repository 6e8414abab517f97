import { DataStream } from '../data/stream.js';
import { type BufferRange, checkBindable, range } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { Op } from '../kernels/op.js';
import { problem as evaluateProblem, type ProblemOperands, problemForms, problemProduct } from '../kernels/problem.js';
import { type Problem, shaderOf } from '../problems/problem.js';
import type { Vector } from '../space/space.js';
import type { BoundObjective, Objective, ObjectiveBinding } from './objective.js';

/** The tensor that an analytic function is minimized over. */
export const POINT = 'x';

const noGaussNewton = (title: string) =>
  new DownhillError(
    'OPTION-RANGE',
    `${title} is no loss of a network's outputs: it has no Gauss-Newton matrix.`,
    'Use newtonCg().',
  );

/** One sample that is always the batch: a step of a problem draws nothing. */
const PLAN = { samples: 1, rows: 1, stepsPerEpoch: 1, sampling: 'full' } as const;

/** An analytic function on the GPU. */
export interface BoundProblem extends BoundObjective {
  /**
   * Writes its Hessian at the parameters as they are, times `direction`, to `out`: vectors of the same space.
   *
   * @throws DownhillError OPTION-RANGE for the Gauss-Newton matrix: a problem is no function of outputs
   */
  product(direction: Vector, out: Vector, gaussNewton?: boolean): readonly Op[];
}

/**
 * An analytic function as something to minimize: one tensor, 'x', of its n numbers. Every replica has a point of its own, whose
 * value and gradient one dispatch writes.
 *
 * @param given where replicas start, each at that of its seed modulo their number; default the problem's own
 * @throws DownhillError OPTION-RANGE for a function without a kernel
 */
export function problemObjective(
  problem: Problem,
  ...given: readonly (ArrayLike<number> | undefined)[]
): Objective & { bind(binding: ObjectiveBinding): BoundProblem } {
  const { row, n, data, start } = problem;
  const shader = shaderOf(problem);
  const starts = given.filter((each) => each !== undefined);
  return {
    tensors: [{ name: POINT, shape: [n] }],
    statistics: [],
    stepsPerEpoch: 1,
    forms: problemForms,
    check(device, replicas) {
      const fix = 'Take fewer dimensions, or fewer starts at once.';
      checkBindable(device, `${row.title}: ${replicas} points of ${n} numbers`, 4 * n * replicas, fix);
    },
    initial: async (seed) => [Float32Array.from(starts[seed % starts.length] ?? start)],
    bind({ label, buffers, space, params, grads, seeds }) {
      const replicas = seeds.length;
      const result = range(buffers.storage('result', 8 * replicas), 0, 8 * replicas);
      const steps = new DataStream(buffers, PLAN, seeds);
      const numbers: BufferRange | undefined = data.length > 0 ? range(buffers.upload('data', data)) : undefined;
      // A tensor of one axis is never cut: it has one span.
      const stride = space.spans[0]!.elements;
      const param = params.ranges[0]!;
      const operands = { shader, n, stride, replicas, param, data: numbers } satisfies Omit<ProblemOperands, 'label'>;
      const { stream } = steps;
      const gradient = { ...operands, label: `${label}/problem`, grad: grads.ranges[0]!, result, stream };
      return {
        gradient: [evaluateProblem(gradient)],
        product(direction, out, gaussNewton = false) {
          if (gaussNewton) throw noGaussNewton(row.title);
          const vectors = { direction: direction.ranges[0]!, product: out.ranges[0]! };
          return [problemProduct({ ...operands, ...vectors, label: `${label}/problem-product` })];
        },
        commit: () => [],
        next: (ranges, lossRing) => [steps.next(`${label}/account`, { ...ranges, result }, lossRing)],
        watched: { rows: 1, stream, layers: [] },
        parts: [steps],
        result,
        bytes: { activations: 0, data: numbers?.size ?? 0 },
      };
    },
  };
}
