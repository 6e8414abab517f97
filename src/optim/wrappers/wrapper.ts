import type { BufferRange } from '../../gpu/buffers.js';
import { DownhillError, show } from '../../gpu/errors.js';
import { checkField, checkNumber, checkOptions, type Fields } from '../../gpu/fields.js';
import type { Form, Op } from '../../kernels/op.js';
import type { Updater } from '../updater.js';

/*
 * What goes round any rule: one row per wrapper, from which everything that reads wrappers is derived. A wrapper is its row
 * with its settings: plain data. Its kernels come with the row, so that a page has only those it uses.
 */

export type WrapperSettings = Readonly<Record<string, number | boolean | string>>;

/** What a wrapper's ops work on. */
export interface WrapperBinding {
  /** Under construction: its buffers, options, clock and `keep` are there. */
  readonly updater: Updater;
  /** Records of the step's scalars, once `advance` has written them. */
  readonly hyper: BufferRange;
  /** The gradient of each span, in an arena of ours that may be written: the sum of micro-steps where there are several. */
  readonly grads: readonly {
    readonly range: BufferRange;
    /** Its first element in the range. */
    readonly first: number;
  }[];
}

/** A wrapper's ops, by where they stand. */
export interface WrapperOps {
  /** On the gradient, before its norm is taken. */
  readonly gradient?: readonly Op[];
  /** Behind `advance`, before the update. */
  readonly before?: readonly Op[];
  /** Behind the update. */
  readonly after?: readonly Op[];
}

/** One kind of wrapper. */
export interface WrapperRow<S extends WrapperSettings = WrapperSettings> {
  readonly name: string;
  readonly title: string;
  readonly formula: string;
  readonly paper: string;
  /** Its options. None is a schedule. */
  readonly fields: Fields;
  /** Of its ops. */
  readonly forms: readonly Form[];
  bind(settings: S, binding: WrapperBinding): WrapperOps;
}

/** Made by `lookahead()`, `centralize()` …; plain data. */
export interface Wrapper {
  readonly row: WrapperRow;
  readonly settings: WrapperSettings;
}

/** The wrapper of a row with these options. @throws DownhillError OPTION-* */
export function wrapperOf<S extends WrapperSettings>(row: WrapperRow<S>, options: unknown = {}): Wrapper {
  checkOptions(row.name, options, Object.keys(row.fields));
  const given = options as WrapperSettings;
  const settings = Object.fromEntries(
    Object.entries(row.fields).map(([key, field]) => {
      const [where, value] = [`${row.name}: ${key}`, given[key] ?? field.default];
      // A number stays one: no schedule.
      if (field.kind === 'number') return [key, checkNumber(where, value, field)];
      return [key, checkField(where, field, value, 'OPTION') as WrapperSettings[string]];
    }),
  );
  return Object.freeze({ row: row as unknown as WrapperRow, settings: Object.freeze(settings) });
}

/** Wrappers are the same where their rows and settings are. */
export const wrappersJson = (wrappers: readonly Wrapper[]) =>
  wrappers.map(({ row, settings }) => ({ name: row.name, ...settings }));

/** Wrappers that came from outside: a list of such, each once. @throws DownhillError OPTION-* */
export function checkWrappers(wrappers: unknown = []): readonly Wrapper[] {
  const list = Array.isArray(wrappers) ? (wrappers as readonly (Wrapper | undefined)[]) : [undefined];
  return list.map((each, i) => {
    if (typeof each !== 'object' || typeof each?.row?.bind !== 'function') {
      throw new DownhillError(
        'OPTION-TYPE',
        `wrappers must be a list of wrappers, got ${show(Array.isArray(wrappers) ? each : wrappers)}.`,
        'Pass for example [centralize(), lookahead({ k: 5 })].',
      );
    }
    if (list.findIndex((other) => other?.row === each.row) < i)
      throw new DownhillError('OPTION-RANGE', `${each.row.name} stands twice among the wrappers.`, 'Leave one out.');
    return wrapperOf(each.row, each.settings);
  });
}

/** A span's pass: numbered where there are several, and where memory is somebody else's. */
export const wrapperPass = ({ options: { label, space } }: Updater, pass: string, span: number): string =>
  `${label}/${pass}${space.padded && space.spans.length === 1 ? '' : `-${span}`}`;
