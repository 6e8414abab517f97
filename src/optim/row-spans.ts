import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { Op } from '../kernels/op.js';
import {
  type Activity,
  accumulateRows,
  fieldWord,
  normRows,
  type RowField,
  rowTable,
  updateRows,
} from '../kernels/rows.js';
import type { Shader } from '../shaders/shader.js';
import type { Part, RowPlace } from '../space/space.js';
import type { AdoptedTensor, RowSettings } from './adopt.js';
import { touches, unite } from './ranges.js';
import { checkActive } from './row-options.js';
import type { RuleRow } from './rule.js';
import { groupIndex } from './segments.js';
import {
  type BoundSource,
  bind,
  flagsOf,
  type RowOps,
  type Source,
  type SpanTable,
  type SpanUpdate,
  spanName,
  stateOf,
  type Updater,
} from './updater.js';

/* Spans of records: the ops over them, and how many rows there are. */

interface Shaders {
  readonly rows: Shader;
  readonly rowsShared: Shader;
}

/** The rule's kernels over rows. @throws DownhillError OPTION-RANGE where it has none. */
async function loadShaders({ name, shader }: RuleRow): Promise<Shaders> {
  const [rows, rowsShared] = await Promise.all([shader.forms?.rows?.(), shader.forms?.rowsShared?.()]);
  if (rows && rowsShared) return { rows, rowsShared };
  throw new DownhillError(
    'OPTION-RANGE',
    `${name} has no kernel for rows: no stride, rates, active or reserve.`,
    'Lay its tensors out close together, or let `npm run gen` make the kernel.',
  );
}

/** A table as it is on the GPU, of the rows from `first` on. */
interface LiveTable {
  readonly owner: BufferSet;
  readonly range: BufferRange;
  readonly kind: string;
  readonly first: number;
  readonly rows: number;
}

interface MadeTable {
  readonly range: BufferRange;
  readonly lanes: number;
  readonly activity: Activity | undefined;
  readonly rates: boolean;
  readonly shared: boolean;
  readonly param: BufferRange;
  readonly grad: BufferRange;
}

export class RowSpans implements RowOps {
  readonly #shaders: Shaders;
  readonly #settings: ReadonlyMap<string, RowSettings>;
  /** Rows there are now, by kind. */
  readonly #counts: Map<string, number>;
  /** One table for all ops of a source. */
  readonly #made = new WeakMap<BoundSource, MadeTable>();
  #live: LiveTable[] = [];

  private constructor(shaders: Shaders, tensors: readonly AdoptedTensor[]) {
    this.#shaders = shaders;
    this.#settings = new Map(tensors.flatMap(({ name, rows }) => (rows ? [[name, rows] as const] : [])));
    this.#counts = new Map([...this.#settings.values()].map(({ kind, now }) => [kind, now]));
  }

  static async create(row: RuleRow, tensors: readonly AdoptedTensor[]): Promise<RowSpans> {
    return new RowSpans(await loadShaders(row), tensors);
  }

  check(tensors: readonly AdoptedTensor[]): void {
    checkActive(tensors);
  }

  drop(tables: BufferSet): void {
    this.#live = this.#live.filter(({ owner }) => owner !== tables);
  }

  /** Elements that a tensor has now; none where it is not taken by rows. */
  elementsOf(tensor: string): number | undefined {
    const settings = this.#settings.get(tensor);
    return settings && this.#counts.get(settings.kind)! * settings.width;
  }

  /** Tensors whose rows may move. */
  reserved(): string[] {
    return [...this.#settings].filter(([, { grows }]) => grows).map(([name]) => name);
  }

  reserves = (tensor: string): boolean => this.#settings.get(tensor)?.grows ?? false;
  kindOf = (tensor: string): string => this.#settings.get(tensor)!.kind;
  rowsOf = (tensor: string): number => this.#counts.get(this.kindOf(tensor))!;
  mostOf = (tensor: string): number => this.#settings.get(tensor)!.most;
  widthOf = (tensor: string): number => this.#settings.get(tensor)!.width;

  /** From here on these have so many rows. @returns the tables to say so in */
  setRows(tensors: ReadonlySet<string>, rows: number): BufferRange[] {
    const kinds = new Set([...tensors].map((name) => this.kindOf(name)));
    for (const kind of kinds) this.#counts.set(kind, rows);
    return this.#live.filter(({ kind }) => kinds.has(kind)).map(({ range: table }) => table);
  }

  summed({ options, accumulated }: Updater, span: number): Source {
    const { parts, records } = options.space.spans[span]!;
    const whole = accumulated!.ranges[span]!;
    const places = parts.map(({ at }, i): RowPlace => {
      return { buffer: whole.buffer, offset: whole.offset + 4 * at, stride: 4 * records!.fields[i]!.width };
    });
    return { span, parts, range: whole, places };
  }

  /** The source's table, made when the first op asks for it. */
  #tableOf(updater: Updater, tables: BufferSet, source: BoundSource): MadeTable {
    const known = this.#made.get(source);
    if (known) return known;
    const { options, buffers } = updater;
    const { device } = buffers;
    const { span, parts, places, range: grad } = source;
    const { records } = options.space.spans[span]!;
    const { first, rows } = records!;
    const param = bind(device, options.param.ranges[span]!).range;
    const shared = grad.buffer === param.buffer && touches(grad, param);
    const union = shared ? unite(param, grad) : undefined;
    const groupOf = groupIndex(options.groups);
    const place = (at: RowPlace, { offset }: BufferRange) => ({
      first: (at.offset - offset) / 4,
      stride: at.stride / 4,
    });
    const fields = parts.map((part, i): RowField => {
      const own = this.fieldOf(updater, part);
      const rates = this.#settings.get(part.tensor)!.rates;
      return {
        width: own.width,
        param: place(own.param, union ?? param),
        grad: place(places![i]!, union ?? grad),
        state: part.at,
        row: groupOf(part.tensor),
        unit: source.unitOf(part.tensor),
        ...(rates && { rates: { ...rates, rows: rates.rows?.subarray(first, first + rows) } }),
      };
    });
    const { kind, active } = this.#settings.get(parts[0]!.tensor)!;
    const activity = active && activityOf(device, active, first, rows);
    const now = Math.min(Math.max(this.#counts.get(kind)! - first, 0), rows);
    const { words, lanes } = rowTable(device, fields, { now, most: rows }, activity);
    const made = range(tables.upload(`rows-${span}`, words));
    this.#live.push({ owner: tables, range: made, kind, first, rows });
    const table: MadeTable = {
      ...{ range: made, lanes, activity, shared },
      ...{ rates: fields.some(({ rates }) => rates), param: union ?? param, grad },
    };
    this.#made.set(source, table);
    return table;
  }

  /** Where a part's rows lie, in its owner's memory and from `at` on in state. */
  fieldOf({ options }: Updater, part: Part) {
    const { parts, records } = options.space.spans[part.span]!;
    return { at: part.at, ...records!.fields[parts.findIndex(({ tensor }) => tensor === part.tensor)]! };
  }

  accumulate(updater: Updater, tables: BufferSet, source: BoundSource): Op[] {
    const { range: table, grad, param, shared } = this.#tableOf(updater, tables, source);
    const elements = source.parts.reduce((sum, part) => sum + part.elements, 0);
    const total = updater.accumulated!.ranges[source.span]!;
    const operands = { grad: shared ? param : grad, total, clock: updater.clock, table };
    return [accumulateRows(spanName(updater.options, 'accumulate', source), { elements, zero: source.zero }, operands)];
  }

  norm(updater: Updater, tables: BufferSet, source: BoundSource, { table: segments, parts: of }: SpanTable): Op[] {
    const { range: table, grad, param, shared, activity } = this.#tableOf(updater, tables, source);
    const { parts } = updater.options.space.spans[source.span]!;
    const indices = parts.map((part) => source.parts.findIndex(({ tensor }) => tensor === part.tensor));
    const own: number[] = [];
    for (const [i, part] of of.entries()) {
      const [first, count, at] = segments.subarray(4 * i, 4 * i + 3);
      const index = indices[part]!;
      if (index >= 0) own.push(first!, count!, at!, fieldWord(index));
    }
    if (own.length === 0) return [];
    const words = new Uint32Array(own);
    const operands = {
      ...{ grad: shared ? param : grad, table, partial: updater.norms!.partial },
      segments: range(tables.upload(`segments-${source.span}`, words)),
    };
    return [normRows(spanName(updater.options, 'norm', source), words, activity, operands)];
  }

  readonly update: SpanUpdate = (updater, { hyper, tables }, source) => {
    const { range: table, lanes, activity, rates, shared, param, grad } = this.#tableOf(updater, tables, source);
    const { device } = updater.buffers;
    const state = Object.entries(stateOf(updater, source.span)).map(([slot, own]) => [slot, bind(device, own).range]);
    return [
      updateRows({
        label: spanName(updater.options, 'update', source),
        shader: shared ? this.#shaders.rowsShared : this.#shaders.rows,
        flags: flagsOf(updater),
        ...{ lanes, table, activity, rates, zero: source.zero, hyper, param, grad: shared ? undefined : grad },
        state: Object.fromEntries(state),
      }),
    ];
  };
}

function activityOf(
  device: GPUDevice,
  active: NonNullable<RowSettings['active']>,
  before: number,
  rows: number,
): Activity {
  const { by, buffer, offset } = active;
  const words = by === 'mask' ? { offset: offset + 4 * before, size: 4 * rows } : { offset, size: 4 };
  return { by, ...bind(device, { buffer, ...words }), before };
}
