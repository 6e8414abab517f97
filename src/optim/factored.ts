import { DownhillError } from '../gpu/errors.js';
import { elementsOf, type Part, type PlacedVector, type TensorShape } from '../space/space.js';
import type { RulePasses } from './rule-passes.js';

/*
 * Where the factors of second moments lie (Adafactor). A tensor of two or more axes is a stack of matrices, its last two axes; rows
 * are numbered through the stack. Any other is a matrix of one column, with an average for each row: its elements. Tables are words
 * of the structs of the same names in shaders/optim/adafactor.
 */

/** Rows and columns of a tile, whose sums are partial sums of a row or column. */
const TILE = 64;

/** A tensor as matrices. */
interface Stack {
  readonly tensor: TensorShape;
  readonly group: number;
  readonly factored: boolean;
  readonly count: number;
  readonly rows: number;
  readonly cols: number;
  /** Where its sums begin: of rows, `partsOf(cols)` times all of them; of columns, those of the first matrix first. */
  readonly rowSums: number;
  readonly colSums: number;
  /** Where its ratios begin. */
  readonly ratios: number;
}

const partsOf = (size: number) => Math.ceil(size / TILE);
const isFactored = ({ shape }: TensorShape) => shape.length > 1;
/** How many column sums one matrix has. */
const colSumsOf = ({ rows, cols, factored }: Stack) => (factored ? partsOf(rows) * cols : 0);

/** Memory and tables of the passes: state by slot, where some tensor has it; per-step numbers; how many workgroups. */
export function planFactors(step: RulePasses) {
  const rowVar = step.factors('row_var', (tensor) => (isFactored(tensor) ? tensor.shape.slice(0, -1) : undefined));
  const colVar = step.factors('col_var', (tensor) =>
    isFactored(tensor) ? [...tensor.shape.slice(0, -2), tensor.shape.at(-1)!] : undefined,
  );
  const variance = step.factors('variance', (tensor) => (isFactored(tensor) ? undefined : tensor.shape));
  const { stacks, sums, ratios } = placeStacks(step);
  const matrices = stacks.flatMap((stack) => matrixWords(stack, stack.factored ? rowVar : variance, colVar));
  const tiles = step.space.spans.map(({ parts }) =>
    parts.flatMap((part) =>
      stacks.filter(({ tensor }) => tensor.name === part.tensor).flatMap((own) => tileWords(own, part)),
    ),
  );
  const sizes = new Uint32Array(step.groups.length);
  for (const { tensor, group } of stacks) sizes[group] = elementsOf(tensor);
  const shapes = step.space.spans.map(({ parts }, i) => {
    const words = new Uint32Array(8 * step.groups.length);
    for (const stack of stacks) {
      const part = parts.find(({ tensor }) => tensor === stack.tensor.name);
      if (part) words.set(shapeWords(stack, part, colVar), 8 * stack.group);
    }
    return step.table(`shapes-${i}`, words);
  });
  return {
    state: { ...only('row_var', rowVar), ...only('col_var', colVar), ...only('variance', variance) },
    colVar: only('col_var', colVar),
    partial: step.memory('square-sums', 4 * sums * step.replicas),
    rowRatio: step.memory('row-ratio', 4 * ratios * step.replicas),
    matrices: new Uint32Array(matrices),
    matrixCount: matrices.length / MATRIX_WORDS,
    tiles: tiles.map((words) => new Uint32Array(words)),
    sizes: step.table('sizes', sizes),
    shapes: { name: 'shapes', ranges: shapes },
  };
}

const TILE_WORDS = 8;
const MATRIX_WORDS = 12;
/** Workgroups for a table of tiles. */
export const tileCount = (tiles: Uint32Array) => tiles.length / TILE_WORDS;

/** By the name of its binding, where there is any: else it stays unbound. */
function only(name: string, { space, vector }: PlacedVector) {
  if (space.tensors.length === 0) return {};
  if (space.spans.length === 1) return { [name]: vector.ranges[0]! };
  throw new DownhillError(
    'LIMIT-BINDING',
    `${name} takes more than a storage binding holds here.`,
    'Use an adapter with a larger maxStorageBufferBindingSize.',
  );
}

function placeStacks(step: RulePasses) {
  let [sums, ratios] = [0, 0];
  const stacks = step.tensors.map((tensor): Stack => {
    const factored = isFactored(tensor);
    const elements = elementsOf(tensor);
    const [rows, cols] = factored ? (tensor.shape.slice(-2) as [number, number]) : [elements, 1];
    const own = { tensor, group: step.groupOf(tensor.name), factored, count: elements / (rows * cols), rows, cols };
    const stack = { ...own, rowSums: sums, colSums: sums + own.count * rows * partsOf(cols), ratios };
    sums = stack.colSums + own.count * colSumsOf(stack);
    ratios += own.count * rows;
    return stack;
  });
  return { stacks, sums, ratios };
}

const placeOf = ({ space }: PlacedVector, { tensor }: Stack) => space.partsOf(tensor.name)[0]?.at ?? 0;

function matrixWords(stack: Stack, rowState: PlacedVector, colState: PlacedVector): number[] {
  const { count, rows, cols, rowSums, colSums, ratios, group, factored } = stack;
  const [rowAt, colAt] = [placeOf(rowState, stack), placeOf(colState, stack)];
  return Array.from({ length: count }, (_, i) => [
    rows,
    cols,
    rowSums + i * rows,
    partsOf(cols),
    count * rows,
    colSums + i * colSumsOf(stack),
    partsOf(rows),
    rowAt + i * rows,
    colAt + i * cols,
    ratios + i * rows,
    group,
    Number(factored),
  ]).flat();
}

/** The tiles of what lies in one span: whole matrices, or of one that several spans share a multiple of 64 rows. */
function tileWords(stack: Stack, part: Part): number[] {
  const { count, rows, cols, rowSums, colSums, group, factored } = stack;
  const words: number[] = [];
  const [begin, end] = [part.start / cols, Math.ceil((part.start + part.elements) / cols)];
  for (let row = begin; row < end; ) {
    const [matrix, within] = [Math.floor(row / rows), row % rows];
    const height = Math.min(TILE, rows - within, end - row);
    for (let col = 0; col < cols; col += TILE) {
      words.push(
        part.at + row * cols + col - part.start,
        height,
        Math.min(TILE, cols - col),
        cols,
        rowSums + (col / TILE) * count * rows + row,
        colSums + matrix * colSumsOf(stack) + Math.floor(within / TILE) * cols + col,
        group,
        Number(factored),
      );
    }
    row += height;
  }
  return words;
}

const shapeWords = (stack: Stack, part: Part, colVar: PlacedVector): number[] => [
  part.at,
  part.start,
  elementsOf(stack.tensor),
  stack.rows,
  stack.cols,
  stack.ratios,
  placeOf(colVar, stack),
  Number(stack.factored),
];
