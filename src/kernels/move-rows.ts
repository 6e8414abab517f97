import type { BufferRange } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/passes.js';
import { moveRowsShader } from '../shaders/space/move_rows.gen.js';
import { setRowsShader } from '../shaders/space/set_rows.gen.js';

/* Rows that come, go and change places, and how many there are then. */

/** A field where rows are moved; places and strides in elements of the bindings. */
export interface MovedField {
  readonly width: number;
  readonly from: { readonly first: number; readonly stride: number };
  readonly to: { readonly first: number; readonly stride: number };
  /** What a row starts with that was not there before; 'keep': what stands there. */
  readonly start: number | 'keep';
}

const MODES = { gather: 0, copy: 1, reset: 2, fill: 3 } as const;
const WORDS = 8;
const WORKGROUP = 64;
const MAX_GROUPS = 4096;

/** The fields as words, for one move after another. */
export function fieldWords(fields: readonly MovedField[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(WORDS * (fields.length + 1));
  const floats = new Float32Array(words.buffer);
  for (const [i, { width, from, to, start }] of fields.entries()) {
    words.set([width, from.first, from.stride, to.first, to.stride], WORDS * i);
    if (start === 'keep') words[WORDS * i + 6] = 1;
    else floats[WORDS * i + 5] = start;
  }
  return words;
}

/**
 * @param shape `rows` there are in `from` (gather, copy), in `to` (reset), or were before (fill); `count` are written; `first`:
 * the word that indices begin with
 * @param elements of one row, all fields
 */
export function moveRows(
  label: string,
  mode: keyof typeof MODES,
  shape: { readonly rows: number; readonly count: number; readonly first?: number },
  elements: number,
  buffers: {
    readonly fields: BufferRange;
    readonly to: BufferRange;
    readonly from?: BufferRange;
    readonly indices?: BufferRange | undefined;
  },
): PassSpec {
  const { fields, to, from, indices } = buffers;
  return {
    ...{ label, shader: moveRowsShader, constants: { MODE: MODES[mode], WORKGROUP }, shape: { first: 0, ...shape } },
    buffers: { fields, new_rows: to, old_rows: from, indices },
    groups: Math.min(Math.ceil((shape.count * elements) / WORKGROUP), MAX_GROUPS),
    replicas: 1,
  };
}

/** From here on there are so many rows. */
export const setRows = (label: string, rows: number, table: BufferRange): PassSpec => ({
  ...{ label, shader: setRowsShader, constants: {}, shape: { rows }, buffers: { table }, groups: 1, replicas: 1 },
});

/** What moves need to be compiled, so that none waits for it. */
export const MOVE_KERNELS = [
  ...Object.values(MODES).map((MODE) => ({ shader: moveRowsShader, constants: { MODE, WORKGROUP } })),
  { shader: setRowsShader, constants: {} },
];
