import { type BufferRange, range } from '../gpu/buffers.js';
import { describeAdapter } from '../gpu/device.js';
import type { PassSpec } from '../gpu/passes.js';
import { traitsOf } from '../gpu/traits.js';
import type { Shader } from '../shaders/shader.js';
import { accumulateRowsShader } from '../shaders/space/accumulate_rows.gen.js';
import { normRowsShader } from '../shaders/space/norm_rows.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/*
 * Updates over rows: fields of records in memory that somebody else laid out. A field is a tensor of so many rows, each of
 * `width` elements that lie together, the rows at a stride in parameters and at one in gradients; its state is dense. All
 * fields of one pair of buffers are one dispatch.
 */

/** A field as the kernels see it; places and strides in elements of the bindings. */
export interface RowField {
  readonly width: number;
  readonly param: { readonly first: number; readonly stride: number };
  readonly grad: { readonly first: number; readonly stride: number };
  /** Its first element in state. */
  readonly state: number;
  /** Row of `hyper`. */
  readonly row: number;
  /** What a gradient's integer is worth; undefined for f32. */
  readonly unit: number | undefined;
  /** Factors of the learning rate: one for each row there may be, and so many as come again and again along a row. */
  readonly rates?: {
    readonly rows?: Float32Array | undefined;
    readonly period?: Float32Array | undefined;
    /** The words of a record that are proportional to the learning rate, a bit for each. */
    readonly linear: number;
  };
}

/** Which rows take part: a word for each, or their number. */
export interface Activity {
  readonly by: 'mask' | 'count';
  readonly range: BufferRange;
  /** Word of the range that it begins with. */
  readonly first: number;
  /** Rows in front of those here, which the number counts, too. */
  readonly before: number;
}

/**
 * The table: (rows now, items, teams, first word of `active`, rows that come before, 0 …), then 16 words for each field: its first item, width, first
 * element and stride in param, in grad, first element of state, row of `hyper`, unit (0 for f32), elements side by side and
 * below one another in a vec4, where rates of rows and of columns begin in this table (0: nowhere), how many the latter are, what
 * is proportional to the rate. An item is a column, or four. Then a field of no width, whose first item is none; then rates.
 */
const HEADER = 8;
const WORDS = 16;
/** Word of the table that says how many rows there are now. */
export const ROWS_WORD = 0;
const NO_ITEM = 0xffff_ffff;

const ACTIVE = { mask: 1, count: 2 } as const;
const WORKGROUP = 64;
const MAX_GROUPS = 4096;

/** Where a field's words are in the table. */
export const fieldWord = (index: number) => HEADER + WORDS * index;

/** Rates differ from lane to lane of a vec4 unless its elements share their row, or their column. */
function shapeOf({ width, rates }: RowField): { across: number; down: number } {
  if (rates?.rows) return { across: rates.period || width === 1 ? 1 : 4, down: 1 };
  return { across: 1, down: 4 };
}

/** Vec4s of a column that one lane takes, at least: a look at table and record for each takes time on a CPU; a GPU has lanes to spare. */
const perLane = (device: GPUDevice) => (describeAdapter(device).cpu ? 16 : 2);

export interface RowTable {
  readonly words: Uint32Array<ArrayBuffer>;
  /** What one lane does is an item of one team's rows. */
  readonly lanes: number;
}

/**
 * @param rows how many there are, and how many there may be
 */
export function rowTable(
  device: GPUDevice,
  fields: readonly RowField[],
  rows: { readonly now: number; readonly most: number },
  activity?: Activity,
): RowTable {
  const end = fieldWord(fields.length) + WORDS;
  const length = fields.reduce(
    (sum, { rates }) => sum + (rates?.rows?.length ?? 0) + (rates?.period?.length ?? 0),
    end,
  );
  const words = new Uint32Array(length);
  const floats = new Float32Array(words.buffer);
  const teams = Math.max(Math.ceil(rows.most / 4 / perLane(device)), 1);
  let [items, next] = [0, end];
  const put = (values: Float32Array | undefined): number => {
    if (!values) return 0;
    floats.set(values, next);
    next += values.length;
    return next - values.length;
  };
  for (const [i, field] of fields.entries()) {
    const { width, param, grad, state, row, unit, rates } = field;
    const { across, down } = shapeOf(field);
    const at = fieldWord(i);
    words.set([items, width, param.first, param.stride, grad.first, grad.stride, state, row, 0, across, down], at);
    floats[at + 8] = unit ?? 0;
    words.set([put(rates?.rows), put(rates?.period), rates?.period?.length ?? 1, rates?.linear ?? 0], at + 11);
    items += Math.ceil(width / across);
  }
  words[fieldWord(fields.length)] = NO_ITEM;
  words.set([rows.now, items, teams, activity?.first ?? 0, activity?.before ?? 0]);
  return { words, lanes: items * teams };
}

type RowsOp = Op<
  'update-rows',
  {
    readonly shader: Shader;
    readonly constants: Readonly<Record<string, number | boolean>>;
    readonly lanes: number;
  }
>;

/**
 * One rule's update of fields.
 *
 * @param shader the rule's, over rows; the one for a shared binding where `grad` is left out
 * @param table of {@link rowTable}
 */
export function updateRows(operands: {
  readonly label: string;
  readonly shader: Shader;
  readonly lanes: number;
  readonly table: BufferRange;
  readonly activity: Activity | undefined;
  readonly rates: boolean;
  readonly flags: Readonly<Record<string, boolean>>;
  readonly zero: boolean;
  readonly hyper: BufferRange;
  readonly param: BufferRange;
  readonly grad: BufferRange | undefined;
  readonly state: Readonly<Record<string, BufferRange>>;
}): Op {
  const { label, shader, lanes, table, activity, rates, flags, zero, hyper, param, grad, state } = operands;
  const constants = { ...flags, ZERO: zero, RATES: rates, ACTIVE: activity ? ACTIVE[activity.by] : 0 };
  return {
    kind: 'update-rows',
    label,
    shape: { shader, constants, lanes },
    buffers: { hyper, param, ...(grad && { grad }), ...state, group_of: table, active_rows: activity?.range },
    replicas: 1,
  } satisfies RowsOp;
}

type NormRowsOp = Op<'norm-rows', { readonly segments: number; readonly active: number }>;

/** Sums of squares of segments: (first row, rows, place in partial, {@link fieldWord}) each. */
export const normRows = (
  label: string,
  segments: Uint32Array,
  activity: Activity | undefined,
  buffers: Readonly<Record<'grad' | 'segments' | 'table' | 'partial', BufferRange>>,
): Op =>
  ({
    kind: 'norm-rows',
    label,
    shape: { segments: segments.length / 4, active: activity ? ACTIVE[activity.by] : 0 },
    buffers: { ...buffers, active_rows: activity?.range },
    replicas: 1,
  }) satisfies NormRowsOp;

type AccumulateRowsOp = Op<'accumulate-rows', { readonly elements: number; readonly zero: boolean }>;

/** total += gradient, of fields whose `state` says where in the sum they are. */
export const accumulateRows = (
  label: string,
  shape: AccumulateRowsOp['shape'],
  buffers: Readonly<Record<'grad' | 'total' | 'clock' | 'table', BufferRange>>,
): Op => ({ kind: 'accumulate-rows', label, shape, buffers, replicas: 1 }) satisfies AccumulateRowsOp;

const updatePass = ({ label, shape, buffers }: RowsOp, SEEK: boolean): PassSpec[] => {
  const { shader, constants, lanes } = shape;
  const groups = Math.min(Math.ceil(lanes / WORKGROUP), 65_535);
  return [{ label, shader, constants: { ...constants, SEEK, WORKGROUP }, buffers, groups, replicas: 1 }];
};

const seeking = formOf<RowsOp>('update/rows-seek', 'update-rows', (op) => updatePass(op, true));

/**
 * SwiftShader goes through what an `if` leaves out with all lanes off, but not through loops: with a tenth of 100,000 records of 14
 * floats active in runs, Adam took 30 ms seeking and 66 without. lavapipe took 87 and 36 ms with all of them active.
 */
export const ROW_FORMS: readonly Form[] = [
  {
    ...seeking,
    match: (ops, at, device) =>
      traitsOf(device).family === 'swiftshader' && (ops[at] as RowsOp).shape.constants?.ACTIVE === ACTIVE.mask
        ? seeking.match(ops, at, device)
        : 0,
  },
  formOf<RowsOp>('update/rows', 'update-rows', (op) => updatePass(op, false)),
  formOf<NormRowsOp>('norm/rows', 'norm-rows', ({ label, shape: { segments, active }, buffers }) => [
    {
      ...{ label, shader: normRowsShader, constants: { ACTIVE: active, WORKGROUP } },
      ...{ shape: { segments }, buffers, groups: segments, replicas: 1 },
    },
  ]),
  formOf<AccumulateRowsOp>('accumulate/rows', 'accumulate-rows', ({ label, shape: { elements, zero }, buffers }) => [
    {
      ...{ label, shader: accumulateRowsShader, constants: { ZERO: zero, WORKGROUP } },
      ...{ buffers, groups: Math.min(Math.ceil(elements / WORKGROUP), MAX_GROUPS), replicas: 1 },
    },
  ]),
];

/** The whole of a buffer, for one word of it. */
export const wordOf = (table: BufferRange): BufferRange => range(table.buffer, table.offset, 4);
