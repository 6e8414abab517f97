import type { BufferRange } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { Shader } from '../shaders/shader.js';
import type { Op } from './op.js';
import { ARENA_BLOCK, type UpdateOp } from './update.js';

/*
 * Updates of a span: a stretch of foreign memory, of any first element and length and of several groups. Elements are
 * numbered so that element 0 lies on a 16-byte boundary of param and grad; the span begins at `lead`, which is 0 to 3, and its
 * state has as many floats in front. So whole 64-float chunks of one group are vec4s in every array ('body'); the chunks
 * that are left, mostly two at the ends, go float by float ('range'), as all do where param and grad lie differently.
 */

/** A stretch of a span whose elements belong to one group. */
export interface Stretch {
  readonly elements: number;
  /** Row of `hyper`. */
  readonly row: number;
}

/** What the kernels must know of a span. */
export interface ForeignMap {
  /**
   * For `group_of`: 0 the end of the span, 1 its lead, 2 where element 0 lies in param, 3 in grad, 4 bits of what one unit of
   * a fixed-point gradient is worth, 5 start of the borders, 6 and 7 start and length of the list of chunks for 'range'; from
   * 8 on one word per chunk: the row of its group, or MIXED | border, where a border is (end, row) and holds for the
   * elements before its end.
   */
  readonly words: Uint32Array<ArrayBuffer>;
  /** Elements in front of the span: its state is so much longer. */
  readonly lead: number;
  /** Chunks that the vec4s are taken from: all, or none. */
  readonly body: number;
  /** Chunks in the list. */
  readonly rest: number;
}

const MIXED = 0x8000_0000;
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
  let end = lead;
  const borders = stretches.flatMap(({ elements, row }) => {
    end += elements;
    return [end, row];
  });
  const entries = new Uint32Array(Math.ceil(end / ARENA_BLOCK));
  const pieces: number[] = [];
  let i = 0;
  for (let chunk = 0; chunk < entries.length; chunk++) {
    const [begin, stop] = [ARENA_BLOCK * chunk, ARENA_BLOCK * (chunk + 1)];
    while (borders[2 * i]! <= Math.max(begin, lead)) i++;
    let whole = begin >= lead && stop <= end;
    for (let next = i; whole && borders[2 * next]! < stop; next++) whole = borders[2 * next + 3] === borders[2 * i + 1];
    entries[chunk] = whole ? borders[2 * i + 1]! : MIXED + i;
    if (!whole) pieces.push(chunk);
  }
  const wholes = entries.length - pieces.length;
  const body = aligned && wholes > 0 && (wholes >= FEW || pieces.length === 0) ? entries.length : 0;
  const list = body ? pieces : entries.keys();
  const at = 8 + entries.length;
  const rest = body ? pieces.length : entries.length;
  const words = new Uint32Array(at + borders.length + rest);
  words.set([end, lead, first.param - lead, first.grad - lead, 0, at, at + borders.length, rest]);
  new Float32Array(words.buffer)[4] = first.unit;
  words.set(entries, 8);
  words.set(borders, at);
  words.set([...list], at + borders.length);
  return { words, lead, body, rest };
}

/**
 * One rule's update of a span: an op for its body, one for the rest, where there is any.
 *
 * @param shader of a rule
 * @param map of {@link foreignMap}, its words in `table`
 * @param grad left out where `param` holds both
 * @param state by slot name, of `map.lead` floats more than the span has
 */
export function updateForeign(operands: {
  readonly label: string;
  readonly shader: Shader;
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
  const { label, map, table, flags, fixed, zero, hyper, param, grad, state } = operands;
  const { forms } = operands.shader;
  if (!forms)
    throw new DownhillError(
      'INTERNAL',
      `${operands.shader.name} has no form for foreign ranges.`,
      'Let `npm run gen` make its module.',
    );
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
