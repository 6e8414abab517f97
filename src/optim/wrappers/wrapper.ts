import type { BufferRange, BufferSet } from '../../gpu/buffers.js';
import { DownhillError, show } from '../../gpu/errors.js';
import { checkField, checkNumber, checkOptions, type Fields } from '../../gpu/fields.js';
import type { Form, Op } from '../../kernels/op.js';
import type { Space, Vector } from '../../space/space.js';
import type { Group } from '../group.js';
import type { BoundSource } from '../source.js';

/*
 * What goes round any rule: one row per wrapper, from which everything that reads wrappers is derived. A wrapper is its row
 * with its settings: plain data. Its kernels come with the row, so that a page has only those it uses.
 */

export type WrapperSettings = Readonly<Record<string, number | boolean | string>>;

/** Where a step reads its gradients. */
export interface WrapperStep {
  /** Where there are micro-steps, their sum. */
  readonly grads: readonly BoundSource[];
  /** Owns what is made for these gradients alone. */
  readonly tables: BufferSet;
}

/** What a wrapper goes round: an updater under construction. */
export interface Wrapped {
  readonly buffers: BufferSet;
  /** One per replica. */
  readonly clock: BufferRange;
  /** Records of the step's scalars, once `advance` has written them. */
  readonly hyper: BufferRange;
  readonly options: {
    readonly label: string;
    readonly space: Space;
    readonly param: Vector;
    readonly grad: Vector;
    readonly groups: readonly Group[];
    readonly micro: number;
    readonly seeds?: readonly number[];
    /** Whoever sets the parameters sets what starts as these as well. */
    readonly copied?: boolean;
  };
  /** A vector that the wrapper remembers. @param copy whether it starts as the parameters */
  keep(name: string, copy?: boolean): Vector;
}

/** A wrapper round an updater: its ops, for gradients wherever they lie. */
export type BoundWrapper = (step: WrapperStep) => WrapperOps;

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
  bind(settings: S, updater: Wrapped): BoundWrapper;
  /** Of one that takes each gradient twice, which only a trainer can: its ops between the two, and behind the second. */
  again?(settings: S, updater: Wrapped): { readonly between: readonly Op[]; readonly behind: readonly Op[] };
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
  const list: readonly (Wrapper | undefined)[] = Array.isArray(wrappers) ? [...wrappers] : [undefined];
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

/** What changes a gradient needs it as numbers. @throws DownhillError OPTION-RANGE for fixed-point ones */
export function checkFloats(name: string, { grads }: WrapperStep): void {
  if (grads.every(({ parts, unitOf }) => parts.every(({ tensor }) => unitOf(tensor) === undefined))) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${name} changes gradients, but these are fixed-point.`,
    'Pass f32 gradients, or accumulate several steps, whose sum is f32.',
  );
}
