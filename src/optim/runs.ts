import { ALIGNMENT } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { ARENA_BLOCK, MAX_ROWS, SEGMENT } from '../kernels/update.js';
import type { AdoptedTensor } from './adopt.js';
import type { Rule } from './rule.js';

/*
 * From tensors to dispatches: tensors that lie next to each other, parameters and gradients alike, make one run, whatever
 * their groups. A run is cut where a limit asks, at a multiple of 64 elements.
 */

/** Part of a tensor in a run. */
export interface RunPart {
  readonly tensor: AdoptedTensor;
  /** First element of the tensor in this part, and of the part in the run. */
  readonly start: number;
  readonly at: number;
  readonly elements: number;
  readonly row: number;
}

/** Ranges of param and grad, equally long and without gaps, that one dispatch updates. */
export interface Run {
  readonly param: { readonly buffer: GPUBuffer; readonly offset: number };
  readonly grad: { readonly buffer: GPUBuffer; readonly offset: number };
  readonly elements: number;
  readonly parts: readonly RunPart[];
}

/** The rows of `hyper`: one for every distinct set of hyper-parameters, or one per tensor where norms are per tensor. */
export interface GroupRow {
  readonly rule: Rule;
  readonly frozen: boolean;
}

const same = (a: GroupRow, b: GroupRow): boolean =>
  a.frozen === b.frozen &&
  Object.entries(a.rule.hyper).every(([key, value]) => {
    const other = (b.rule.hyper as Readonly<Record<string, unknown>>)[key];
    return Array.isArray(value) && Array.isArray(other) ? value.every((each, i) => each === other[i]) : value === other;
  });

export function groupRows(
  tensors: readonly AdoptedTensor[],
  perTensor: boolean,
): { rows: GroupRow[]; rowOf: Map<AdoptedTensor, number> } {
  const rows: GroupRow[] = [];
  const rowOf = new Map<AdoptedTensor, number>();
  for (const tensor of tensors) {
    const own = { rule: tensor.rule, frozen: tensor.frozen };
    let row = perTensor ? -1 : rows.findIndex((each) => same(each, own));
    if (row < 0) row = rows.push(own) - 1;
    rowOf.set(tensor, row);
  }
  if (rows.length > MAX_ROWS) {
    throw new DownhillError(
      'OPTION-RANGE',
      `The tensors make ${rows.length} groups; ${MAX_ROWS} are the most.`,
      perTensor ? 'Clip by the global norm, or use several optimizers.' : 'Let tensors share hyper-parameters.',
    );
  }
  return { rows, rowOf };
}

/** @param most elements of one run, a multiple of 64 */
export function planRuns(
  tensors: readonly AdoptedTensor[],
  rowOf: ReadonlyMap<AdoptedTensor, number>,
  most: number,
): Run[] {
  const buffers = new Map<GPUBuffer, number>();
  for (const { param } of tensors) if (!buffers.has(param.buffer)) buffers.set(param.buffer, buffers.size);
  const ordered = tensors
    .filter(({ elements }) => elements > 0)
    .sort((a, b) => buffers.get(a.param.buffer)! - buffers.get(b.param.buffer)! || a.param.offset - b.param.offset);

  const chains: AdoptedTensor[][] = [];
  for (const tensor of ordered) {
    const before = chains.at(-1)?.at(-1);
    const follows =
      before &&
      ['param', 'grad'].every((kind) => {
        const [a, b] = [before[kind as 'param'], tensor[kind as 'param']];
        return a.buffer === b.buffer && a.offset + 4 * before.elements === b.offset;
      });
    if (follows) chains.at(-1)!.push(tensor);
    else chains.push([tensor]);
  }
  return chains
    .flatMap((chain) => cut(chain, rowOf, most))
    .filter(({ parts }) => parts.some(({ tensor }) => !tensor.frozen));
}

function cut(chain: readonly AdoptedTensor[], rowOf: ReadonlyMap<AdoptedTensor, number>, most: number): Run[] {
  const total = chain.reduce((sum, { elements }) => sum + elements, 0);
  const first = chain[0]!;
  const runs: Run[] = [];
  const length = runLength(first, total, most);
  for (let begin = 0; begin < total; begin += length) {
    const elements = Math.min(length, total - begin);
    const parts: RunPart[] = [];
    let at = 0;
    for (const tensor of chain) {
      const [from, to] = [Math.max(at, begin), Math.min(at + tensor.elements, begin + elements)];
      if (from < to)
        parts.push({ tensor, start: from - at, at: from - begin, elements: to - from, row: rowOf.get(tensor)! });
      at += tensor.elements;
    }
    const shift = ({ buffer, offset }: { buffer: GPUBuffer; offset: number }) => ({
      buffer,
      offset: offset + 4 * begin,
    });
    runs.push({ param: shift(first.param), grad: shift(first.grad), elements, parts });
  }
  return runs;
}

/** Half as long where parameter and gradient lie so close in one buffer that one binding may have to hold both. */
function runLength({ param, grad }: AdoptedTensor, total: number, most: number): number {
  const apart = param.buffer === grad.buffer ? Math.abs(param.offset - grad.offset) : Number.POSITIVE_INFINITY;
  const bytes = 4 * Math.min(most, total);
  if (apart >= bytes + ALIGNMENT || apart + bytes <= 4 * most) return most;
  return Math.max(Math.floor(most / 2 / ARENA_BLOCK) - 1, 1) * ARENA_BLOCK;
}

/** What the norm kernel sums: per run the table of its segments, and where each group's segments begin in `partial`. */
export function planSegments(runs: readonly Run[], rows: readonly GroupRow[]) {
  const all = runs.flatMap((run, i) =>
    run.parts
      .filter(({ tensor }) => !tensor.frozen)
      .flatMap(({ at, elements, row }) =>
        Array.from({ length: Math.ceil(elements / SEGMENT) }, (_, k) => ({
          run: i,
          row,
          first: at + k * SEGMENT,
          count: Math.min(SEGMENT, elements - k * SEGMENT),
        })),
      ),
  );
  // By group, and within one in the order of the runs: the order of every sum is fixed.
  const placed = [...all].sort((a, b) => a.row - b.row).map((segment, place) => ({ ...segment, place }));
  const begins = new Uint32Array(rows.length + 1);
  for (const { row } of placed) begins[row + 1]!++;
  for (let row = 0; row < rows.length; row++) begins[row + 1]! += begins[row]!;
  const tables = runs.map((_, i) => {
    const own = placed.filter(({ run }) => run === i);
    return {
      segments: own.length,
      table: new Uint32Array(own.flatMap(({ first, count, place }) => [first, count, place, 0])),
    };
  });
  return { segments: placed.length, begins, tables };
}

/** The longest run whose ranges can be bound: padded to the boundary below, in whole blocks. */
export function longestRun(device: GPUDevice): number {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const room = limit - device.limits.minStorageBufferOffsetAlignment;
  return Math.floor(room / 4 / ARENA_BLOCK) * ARENA_BLOCK;
}
