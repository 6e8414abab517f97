import type { BufferRange } from '../../gpu/buffers.js';
import { roundUp } from '../../gpu/buffers.js';
import type { PassSpec } from '../../gpu/passes.js';
import type { Shader } from '../../shaders/shader.js';
import type { ActivationGradientOp, ActivationOp } from '../activation.js';
import {
  type DenseInputGradientOp,
  type DenseOp,
  type DenseShape,
  type DenseWeightGradientOp,
  forwardPass,
  inputGradientPass,
  inputGradientTiles,
  type ProductPass,
  pairOf,
  perPiece,
  weightGradientPass,
} from '../dense.js';
import { formOf } from '../lower.js';
import { rowStride } from '../matrix.js';
import type { Form, Op } from '../op.js';
import { choose } from './choose.js';
import { KERNELS, type Kernel, type ProductName, SUMS } from './shaders.js';

/*
 * The three products of a dense layer in tiles of workgroup memory, by subgroups, and with sums split over workgroups. The
 * kernels are emitted (harness/generate/emit-tile.ts). A sum's parts are numbered by k and added in their order, however
 * many replicas there are: the bits are those of single runs.
 */

type ProductOp = Op<string, DenseShape>;

const PRODUCT_OF: Readonly<Record<string, ProductName>> = {
  dense: 'forward',
  'dense-input-gradient': 'inputGradient',
  'dense-weight-gradient': 'weightGradient',
};

/** Of a product C = A·B, with the inputs that one piece of W has: rows and columns of C, and the length of its sums. */
export function sizesOf(op: ProductOp, inputs = op.shape.pieces[0]!.inputs) {
  const { rows, outputs } = op.shape;
  return {
    forward: { m: rows, n: outputs, k: inputs },
    inputGradient: { m: rows, n: inputs, k: outputs },
    weightGradient: { m: inputs, n: outputs, k: rows },
  }[PRODUCT_OF[op.kind]!];
}

/** Workgroups that a grid of tiles is to have: as many parts of a sum as that takes, none shorter than 64. */
const ENOUGH = 128;
const SHORTEST = 64;
const MOST_PARTS = 32;

/** Parts of a sum of k, and how long each is but the last: a multiple of the depth of all tiles. */
function partsOf({ split }: Kernel, tiles: number, k: number): { readonly splits: number; readonly split_k: number } {
  const wanted = split ? Math.min(Math.ceil(ENOUGH / tiles), Math.floor(k / SHORTEST), MOST_PARTS) : 1;
  const split_k = roundUp(Math.ceil(k / Math.max(wanted, 1)), 16);
  return { splits: Math.ceil(k / split_k), split_k };
}

const tilesOf = ({ m, n }: Kernel, sizes: { readonly m: number; readonly n: number }) =>
  Math.ceil(sizes.m / m) * Math.ceil(sizes.n / n);

/** Floats of one part of a result: whole vec4s of each row; of dW and db, rows without gaps. */
function partFloats(op: ProductOp, inputs: number): number {
  const { m, n } = sizesOf(op, inputs);
  return op.kind === 'dense-weight-gradient' ? rowStride((m + 1) * n) : m * rowStride(n);
}

const partsBytes = (kernel: Kernel, op: ProductOp, inputs: number): number => {
  const sizes = sizesOf(op, inputs);
  return 4 * partFloats(op, inputs) * partsOf(kernel, tilesOf(kernel, sizes), sizes.k).splits * op.replicas;
};

/** W is read in vec4s: a range ends at a multiple of 16 bytes. */
const whole = ({ buffer, offset, size }: BufferRange): BufferRange => ({ buffer, offset, size: roundUp(size, 16) });

function fits(kernel: Kernel, op: ProductOp, device: GPUDevice): boolean {
  if (kernel.feature && !device.features.has(kernel.feature)) return false;
  const { pieces } = op.shape;
  const reads = op.kind !== 'dense-weight-gradient';
  return pieces.every(({ inputs }, i) => {
    const weight = whole(op.buffers[`weight-${i}`]!);
    return (
      (!reads || weight.offset + weight.size <= weight.buffer.size) &&
      (!kernel.split || partsBytes(kernel, op, inputs) <= device.limits.maxStorageBufferBindingSize)
    );
  });
}

/** What of a product's constants and buffers a shader knows. */
export function given(shader: Shader, { constants, shape, buffers }: ProductPass) {
  const known =
    (names: readonly string[]) =>
    ([key]: readonly [string, unknown]) =>
      names.includes(key);
  const bindings = shader.bindings.map(({ name }) => name);
  return {
    shader,
    constants: Object.fromEntries(Object.entries(constants).filter(known(Object.keys(shader.overrides)))),
    shape,
    buffers: Object.fromEntries(Object.entries(buffers).filter(known(bindings))),
  };
}

/** The same product with its bare sums, part by part, where its result lay. */
function asParts(product: ProductName, { constants, shape, buffers }: ProductPass, floats: number): ProductPass {
  const bare = { ...constants, ACTIVATION: 0, FIRST: true, LAST: false, SAVE: false };
  const [k, n] = [shape.k!, shape.n!];
  switch (product) {
    case 'forward':
      return {
        constants: { ...bare, BIAS: false },
        shape,
        buffers: { ...buffers, y: undefined, saved: undefined, bias: undefined },
      };
    case 'inputGradient':
      return {
        constants: bare,
        shape: { ...shape, dx_stride: rowStride(k), k_begin: 0 },
        buffers: { ...buffers, dx: undefined, saved: undefined },
      };
    case 'weightGradient':
      return {
        constants: { ...bare, SHARED: true },
        shape: { ...shape, weight_at: 0, weight_stride: floats, bias_at: k * n, bias_stride: floats },
        buffers: { ...buffers, grads: undefined, bias: undefined },
      };
  }
}

const RESULT: Readonly<Record<ProductName, string>> = { forward: 'y', inputGradient: 'dx', weightGradient: 'grads' };

function lowerWith(kernel: Kernel, op: ProductOp, pass: (i: number) => ProductPass): PassSpec[] {
  const product = PRODUCT_OF[op.kind]!;
  return perPiece(op, (i) => {
    const { inputs, stride } = op.shape.pieces[i]!;
    const sizes = sizesOf(op, inputs);
    const tiles = tilesOf(kernel, sizes);
    const parts = partsOf(kernel, tiles, sizes.k);
    const made = pass(i);
    const { weight } = made.buffers;
    const full: ProductPass = {
      constants: { ...made.constants, VECTOR: op.shape.outputs % 4 === 0 && stride % 4 === 0 },
      shape: { ...made.shape, ...parts },
      buffers: weight ? { ...made.buffers, weight: whole(weight) } : made.buffers,
    };
    const groups = tiles * parts.splits;
    if (!kernel.split) return { ...given(kernel[product], full), groups };
    const floats = partFloats(op, inputs);
    const scratch = { key: 'parts', bytes: partsBytes(kernel, op, inputs) };
    const summed = product === 'weightGradient' ? (inputs + 1) * op.shape.outputs : floats;
    return [
      {
        ...given(kernel[product], asParts(product, full, floats)),
        scratch: { [RESULT[product]]: scratch },
        groups,
      },
      {
        ...given(SUMS[product], full),
        scratch: { parts: scratch },
        groups: Math.ceil(summed / 256),
      },
    ];
  });
}

/** An input gradient's passes with the kernel that is chosen for its shape. */
export function inputGradientPasses(
  op: DenseInputGradientOp,
  next: ActivationGradientOp | undefined,
  device: GPUDevice,
): PassSpec[] {
  const name = choose(sizesOf(op), device);
  const kernel = KERNELS.find((each) => each.name === name && fits(each, op, device));
  return kernel ? lowerWith(kernel, op, (i) => inputGradientPass(op, i, next)) : inputGradientTiles(op, next);
}

/** A form of a kernel: where it fits, and where it is the one that is chosen for the shape. */
const of = (kernel: Kernel, form: Form): Form => ({
  ...form,
  match: (ops, at, device) => {
    const taken = form.match(ops, at, device);
    return taken > 0 && fits(kernel, ops[at] as ProductOp, device) ? taken : 0;
  },
  suits: (ops, at, device) => choose(sizesOf(ops[at] as ProductOp), device) === kernel.name,
});

const pairs = KERNELS.flatMap((kernel) => [
  of(
    kernel,
    pairOf<DenseOp, ActivationOp>(`dense+activation/${kernel.name}`, ['dense', 'y'], ['activation', 'x'], (a, b) =>
      lowerWith(kernel, a, (i) => forwardPass(a, i, b)),
    ),
  ),
  of(
    kernel,
    pairOf<DenseInputGradientOp, ActivationGradientOp>(
      `dense-input-gradient+activation-gradient/${kernel.name}`,
      ['dense-input-gradient', 'dx'],
      ['activation-gradient', 'dy'],
      (a, b) => lowerWith(kernel, a, (i) => inputGradientPass(a, i, b)),
    ),
  ),
]);

const singles = KERNELS.flatMap((kernel) => [
  of(
    kernel,
    formOf<DenseOp>(`dense/${kernel.name}`, 'dense', (op) => lowerWith(kernel, op, (i) => forwardPass(op, i))),
  ),
  of(
    kernel,
    formOf<DenseInputGradientOp>(`dense-input-gradient/${kernel.name}`, 'dense-input-gradient', (op) =>
      lowerWith(kernel, op, (i) => inputGradientPass(op, i)),
    ),
  ),
  of(
    kernel,
    formOf<DenseWeightGradientOp>(`dense-weight-gradient/${kernel.name}`, 'dense-weight-gradient', (op) =>
      lowerWith(kernel, op, (i) => weightGradientPass(op, i)),
    ),
  ),
]);

export const tileForms: readonly Form[] = [...pairs, ...singles];
