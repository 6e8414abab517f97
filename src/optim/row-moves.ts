import { type BufferRange, BufferSet, guarded, guardedNow, range } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkFlag, checkInteger, checkOptions } from '../gpu/fields.js';
import { makePasses, type Pass, type PassSpec } from '../gpu/passes.js';
import { getPipeline } from '../gpu/pipelines.js';
import { fieldWords, MOVE_KERNELS, type MovedField, moveRows, setRows } from '../kernels/move-rows.js';
import type { Part, Vector } from '../space/space.js';
import { adoptRange } from './adopt.js';
import type { MoveOptions, RowIndices } from './optimizer-types.js';
import type { RowSpans } from './row-spans.js';
import { bind, type Updater } from './updater.js';

/*
 * Rows that come and go, in the caller's own commands: what gathers them goes by way of a scratch vector, one slot of the
 * state after another. What a call needs on the GPU is made for it and let go of: rows move now and then, not every step.
 */

/** Indices as the kernel reads them: how many, and where they are unless they are still on the host. */
interface Listed {
  readonly count: number;
  readonly host?: Uint32Array<ArrayBuffer>;
  readonly range?: BufferRange;
  readonly first: number;
}

export class RowMoves {
  readonly #updater: Updater;
  readonly #spans: RowSpans;
  /** As long as the longest vector of a span whose rows move. */
  readonly #scratch: BufferRange;
  #failure: DownhillError | undefined;

  private constructor(updater: Updater, spans: RowSpans, scratch: BufferRange) {
    this.#updater = updater;
    this.#spans = spans;
    this.#scratch = scratch;
  }

  /** Nothing where no tensor has a `reserve`. @throws DownhillError LIMIT-BINDING where such rows do not fit one binding. */
  static async create(updater: Updater, spans: RowSpans): Promise<RowMoves | undefined> {
    const { buffers, options } = updater;
    const moving = options.space.spans.filter(({ parts }) => spans.reserves(parts[0]!.tensor));
    if (moving.length === 0) return undefined;
    const cut = moving.find(({ parts, records }) => records!.rows < spans.mostOf(parts[0]!.tensor));
    if (cut) {
      throw new DownhillError(
        'LIMIT-BINDING',
        `Rows of ${cut.parts.map(({ tensor }) => show(tensor)).join(', ')} do not fit one binding of this device, so they cannot move.`,
        'Reserve fewer, or request the device with a higher maxStorageBufferBindingSize.',
      );
    }
    await Promise.all(MOVE_KERNELS.map(({ shader, constants }) => getPipeline(buffers.device, shader, constants)));
    const longest = Math.max(...moving.map(({ elements }) => elements));
    const scratch = await guarded(buffers.device, buffers.label, () => buffers.storage('rows-scratch', 4 * longest));
    return new RowMoves(updater, spans, range(scratch));
  }

  /** Throws why a call that was recorded came to nothing: once. */
  check(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }

  /** Rows there are now, by tensor. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#spans.reserved().map((name) => [name, this.#spans.rowsOf(name)]));
  }

  gather(indices: RowIndices, options?: MoveOptions): readonly Pass[] {
    const { tensors, params } = this.#check('gather', options, true);
    const { rows, most } = this.#rowsOf('gather', tensors);
    const list = this.#list('gather', indices, { rows, most });
    return this.#passes(list, (made, listed) => [
      ...this.#parts(tensors).flatMap((parts) => {
        const elements = widthOf(this.#spans, parts);
        const there = (
          label: string,
          fields: readonly MovedField[],
          back: readonly MovedField[],
          place: BufferRange,
        ) => {
          const upload = (words: readonly MovedField[]) => range(made.upload('fields', fieldWords(words)));
          const scratch = this.#scratch;
          const to = { rows, count: list.count, first: list.first };
          const home = { rows: list.count, count: list.count };
          return [
            moveRows(label, 'gather', to, elements, {
              fields: upload(fields),
              from: place,
              to: scratch,
              indices: listed,
            }),
            moveRows(`${label}-back`, 'copy', home, elements, { fields: upload(back), from: scratch, to: place }),
          ];
        };
        return [
          ...this.#vectors().flatMap(({ name, ranges }) => {
            const fields = parts.map((part) => this.#stateField(name, part));
            return there(this.#label(`gather-${name}`), fields, fields, ranges[parts[0]!.span]!);
          }),
          ...(params ? this.#paramMoves(parts, there) : []),
        ];
      }),
      ...this.#count(tensors, list.count),
    ]);
  }

  grow(to: number, options?: MoveOptions): readonly Pass[] {
    const { tensors } = this.#check('grow', options, false);
    const { rows, most } = this.#rowsOf('grow', tensors);
    checkInteger('grow: to', to, rows);
    if (to > most) {
      throw new DownhillError(
        'BUFFER-RANGE',
        `grow to ${to} rows: ${most} are reserved.`,
        'Make the optimizer with a larger reserve, on larger buffers.',
      );
    }
    const shape = { rows, count: to - rows };
    return this.#passes({ count: 0, first: 0 }, (made) => [
      ...(to > rows ? this.#anew('grow', 'fill', shape, this.#parts(tensors), made) : []),
      ...this.#count(tensors, to),
    ]);
  }

  reset(indices: RowIndices, options?: MoveOptions): readonly Pass[] {
    const { tensors } = this.#check('reset', options, false, true);
    const { rows } = this.#rowsOf('reset', tensors);
    const list = this.#list('reset', indices, { rows, most: 2 ** 32 - 1 });
    const shape = { rows, count: list.count, first: list.first };
    return this.#passes(list, (made, listed) =>
      list.count > 0 ? this.#anew('reset', 'reset', shape, this.#parts(tensors), made, listed) : [],
    );
  }

  #anew(
    name: string,
    mode: 'fill' | 'reset',
    shape: { readonly rows: number; readonly count: number },
    spans: readonly (readonly Part[])[],
    made: BufferSet,
    indices?: BufferRange,
  ): PassSpec[] {
    return spans.flatMap((parts) =>
      this.#vectors().map(({ name: slot, ranges }) => {
        const fields = range(made.upload('fields', fieldWords(parts.map((part) => this.#stateField(slot, part)))));
        const to = ranges[parts[0]!.span]!;
        return moveRows(this.#label(`${name}-${slot}`), mode, shape, widthOf(this.#spans, parts), {
          fields,
          to,
          indices,
        });
      }),
    );
  }

  #paramMoves(
    parts: readonly Part[],
    there: (label: string, fields: MovedField[], back: MovedField[], place: BufferRange) => PassSpec[],
  ): PassSpec[] {
    const { buffers, options } = this.#updater;
    const { range: place } = bind(buffers.device, options.param.ranges[parts[0]!.span]!);
    const fields = parts.map((part): MovedField => {
      const { at, width, param } = this.#spans.fieldOf(this.#updater, part);
      const dense = { first: at, stride: width };
      const theirs = { first: (param.offset - place.offset) / 4, stride: param.stride / 4 };
      return { width, from: theirs, to: dense, start: 'keep' };
    });
    const back = fields.map(({ from, to, ...field }): MovedField => ({ ...field, from: to, to: from }));
    return there(this.#label('gather-param'), fields, back, place);
  }

  #stateField(slot: string, part: Part): MovedField {
    const { width } = this.#spans.fieldOf(this.#updater, part);
    const place = { first: part.at, stride: width };
    const { row, groups } = this.#updater.options;
    const { rules } = groups.find(({ tensors }) => tensors.includes(part.tensor))!;
    return { width, from: place, to: place, start: row.initial?.(slot, rules[0]!.hyper) ?? 0 };
  }

  #vectors(): readonly Vector[] {
    const { slots, accumulated } = this.#updater;
    return accumulated ? [...slots, accumulated] : slots;
  }

  #label = (pass: string) => `${this.#updater.options.label}/${pass}`;

  /** The parts of these tensors, span by span. */
  #parts(tensors: ReadonlySet<string>): Part[][] {
    const { spans } = this.#updater.options.space;
    return spans
      .map(({ parts }) => parts.filter(({ tensor }) => tensors.has(tensor)))
      .filter((parts) => parts.length > 0);
  }

  #count(tensors: ReadonlySet<string>, rows: number): PassSpec[] {
    return this.#spans.setRows(tensors, rows).map((table) => setRows(this.#label('rows'), rows, table));
  }

  #passes(
    { host, range: given }: Pick<Listed, 'host' | 'range' | 'count' | 'first'>,
    make: (made: BufferSet, indices: BufferRange | undefined) => PassSpec[],
  ): readonly Pass[] {
    const { device, label } = this.#updater.buffers;
    const made = new BufferSet(device, label);
    const rows = this.counts();
    /** Nothing moved: there are as many rows as before. */
    const undo = () => {
      made.destroy();
      for (const [tensor, count] of Object.entries(rows)) this.#spans.setRows(new Set([tensor]), count);
    };
    const work = () => {
      const indices = host ? range(made.upload('indices', host)) : given;
      return makePasses(made, make(made, indices)).passes;
    };
    try {
      return guardedNow(device, label, work, (error) => {
        undo();
        this.#failure = error;
      });
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** Which tensors are meant, by default all that have a reserve. */
  #check(call: string, options: MoveOptions = {}, params: boolean, some = false) {
    checkOptions(call, options, params ? ['tensors', 'params'] : ['tensors']);
    const all = this.#spans.reserved();
    const { tensors = all } = options;
    if (!Array.isArray(tensors)) {
      throw new DownhillError(
        'OPTION-TYPE',
        `${call}: tensors is ${show(tensors)}.`,
        "Pass a list of names such as ['position'].",
      );
    }
    for (const name of tensors) {
      if (all.includes(name)) continue;
      throw new DownhillError(
        'OPTION-RANGE',
        `${call}: there is no tensor ${show(name)} with a reserve.`,
        'Make the optimizer with `reserve` for every tensor whose rows move.',
      );
    }
    const named = new Set(tensors as readonly string[]);
    // How many there are is said once for all that have the same rows.
    const kinds = new Set([...named].map((name) => this.#spans.kindOf(name)));
    const other = some ? undefined : all.find((name) => kinds.has(this.#spans.kindOf(name)) && !named.has(name));
    if (other !== undefined) {
      throw new DownhillError(
        'OPTION-RANGE',
        `${call}: ${show(other)} has the same rows as those named.`,
        'Name all tensors of the rows, or none.',
      );
    }
    return { tensors: named, params: checkFlag(`${call}: params`, options.params ?? false) };
  }

  /** How many rows these tensors have, all of them. */
  #rowsOf(call: string, tensors: ReadonlySet<string>): { rows: number; most: number } {
    const [first, ...others] = [...tensors];
    if (first === undefined)
      throw new DownhillError('OPTION-RANGE', `${call}: no tensor was named.`, 'Name one, or leave tensors out.');
    const rows = this.#spans.rowsOf(first);
    const most = Math.min(...[...tensors].map((name) => this.#spans.mostOf(name)));
    const other = others.find((name) => this.#spans.rowsOf(name) !== rows);
    if (other === undefined) return { rows, most };
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `${call}: ${show(first)} has ${rows} rows, ${show(other)} ${this.#spans.rowsOf(other)}.`,
      'Name those that belong together: { tensors }.',
    );
  }

  #list(call: string, indices: RowIndices, { rows, most }: { rows: number; most: number }): Listed {
    const where = `${call}: indices`;
    const tooMany = (count: number) => {
      if (count <= most) return;
      throw new DownhillError(
        'SHAPE-MISMATCH',
        `${where}: ${count} of them, but only ${most} rows are reserved.`,
        'Pass fewer, or make the optimizer with a larger reserve.',
      );
    };
    if (Array.isArray(indices) || indices instanceof Uint32Array) {
      tooMany(indices.length);
      for (const [i, index] of indices.entries()) checkInteger(`${where}[${i}]`, index, 0, rows - 1);
      return { count: indices.length, host: Uint32Array.from(indices), first: 0 };
    }
    if (ArrayBuffer.isView(indices)) {
      throw new DownhillError('OPTION-TYPE', `${where} is ${show(indices)}.`, 'Pass a list or a Uint32Array.');
    }
    checkOptions(where, indices, ['buffer', 'offset', 'count']);
    const { buffer, offset = 0, count } = indices as Exclude<RowIndices, readonly number[] | Uint32Array>;
    checkInteger(`${where}.count`, count, 0);
    tooMany(count);
    const place = adoptRange(where, { buffer, offset }, { rows: count, width: 1 });
    if (count === 0) return { count, first: 0 };
    return { count, ...bind(this.#updater.buffers.device, { ...place, size: 4 * count }) };
  }
}

const widthOf = (spans: RowSpans, parts: readonly Part[]) =>
  parts.reduce((sum, { tensor }) => sum + spans.widthOf(tensor), 0);
