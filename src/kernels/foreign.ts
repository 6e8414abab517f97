import type { BufferRange } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { Shader } from '../shaders/shader.js';
import type { Op } from './op.js';
import { ARENA_BLOCK, type UpdateOp } from './update.js';

/*
 * Updates of a span: a stretch of foreign memory, of any first element and length, of several groups, and with gaps that are
 * none of ours. Elements are numbered so that element 0 lies on a 16-byte boundary of param and grad; the span begins at
 * `lead`, which is 0 to 3, and its state has as many floats in front. So whole 64-float chunks of one group are vec4s in
 * every array ('body'); the chunks that are left, mostly at the ends and gaps, go float by float ('range'), as all do where
 * param and grad lie differently.
 */

/** A stretch of a span whose elements belong to one group, or to nobody. */
export interface Stretch {
  readonly elements: number;
  /** Row of `hyper`; none for a gap. */
  readonly row?: number;
}

/** What the kernels must know of a span. */
export interface ForeignMap {
  /**
   * For `group_of`: 0 the number of chunks, 1 where element 0 lies in param, 2 in grad, 3 bits of what one unit of a
   * fixed-point gradient is worth, 4 and 5 start and length of the list for 'range'; from 6 on for 'body' one word per chunk,
   * its row or NONE. The list has two words per chunk: its number, and where in the table the border is that its first
   * element lies before. A border is (end, row) and holds for the elements from the last one's end on.
   */
  readonly words: Uint32Array<ArrayBuffer>;
  /** Elements in front of the span: its state is so much longer. */
  readonly lead: number;
  /** Chunks that the vec4s are taken from: all, or none. */
  readonly body: number;
  /** Chunks in the list. */
  readonly rest: number;
}

/** A row of nobody. */
const NONE = 0xffff_ffff;
/** Words in front of the chunks'. */
const HEADER = 6;
/** Whole chunks below which a second dispatch costs more than vec4s save: 15-25 µs against 0.2-0.3 µs a chunk on lavapipe. */
const FEW = 64;

/**
 * @param first the span's first element in the bindings of param and grad, which begin on a 16-byte boundary; `unit`: the
 * worth of a fixed-point gradient's 1; `shared`: one binding holds both
 */
export function foreignMap(
  stretches: readonly Stretch[],
  first: {
    readonly param: number;
    readonly grad: number;
    readonly unit: number;
    readonly shared?: boolean;
    /** Floats in front of the state; default: what vec4s need. */
    readonly lead?: number;
  },
): ForeignMap {
  const alike = !first.shared && (first.param - first.grad) % 4 === 0;
  const lead = first.lead ?? (alike ? first.param % 4 : 0);
  const aligned = alike && first.param % 4 === lead;
  const { borders, end } = bordersOf(stretches, lead);
  const chunks = Math.ceil(end / ARENA_BLOCK);
  const rows = new Uint32Array(chunks);
  /** Chunk and border in turn: the chunks that are not whole, and all but those of nothing. */
  const pieces: number[] = [];
  const all: number[] = [];
  for (let chunk = 0, i = 0; chunk < chunks; chunk++) {
    while (borders[i]! <= ARENA_BLOCK * chunk) i += 2;
    const whole = borders[i]! >= ARENA_BLOCK * (chunk + 1);
    const row = borders[i + 1]!;
    rows[chunk] = whole ? row : NONE;
    if (!whole) pieces.push(chunk, i);
    if (!whole || row !== NONE) all.push(chunk, i);
  }
  const wholes = (all.length - pieces.length) / 2;
  const vectors = aligned && wholes > 0 && (wholes >= FEW || pieces.length === 0);
  const list = vectors ? pieces : all;
  const at = HEADER + (vectors ? chunks : 0);
  const words = new Uint32Array(at + borders.length + list.length);
  words.set([chunks, first.param - lead, first.grad - lead, 0, at + borders.length, list.length / 2]);
  new Float32Array(words.buffer)[3] = first.unit;
  if (vectors) words.set(rows, HEADER);
  words.set(borders, at);
  words.set(
    list.map((word, i) => word + (i % 2) * at),
    at + borders.length,
  );
  return { words, lead, body: vectors ? chunks : 0, rest: list.length / 2 };
}

/** (end, row) of every stretch, neighbours of one row as one; nobody's before the first and after the last. */
function bordersOf(stretches: readonly Stretch[], lead: number): { borders: number[]; end: number } {
  const borders: number[] = [];
  let end = 0;
  for (const { elements, row = NONE } of [{ elements: lead }, ...stretches]) {
    end += elements;
    if (borders.at(-1) === row) borders[borders.length - 2] = end;
    else if (elements > 0) borders.push(end, row);
  }
  return { borders: [...borders, NONE, NONE], end };
}

/** A rule's kernel in its loops over a span. */
export type ForeignForms = Readonly<Record<'body' | 'range' | 'shared', Shader>>;

/** Loads them: before {@link updateForeign}, which cannot wait. @throws DownhillError INTERNAL where there are none */
export async function loadForeign({ name, forms }: Shader): Promise<ForeignForms> {
  if (!forms)
    throw new DownhillError(
      'INTERNAL',
      `${name} has no form for foreign ranges.`,
      'Let `npm run gen` make its module.',
    );
  const [body, range, shared] = await Promise.all([forms.body(), forms.range(), forms.shared()]);
  return { body, range, shared };
}

/**
 * One rule's update of a span: an op for its body, one for the rest, where there is any.
 *
 * @param forms of the rule's kernel, of {@link loadForeign}
 * @param map of {@link foreignMap}, its words in `table`
 * @param grad left out where `param` holds both
 * @param state by slot name, of `map.lead` floats more than the span has
 */
export function updateForeign(operands: {
  readonly label: string;
  readonly forms: ForeignForms;
  readonly map: ForeignMap;
  readonly table: BufferRange;
  readonly flags: Readonly<Record<string, boolean>>;
  readonly fixed: boolean;
  readonly zero: boolean;
  readonly hyper: BufferRange;
  readonly param: BufferRange;
  readonly grad: BufferRange | undefined;
  readonly state: Readonly<Record<string, BufferRange>>;
}): Op[] {
  const { label, forms, map, table, flags, fixed, zero, hyper, param, grad, state } = operands;
  const op = (kind: UpdateOp['kind'], suffix: string, shader: Shader, chunks: number): UpdateOp => ({
    kind,
    label: `${label}${suffix}`,
    shape: { shader, constants: { ...flags, FIXED: fixed, ZERO: zero }, chunks },
    buffers: { hyper, param, ...(grad && { grad }), ...state, group_of: table },
    replicas: 1,
  });
  return [
    ...(map.body ? [op('update', '', forms.body, map.body)] : []),
    ...(map.rest ? [op('update-range', map.body ? '-rest' : '', grad ? forms.range : forms.shared, map.rest)] : []),
  ];
}
