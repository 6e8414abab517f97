import { DownhillError, show, suggest } from '../gpu/errors.js';
import type { Shader } from '../shaders/shader.js';

/*
 * The form of a rule's row. Everything a rule is, outside its WGSL file, is one object made with `defineRule`; option
 * types, validation, packing, state buffers, command-line flags, page controls and tests are derived from it.
 */

/**
 * A hyper-parameter that changes: its value for the update with this count, 0 being the first. Pure, in float64.
 */
export type Schedule = (count: number) => number;

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
export interface ChoiceField<C extends string = string> extends FieldBase<C> {
  readonly kind: 'choice';
  readonly choices: readonly C[];
}
export type Field = NumberField | PairField | FlagField | ChoiceField;
export type Fields = Readonly<Record<string, Field>>;

type ValueOf<F extends Field> = F extends FlagField
  ? boolean
  : F extends PairField
    ? readonly [number, number]
    : F extends ChoiceField<infer C>
      ? C
      : number;
type OptionOf<F extends Field> = F extends PairField
  ? readonly [number | Schedule, number | Schedule]
  : F extends NumberField
    ? number | Schedule
    : ValueOf<F>;
/** Every hyper-parameter with its value at one update: what `derive` and the reference see. */
export type HyperOf<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };
/** Every hyper-parameter as it was given, schedules unevaluated. */
export type SettingsOf<F extends Fields> = { readonly [K in keyof F]: OptionOf<F[K]> };
/** What a user passes: any subset; the rest are the defaults. Every number may be a schedule. */
export type OptionsOf<F extends Fields> = Partial<SettingsOf<F>>;

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
export const choice = <const C extends string>(help: string, choices: readonly [C, ...C[]]): ChoiceField<C> => ({
  kind: 'choice',
  help,
  choices,
  default: choices[0],
});

/**
 * Whose formula and defaults, where frameworks disagree. A rule whose row has `conventions` gets this field; the first is
 * the default.
 */
export const convention = <const C extends string>(...others: readonly C[]): ChoiceField<'pytorch' | C> => ({
  kind: 'choice',
  help: "whose formula and defaults: PyTorch's, or another framework's",
  choices: ['pytorch', ...others],
  default: 'pytorch',
});

/** The fields every rule has: decay of the weights, and the direction. */
export const common = ({ weightDecay = 0, decoupled = false } = {}) => ({
  weightDecay: number('weight decay: L2, or decoupled where that is set', weightDecay, { min: 0 }),
  decoupledWeightDecay: flag(
    'take lr·weightDecay·p off the weights, instead of adding weightDecay·p to the gradient',
    decoupled,
  ),
  maximize: flag('climb instead of descend'),
});

/** Whether a setting can be anything but 0: a schedule counts as on. */
export const on = (setting: number | Schedule): boolean => typeof setting === 'function' || setting !== 0;

/** One update rule: all of it but the WGSL. */
export interface RuleRow<F extends Fields = Fields> {
  readonly name: string;
  /** The name in prose: 'Adam'. */
  readonly title: string;
  /** The update, in one line of text per assignment; g has the L2 penalty in it, decoupled decay came before. */
  readonly formula: readonly string[];
  readonly paper: string;
  /** When to use it, in a sentence or two. */
  readonly use: string;
  readonly shader: Shader;
  readonly fields: F;
  /** Defaults of the conventions besides PyTorch's, where they differ. */
  readonly conventions?: Readonly<Record<string, Readonly<Partial<Record<keyof F, unknown>>>>>;
  /** State slots these settings use, by the names of their bindings in the WGSL file. */
  slots(settings: SettingsOf<F>): readonly string[];
  /** What a state slot starts with, where that is not 0. */
  initial?(slot: string, settings: SettingsOf<F>): number;
  /**
   * The fields of the WGSL file's `Hyper` for update number t (t = 1 is the first), in float64: all but the header
   * (`count`, `skip`, `grad_scale`, `clip_value`, `l2`, `decay`), which is the same for every rule.
   */
  derive(t: number, hyper: HyperOf<F>, carry: number): Readonly<Record<string, number>>;
  /** A number that goes from update to update, as a product of scheduled factors does; before the first it is 1. */
  carry?(t: number, hyper: HyperOf<F>, previous: number): number;
  /** Checks that need more than one field. */
  check?(settings: SettingsOf<F>): void;
}

/** A rule with its hyper-parameters: plain data, made by calling the rule's function. */
export interface Rule<F extends Fields = Fields> {
  readonly row: RuleRow<F>;
  readonly hyper: SettingsOf<F>;
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

/** Updates that {@link RuleRows} can go back without starting anew: as many as a trainer writes ahead, and more. */
const HISTORY = 1024;
const MAX_F32 = 3.4028234663852886e38;

/** The hyper-parameters of the update with this count, schedules evaluated and checked. */
export function hyperAt(rule: Rule, count: number): HyperOf<Fields> {
  const hyper: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(rule.hyper as Record<string, unknown>)) {
    const field = rule.row.fields[key] as Range;
    const evaluate = (value: unknown, where: string) =>
      typeof value === 'function' ? scheduled(`${where} at update ${count}`, field, value as Schedule, count) : value;
    const where = `${rule.row.name}: ${key}`;
    hyper[key] = Array.isArray(setting)
      ? setting.map((value, i) => evaluate(value, `${where}[${i}]`))
      : evaluate(setting, where);
  }
  return hyper as HyperOf<Fields>;
}

/** One value of a schedule. It may end below the f32 numbers, where 0 is allowed: a decay gets there in time. */
function scheduled(where: string, range: Range, schedule: Schedule, count: number): number {
  let value: number;
  try {
    value = schedule(count);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new DownhillError(
      'HYPER-RANGE',
      `${where} has no value, its schedule failed: ${message}.`,
      'Correct the schedule.',
      cause,
    );
  }
  return checkNumber(where, range, value, true);
}

/** The rows of per-step scalars of a rule, by the fields of the WGSL's `Hyper`. Cheapest when asked in order. */
export class RuleRows {
  #next = 0;
  #carry = 1;
  #lr = Number.NaN;
  /** The carry before each of the last updates: those may be asked for again, with other values of a plateau. */
  readonly #carries = new Float64Array(HISTORY);

  constructor(readonly rule: Rule) {}

  /** The learning rate of the row made last. */
  get lr(): number {
    return this.#lr;
  }

  /** The row of the update with this count (0 is the first). */
  at(count: number): Record<string, number> {
    const { row } = this.rule;
    if (row.carry && count !== this.#next) {
      if (count < this.#next) {
        const kept = this.#next - count <= HISTORY;
        [this.#next, this.#carry] = kept ? [count, this.#carries[count % HISTORY]!] : [0, 1];
      }
      while (this.#next < count) this.#step(this.#next);
    }
    const hyper = row.carry ? this.#step(count) : hyperAt(this.rule, count);
    const { lr, weightDecay = 0, maximize, decoupledWeightDecay } = hyper as Record<string, number | boolean>;
    const decoupled = decoupledWeightDecay === true;
    this.#lr = lr as number;
    return {
      count,
      skip: 0,
      grad_scale: maximize === true ? -1 : 1,
      clip_value: MAX_F32,
      l2: decoupled ? 0 : (weightDecay as number),
      decay: decoupled ? (lr as number) * (weightDecay as number) : 0,
      ...row.derive(count + 1, hyper, this.#carry),
    };
  }

  #step(count: number): HyperOf<Fields> {
    const hyper = hyperAt(this.rule, count);
    this.#carries[count % HISTORY] = this.#carry;
    this.#carry = this.rule.row.carry!(count + 1, hyper, this.#carry);
    this.#next = count + 1;
    return hyper;
  }
}

/** The row of one update alone. */
export const rowFor = (rule: Rule, count: number): Record<string, number> => new RuleRows(rule).at(count);

/** Fills in defaults and checks every value. */
export function resolveHyper<F extends Fields>(row: RuleRow<F>, options: OptionsOf<F>): SettingsOf<F> {
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
  const given = options as Readonly<Record<string, unknown>>;
  const own = row.fields.convention && given.convention !== undefined ? given.convention : 'pytorch';
  // Checked first: the defaults of the others depend on it.
  if (row.fields.convention) checkField(`${row.name}: convention`, row.fields.convention, own);
  const defaults: Readonly<Record<string, unknown>> = row.conventions?.[own as string] ?? {};
  const hyper: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(row.fields)) {
    const value = given[key];
    hyper[key] =
      value === undefined ? (defaults[key] ?? field.default) : checkField(`${row.name}: ${key}`, field, value);
  }
  const resolved = Object.freeze(hyper) as SettingsOf<F>;
  row.check?.(resolved);
  warnOfDecay(row.name, hyper);
  return resolved;
}

/** A decay that takes off more than there is turns every weight around: allowed, but hardly meant. */
function warnOfDecay(name: string, { lr, weightDecay, decoupledWeightDecay }: Readonly<Record<string, unknown>>): void {
  if (decoupledWeightDecay !== true || typeof lr !== 'number' || typeof weightDecay !== 'number') return;
  if (lr * weightDecay <= 1) return;
  console.warn(
    `downhill: ${name}: lr·weightDecay is ${lr * weightDecay}: every update turns the weights' signs around. Lower one of them.`,
  );
}

function checkField(where: string, field: Field, value: unknown): unknown {
  if (field.kind === 'flag') {
    if (typeof value === 'boolean') return value;
    throw new DownhillError('HYPER-TYPE', `${where} must be true or false, got ${show(value)}.`, 'Pass a boolean.');
  }
  if (field.kind === 'choice') {
    if (typeof value === 'string' && field.choices.includes(value)) return value;
    throw new DownhillError(
      typeof value === 'string' ? 'HYPER-RANGE' : 'HYPER-TYPE',
      `${where} must be one of ${field.choices.join(', ')}, got ${show(value)}.`,
      suggest(String(value), field.choices),
    );
  }
  if (field.kind === 'number') return checkSetting(where, field, value);
  if (!Array.isArray(value) || value.length !== 2) {
    throw new DownhillError(
      'HYPER-TYPE',
      `${where} must be a pair of numbers, got ${show(value)}.`,
      'Pass [first, second].',
    );
  }
  return Object.freeze([checkSetting(`${where}[0]`, field, value[0]), checkSetting(`${where}[1]`, field, value[1])]);
}

/** A number within its range, or a schedule, whose values are checked when they are used. */
const checkSetting = (where: string, range: Range, value: unknown): unknown =>
  typeof value === 'function' ? value : checkNumber(where, range, value);

/** A number must lie in its range, and still do so as the f32 the kernel sees. */
function checkNumber(where: string, range: Range, value: unknown, mayVanish = false): number {
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
  const vanished = single === 0 && value !== 0 && !mayVanish;
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

/** "at least 0 and below 1", or the choices, for messages and help; nothing for a flag. */
export function describeField(field: Field): string {
  if (field.kind === 'flag') return '';
  return field.kind === 'choice' ? field.choices.join(', ') : describeRange(field);
}

function describeRange({ min, above, max, below }: Range): string {
  const parts = [];
  // The smallest normal f32 stands for 0: what lies between may be flushed.
  if (min !== undefined) parts.push(min === 2 ** -126 ? 'above 0' : `at least ${min}`);
  if (above !== undefined) parts.push(`above ${above}`);
  if (max !== undefined) parts.push(`at most ${max}`);
  if (below !== undefined) parts.push(`below ${below}`);
  return parts.join(' and ') || 'finite';
}
