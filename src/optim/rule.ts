import { DownhillError, show, suggest } from '../gpu/errors.js';
import type { Shader } from '../shaders/shader.js';

/*
 * The form of a rule's row. Everything a rule is, outside its WGSL file, is one object made with `defineRule`; option
 * types, validation, packing, state buffers, command-line flags, page controls and tests are derived from it.
 */

interface FieldBase<T> {
  readonly default: T;
  /** One phrase for help texts and pages. */
  readonly help: string;
}
interface Range {
  /** Inclusive lower bound. */
  readonly min?: number;
  /** Exclusive lower bound. */
  readonly above?: number;
  /** Inclusive upper bound. */
  readonly max?: number;
  /** Exclusive upper bound. */
  readonly below?: number;
}
export interface NumberField extends FieldBase<number>, Range {
  readonly kind: 'number';
}
export interface PairField extends FieldBase<readonly [number, number]>, Range {
  readonly kind: 'pair';
}
export interface FlagField extends FieldBase<boolean> {
  readonly kind: 'flag';
}
export type Field = NumberField | PairField | FlagField;
export type Fields = Readonly<Record<string, Field>>;

type ValueOf<F extends Field> = F extends FlagField
  ? boolean
  : F extends PairField
    ? readonly [number, number]
    : number;
/** Every hyper-parameter with its value: what `derive` and the reference see. */
export type HyperOf<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };
/** What a user passes: any subset; the rest are the defaults. */
export type OptionsOf<F extends Fields> = { readonly [K in keyof F]?: ValueOf<F[K]> };

export const number = (help: string, value: number, range: Range = {}): NumberField => ({
  kind: 'number',
  help,
  default: value,
  ...range,
});
export const pair = (help: string, value: readonly [number, number], range: Range = {}): PairField => ({
  kind: 'pair',
  help,
  default: value,
  ...range,
});
export const flag = (help: string, value = false): FlagField => ({ kind: 'flag', help, default: value });

/** One update rule: all of it but the WGSL. */
export interface RuleRow<F extends Fields = Fields> {
  readonly name: string;
  /** The name in prose: 'Adam'. */
  readonly title: string;
  /** The update, in one line of text per assignment. */
  readonly formula: readonly string[];
  readonly paper: string;
  readonly shader: Shader;
  readonly fields: F;
  /** State slots that these hyper-parameters use, by the names of their bindings in the WGSL file. */
  slots(hyper: HyperOf<F>): readonly string[];
  /**
   * The fields of the WGSL file's `Hyper` for update number t (t = 1 is the first), in float64.
   * `lr` is in the hyper-parameters already scheduled. Returns every field but the header (`count`, `skip`, `grad_scale`).
   */
  derive(t: number, hyper: HyperOf<F>): Readonly<Record<string, number>>;
  /** Checks that need more than one field. */
  check?(hyper: HyperOf<F>): void;
}

/** A rule with its hyper-parameters: plain data, made by calling the rule's function. */
export interface Rule<F extends Fields = Fields> {
  readonly row: RuleRow<F>;
  readonly hyper: HyperOf<F>;
}

/** Makes the public function of a rule from its row; the row stays readable as `.row`. */
export function defineRule<const F extends Fields>(
  row: RuleRow<F>,
): ((options?: OptionsOf<F>) => Rule<F>) & { readonly row: RuleRow<F> } {
  const make = (options: OptionsOf<F> = {}): Rule<F> => Object.freeze({ row, hyper: resolveHyper(row, options) });
  return Object.assign(make, { row });
}

/**
 * A rule from a name and options that are only known at run time: a command line, a page, a configuration file.
 *
 * @throws DownhillError RULE-UNKNOWN with the nearest name; HYPER-* as the rule's own function.
 */
export function resolveRule(
  table: Readonly<Record<string, { readonly row: RuleRow }>>,
  name: string,
  options: Readonly<Record<string, unknown>> = {},
): Rule {
  if (typeof name !== 'string' || !Object.hasOwn(table, name)) {
    throw new DownhillError(
      'RULE-UNKNOWN',
      `There is no optimizer ${show(name)}.`,
      suggest(String(name), Object.keys(table)),
    );
  }
  const { row } = table[name]!;
  return Object.freeze({ row, hyper: resolveHyper(row, options as OptionsOf<Fields>) });
}

/** The state slots a rule's kernel can have, in the order of its bindings: all between `grad` and `group_of`. */
export const allSlots = (shader: Shader): string[] => shader.bindings.slice(3, -1).map(({ name }) => name);

/** The overrides that turn on the optional slots among `live`: each is named as its slot, in capitals. */
export function slotFlags({ shader }: RuleRow, live: readonly string[]): Record<string, boolean> {
  const flags: Record<string, boolean> = {};
  for (const name of Object.keys(shader.overrides)) {
    if (allSlots(shader).includes(name.toLowerCase())) flags[name] = live.includes(name.toLowerCase());
  }
  return flags;
}

/** The row of per-step scalars for the update with this count (0 is the first), by the fields of the WGSL's `Hyper`. */
export function rowFor({ row, hyper }: Rule, count: number): Record<string, number> {
  return { count, skip: 0, grad_scale: hyper.maximize === true ? -1 : 1, ...row.derive(count + 1, hyper) };
}

/** The learning rate of the update with this count. */
export const lrFor = ({ hyper }: Rule, _count: number): number => hyper.lr as number;

/** Fills in defaults and checks every value. */
export function resolveHyper<F extends Fields>(row: RuleRow<F>, options: OptionsOf<F>): HyperOf<F> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new DownhillError(
      'HYPER-TYPE',
      `${row.name} expects an options object, got ${show(options)}.`,
      'Pass an object.',
    );
  }
  const known = Object.keys(row.fields);
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new DownhillError('HYPER-UNKNOWN', `${row.name} has no option ${show(key)}.`, suggest(key, known));
    }
  }
  const hyper: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(row.fields)) {
    const given = (options as Record<string, unknown>)[key];
    hyper[key] = given === undefined ? field.default : checkField(`${row.name}: ${key}`, field, given);
  }
  const resolved = Object.freeze(hyper) as HyperOf<F>;
  row.check?.(resolved);
  return resolved;
}

function checkField(where: string, field: Field, value: unknown): number | readonly number[] | boolean {
  if (field.kind === 'flag') {
    if (typeof value === 'boolean') return value;
    throw new DownhillError('HYPER-TYPE', `${where} must be true or false, got ${show(value)}.`, 'Pass a boolean.');
  }
  if (field.kind === 'number') return checkNumber(where, field, value);
  if (!Array.isArray(value) || value.length !== 2) {
    throw new DownhillError(
      'HYPER-TYPE',
      `${where} must be a pair of numbers, got ${show(value)}.`,
      'Pass [first, second].',
    );
  }
  return Object.freeze([checkNumber(`${where}[0]`, field, value[0]), checkNumber(`${where}[1]`, field, value[1])]);
}

/** A number must lie in its range, and still do so as the f32 the kernel sees. */
function checkNumber(where: string, range: Range, value: unknown): number {
  if (typeof value !== 'number') {
    throw new DownhillError(
      'HYPER-TYPE',
      `${where} must be a number, got ${show(value)}.`,
      `Pass a number ${describeRange(range)}.`,
    );
  }
  if (!Number.isFinite(value) || !inRange(value, range)) {
    throw new DownhillError(
      'HYPER-RANGE',
      `${where} must be finite and ${describeRange(range)}, got ${value}.`,
      `Choose a value ${describeRange(range)}.`,
    );
  }
  const single = Math.fround(value);
  const vanished = single === 0 && value !== 0;
  if (!Number.isFinite(single) || vanished || !inRange(single, range)) {
    throw new DownhillError(
      'HYPER-RANGE',
      `${where} = ${value} becomes ${single} in 32-bit floating point, which is outside its range.`,
      `Choose a value that is ${describeRange(range)} in single precision too.`,
    );
  }
  return value;
}

const inRange = (value: number, { min, above, max, below }: Range): boolean =>
  !(min !== undefined && value < min) &&
  !(above !== undefined && value <= above) &&
  !(max !== undefined && value > max) &&
  !(below !== undefined && value >= below);

/** "at least 0 and below 1", for messages and help. */
export function describeRange({ min, above, max, below }: Range): string {
  const parts = [];
  if (min !== undefined) parts.push(`at least ${min}`);
  if (above !== undefined) parts.push(`above ${above}`);
  if (max !== undefined) parts.push(`at most ${max}`);
  if (below !== undefined) parts.push(`below ${below}`);
  return parts.join(' and ') || 'finite';
}
