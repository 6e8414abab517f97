import type { BufferRange } from '../../gpu/buffers.js';
import { roundUp } from '../../gpu/buffers.js';
import type { PassSpec } from '../../gpu/passes.js';
import { traitsOf } from '../../gpu/traits.js';
import type { Shader } from '../../shaders/shader.js';
import type { ActivationGradientOp } from '../activation.js';
import { ADVANCE_FORMS } from '../advance.js';
import { carried, loadCarried } from '../carried.js';
import { type DenseInputGradientOp, type DenseWeightGradientOp, weightGradientPass } from '../dense.js';
import { type Following, findFollowing } from '../following.js';
import { lower } from '../lower.js';
import type { Form, Op } from '../op.js';
import { ARENA_BLOCK, type UpdateOp } from '../update.js';
import { choose } from './choose.js';
import { given, inputGradientPasses, sizesOf } from './tiles.js';

/*
 * A network's gradients with the update inside, for GPUs: all input gradients, the clock, and then for every layer the tiles
 * of its weight gradient, whose sums go to the rule and never to memory (harness/generate/emit-backward.ts).
 */

const KERNEL = 'gradient-tile';
const TILE = 64;

interface Backward {
  readonly weightGradients: readonly DenseWeightGradientOp[];
  /** With the gradient of the activation in front of the layer. */
  readonly inputGradients: readonly (readonly [DenseInputGradientOp, ActivationGradientOp | undefined])[];
  readonly following: Following;
  /** Ops that it takes. */
  readonly taken: number;
}

/** The gradients of dense layers from `at` on, up to an update of these layers and of nothing else. */
function findBackward(ops: readonly Op[], at: number): Backward | undefined {
  if (ops[at]?.kind !== 'dense-weight-gradient') return undefined;
  const weightGradients: DenseWeightGradientOp[] = [];
  const inputGradients: [DenseInputGradientOp, ActivationGradientOp | undefined][] = [];
  let next = at;
  for (let op = ops[next]; op; op = ops[next]) {
    if (op.kind === 'dense-weight-gradient') {
      weightGradients.push(op as DenseWeightGradientOp);
    } else if (op.kind === 'dense-input-gradient') {
      const after = ops[next + 1];
      const activates = after?.kind === 'activation-gradient' && after.buffers.dy === op.buffers.dx;
      inputGradients.push([op as DenseInputGradientOp, activates ? (ops[++next] as ActivationGradientOp) : undefined]);
    } else {
      break;
    }
    next++;
  }
  const following = findFollowing(ops, next, weightGradients);
  if (!following || !covers(weightGradients, following.update)) return undefined;
  return { weightGradients, inputGradients, following, taken: next + 2 - at };
}

/** Whether all tensors of an arena are weights and biases of these layers, each in one piece. */
function covers(gradients: readonly DenseWeightGradientOp[], { shape }: UpdateOp): boolean {
  const padded = (elements: number) => roundUp(elements, ARENA_BLOCK);
  const elements = gradients.map(
    ({ shape: { inputs, outputs, biasStride } }) =>
      padded(inputs * outputs) + (biasStride === undefined ? 0 : padded(outputs)),
  );
  return (
    gradients.every((each) => each.shape.pieces.length === 1) &&
    elements.reduce((sum, each) => sum + each, 0) === shape.chunks * ARENA_BLOCK
  );
}

/** Its ops, and the rule's kernel, where it is loaded. */
function find(ops: readonly Op[], at: number) {
  const backward = findBackward(ops, at);
  const kernel = backward && carried(backward.following.update.shape.shader, KERNEL);
  return kernel && { ...backward, kernel };
}

/** The pass of one layer. */
function updatePass(op: DenseWeightGradientOp, { shape, buffers, replicas }: UpdateOp, kernel: Shader): PassSpec {
  const made = weightGradientPass(op, 0);
  const { grad, ...arenas } = buffers;
  const element = (range: BufferRange | undefined) => (range ? (range.offset - grad!.offset) / 4 : 0);
  const [weight, bias] = [element(op.buffers['weight-0']), element(op.buffers.bias)];
  const row = (at: number) => shape.groups![at / ARENA_BLOCK]!;
  const { rows, inputs, outputs } = op.shape;
  const product = {
    constants: { ...made.constants, ...shape.constants },
    shape: {
      ...made.shape,
      ...{ splits: 1, split_k: roundUp(rows, 16) },
      ...{ weight_at: weight, bias_at: bias, weight_row: row(weight), bias_row: row(bias) },
    },
    buffers: { ...made.buffers, ...arenas },
  };
  return {
    ...given(kernel, product),
    label: `${op.label}+update`,
    groups: Math.ceil(inputs / TILE) * Math.ceil(outputs / TILE),
    replicas,
  };
}

/** Sums over more rows fill a GPU better in parts. */
const MOST_ROWS = 512;
/**
 * Of a product for which a larger tile is chosen: from 2·64 operations to 24 bytes on the arithmetic takes longer than the
 * memory (60 TFLOPS, of which a tile reaches a third, beside 3.3 TB/s), and what the update saves is less than the tile.
 */
const MOST_ROWS_OF_LARGE = 64;

function suits(op: DenseWeightGradientOp, device: GPUDevice): boolean {
  const { rows } = op.shape;
  const larger = ['tile-128x128', 'tile-64x128'].includes(choose(sizesOf(op)!, device) ?? '');
  return rows <= (larger ? MOST_ROWS_OF_LARGE : MOST_ROWS);
}

export const backwardForm: Form = {
  name: 'backward+update/tile-64x64',
  async load(ops) {
    const updates = ops.filter((op): op is UpdateOp => op.kind === 'update');
    await Promise.all(updates.map(({ shape }) => loadCarried(shape.shader, KERNEL)));
  },
  match: (ops, at) => find(ops, at)?.taken ?? 0,
  suits: (ops, at, device) =>
    !traitsOf(device).cpu && find(ops, at)!.weightGradients.every((each) => suits(each, device)),
  needs(ops, at, device) {
    const { bindings } = find(ops, at)!.kernel;
    const storage = bindings.filter(({ type }) => type !== 'uniform').length;
    return storage > traitsOf(device).storageBuffers ? `${storage} storage buffers in a kernel` : undefined;
  },
  lower(ops, device) {
    const { weightGradients, inputGradients, following, kernel } = find(ops, 0)!;
    return [
      // They read the weights: before the first of these is updated.
      ...inputGradients.flatMap(([op, next]) => inputGradientPasses(op, next, device)),
      ...lower([following.advance], ADVANCE_FORMS, device).passes,
      ...weightGradients.map((op) => updatePass(op, following.update, kernel)),
    ];
  },
};
