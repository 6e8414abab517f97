import type { PassSpec } from '../../gpu/passes.js';
import { traitsOf } from '../../gpu/traits.js';
import { denseForwardStationary4Shader } from '../../shaders/nn/dense_forward_stationary_4.gen.js';
import { denseForwardStationary8Shader } from '../../shaders/nn/dense_forward_stationary_8.gen.js';
import { denseForwardStationary8FewShader } from '../../shaders/nn/dense_forward_stationary_8_few.gen.js';
import { denseInputGradientStationary4Shader } from '../../shaders/nn/dense_input_gradient_stationary_4.gen.js';
import { denseInputGradientStationary8Shader } from '../../shaders/nn/dense_input_gradient_stationary_8.gen.js';
import { denseInputGradientStationary8FewShader } from '../../shaders/nn/dense_input_gradient_stationary_8_few.gen.js';
import type { Shader } from '../../shaders/shader.js';
import type { ActivationGradientOp, ActivationOp } from '../activation.js';
import { type DenseInputGradientOp, type DenseOp, forwardTiles, inputGradientTiles, pairOf } from '../dense.js';
import { formOf } from '../lower.js';
import type { Form, Op } from '../op.js';

/*
 * The products of a dense layer with the rows of the batch in private arrays (harness/generate/emit-stationary.ts says how):
 * on lavapipe 4 to 6 times as fast as tiles of 4 x 4, on SwiftShader 3 to 4 times. Bits do not depend on how the work is
 * split: a sum has the same order wherever its row and column are computed.
 */

/** A kernel with the rows in each lane, of which a workgroup is one subgroup. */
interface Kernel {
  readonly shader: Shader;
  readonly groups: number;
}

/** The kernels of a subgroup's size, by how many rows they are for; the last one for any more. */
interface Kernels {
  readonly lanes: number;
  readonly forward: readonly Kernel[];
  readonly inputGradient: readonly Kernel[];
}

const KERNELS: readonly Kernels[] = [
  {
    lanes: 8,
    forward: [
      { shader: denseForwardStationary8FewShader, groups: 2 },
      { shader: denseForwardStationary8Shader, groups: 4 },
    ],
    inputGradient: [
      { shader: denseInputGradientStationary8FewShader, groups: 2 },
      { shader: denseInputGradientStationary8Shader, groups: 4 },
    ],
  },
  {
    lanes: 4,
    forward: [{ shader: denseForwardStationary4Shader, groups: 4 }],
    inputGradient: [{ shader: denseInputGradientStationary4Shader, groups: 4 }],
  },
];

/** So many columns are worth filling the arrays for. */
const FEWEST_COLUMNS = 16;
/** Any number, but for kernels that hold their sums in private arrays (`held` of the emitter). */
const MOST_COLUMNS: Readonly<Record<number, number>> = { 4: 128 };

/** A driver's threads are not told. Where the host's are neither (Node 20), two. */
const threads = () => Math.min(globalThis.navigator?.hardwareConcurrency ?? 2, 16);

/**
 * Into how many parts to split the columns. lavapipe gives each thread one half, third … of the grid: a few workgroups have
 * to be a multiple of the threads, or one works while the others wait.
 */
function splitColumns(columns: number, others: number, mostColumns = columns): number {
  const least = Math.ceil(columns / mostColumns);
  const most = Math.max(least, Math.floor(columns / FEWEST_COLUMNS));
  const workers = threads();
  for (let split = least; split <= most; split++) {
    if ((split * others) % workers === 0 || split * others >= 8 * workers) return split;
  }
  return most;
}

/** The pass of tiles, computed by one of these kernels. @param columns of the result */
function stationary({ constants, ...pass }: PassSpec, kernels: readonly Kernel[], lanes: number, columns: number) {
  const { WORKGROUP: _, ...rest } = constants;
  const rows = pass.shape!.rows!;
  const { shader, groups } = kernels.find((each) => rows <= lanes * each.groups) ?? kernels.at(-1)!;
  const blocks = Math.ceil(rows / (lanes * groups));
  const each = Math.ceil(columns / splitColumns(columns, blocks * pass.replicas, MOST_COLUMNS[lanes]));
  const split = Math.ceil(columns / each);
  return {
    ...pass,
    shader,
    constants: rest,
    shape: { ...pass.shape, split, columns: each, groups },
    groups: blocks * split,
  };
}

function formsOf({ lanes, forward, inputGradient }: Kernels): readonly Form[] {
  const forwardPasses = (op: DenseOp, next?: ActivationOp) =>
    forwardTiles(op, next).map((pass) => stationary(pass, forward, lanes, pass.shape!.n!));
  const inputGradientPasses = (op: DenseInputGradientOp, next?: ActivationGradientOp) =>
    inputGradientTiles(op, next).map((pass) => stationary(pass, inputGradient, lanes, pass.shape!.k!));
  return [
    pairOf<DenseOp, ActivationOp>(
      `dense+activation/stationary-${lanes}`,
      ['dense', 'y'],
      ['activation', 'x'],
      forwardPasses,
    ),
    pairOf<DenseInputGradientOp, ActivationGradientOp>(
      `dense-input-gradient+activation-gradient/stationary-${lanes}`,
      ['dense-input-gradient', 'dx'],
      ['activation-gradient', 'dy'],
      inputGradientPasses,
    ),
    formOf<DenseOp>(`dense/stationary-${lanes}`, 'dense', (op) => forwardPasses(op)),
    formOf<DenseInputGradientOp>(`dense-input-gradient/stationary-${lanes}`, 'dense-input-gradient', (op) =>
      inputGradientPasses(op),
    ),
  ].map((form) => onSubgroups(form, lanes));
}

/** So many rows tiles of 4 x 4 compute as fast. */
const FEW_ROWS = 4;

/** Only where every subgroup has so many lanes; by itself on CPU adapters, for more than a few rows. */
export const onSubgroups = (form: Form, lanes: number, few = FEW_ROWS): Form => ({
  ...form,
  match: (ops, at, device) => (lanesOf(device) === lanes ? form.match(ops, at, device) : 0),
  suits: (ops, at, device) => traitsOf(device).cpu && (ops[at] as Op<string, { rows: number }>).shape.rows > few,
  needs: (_, __, device) => (traitsOf(device).subgroup ? undefined : 'subgroups'),
});

/** Of a device's subgroups; where it has none, of those that its driver could have. */
function lanesOf(device: GPUDevice): number {
  const { subgroup, family } = traitsOf(device);
  return subgroup || (family === 'swiftshader' ? 4 : 8);
}

export const stationaryForms: readonly Form[] = KERNELS.flatMap(formsOf);
