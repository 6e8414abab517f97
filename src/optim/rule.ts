import { MAX_F32 } from '../gpu/constants.js';
import { DownhillError, show, suggest } from '../gpu/errors.js';
import {
  type ChoiceField,
  checkField,
  checkNumber,
  checkOptions,
  type Field,
  type Fields,
  flag,
  type HyperOf,
  number,
  type OptionsOf,
  type Range,
  type Schedule,
  type SettingsOf,
} from '../gpu/fields.js';
import type { Form, Op } from '../kernels/op.js';
import type { Shader } from '../shaders/shader.js';
import type { TensorShape } from '../space/space.js';
import type { MinimizerModule } from './minimizer.js';
import type { RulePasses } from './rule-passes.js';

/*
 * The form of a rule's row. Everything a rule is, outside its WGSL file, is one object made with `defineRule`; option
 * types, validation, packing, state buffers, command-line flags, page controls and tests are derived from it.
 */

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

/**
 * How small a state slot may be kept where few bytes are asked for: in 8 bits, or with '-16' in 16. A 'positive' one is never
 * below 0, and what is above is never rounded to 0, since rules divide by it.
 */
export type SlotEncoding = 'signed' | 'positive' | 'signed-16' | 'positive-16';

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
  /**
   * Of a rule that one function of an element cannot say: its passes over padded arenas, in order. `shader` is then the one
   * whose `Hyper` the records have, like all that read them.
   */
  passes?(step: RulePasses): readonly Op[];
  /** Settings that its passes are made for: the same in all groups and replicas, and as they are at first. */
  readonly fixed?: readonly string[]; // not keyof F: TypeScript 5.9 would take no row for one of any fields then
  /** Every tensor has records of its own, which passes change: layer-wise rates. Default false. */
  readonly perTensor?: boolean;
  /** What its passes remember in other shapes than slots', bytes of it and bytes moved per parameter: for its page. */
  readonly kept?: { readonly what: string; readonly bytes: number; readonly moved: number };
  /** How exact an update is: roundings of f32 in it, of a tensor's typical change, where products make more than 16. */
  readonly roundings?: number;
  /**
   * Refuses tensors that it cannot update: those that are to be trained, before any GPU work.
   *
   * @param where whose tensors they are, for messages
   */
  checkTensors?(where: string, tensors: readonly TensorShape[]): void;
  /** Forms of ops that its passes use beside their own. */
  readonly forms?: readonly Form[];
  /** State slots these settings use, by the names of their bindings in the WGSL file. */
  slots(settings: SettingsOf<F>): readonly string[];
  /** Slots that need not be f32. Default none; a rule with a slot that is not here has no smaller state. */
  readonly encodings?: Readonly<Record<string, SlotEncoding>>;
  /**
   * Slots that may be one value for each row of a tensor, each with the scalar of `Hyper` that leaves it as it is where it is 0. The
   * slot's new value must be linear in what an element brings (g², say), the scalar say nothing else, and the slot start at 0. Default none.
   */
  readonly perRow?: Readonly<Record<string, string>>;
  /** What a state slot starts with, where that is not 0. */
  initial?(slot: string, settings: SettingsOf<F>): number;
  /**
   * The fields of the WGSL file's `Hyper` for update number t (t = 1 is the first), in float64: all but the header
   * (`count`, `skip`, `grad_scale`, `clip_value`, `l2`, `decay`), which is the same for every rule.
   */
  derive(t: number, hyper: HyperOf<F>, carry: readonly number[]): Readonly<Record<string, number>>;
  /** Numbers that go from update to update, as a product of scheduled factors does. */
  readonly carry?: {
    /** Before the first update. */
    readonly start: readonly number[];
    /** Those of update t, from the ones before it. */
    next(t: number, hyper: HyperOf<F>, previous: readonly number[]): readonly number[];
  };
  /**
   * Where the parameter is not what is to be evaluated: that is p + weight·(slot - p), of a state slot that starts as a copy
   * of p.
   */
  readonly evaluation?: { readonly slot: string; weight(settings: SettingsOf<F>): number };
  /**
   * Where the update divides by a curvature that it does not change: an average in a state slot of squared gradients of labels drawn
   * from the model, slot += weight·(g² - slot), when `updateHessian` is called; in a trainer every `interval` updates, and `samples` is
   * the setting that says of how many samples such a gradient is the mean: there the batch size.
   */
  readonly curvature?: {
    readonly slot: string;
    weight(settings: SettingsOf<F>): number;
    interval(settings: SettingsOf<F>): number;
    readonly samples: string;
  };
  /**
   * Of a rule that takes more of its objective than one gradient for an update: what makes a whole step of it, loaded where it is used.
   * Such a row has no kernel and no slots (`defineMinimizer`).
   */
  minimizer?(): Promise<MinimizerModule<Rule>>;
  /** Checks that need more than one field. */
  check?(settings: SettingsOf<F>): void;
  /** Checks that need those of all groups and replicas. */
  checkTogether?(settings: readonly SettingsOf<F>[]): void;
}

/**
 * What a row's functions compute, as text: the manifest has it (`shaders/manifest.json`), for those who use a kernel without this
 * library. Each rule's module exports it as `text`, beside the row and not in it: no bundle carries it. A test evaluates it against
 * the functions.
 *
 * Expressions have numbers, `+ - * / ^`, comparisons, `and or not`, `a ? b : c`, `sqrt exp log max min`, texts in quotes. Names
 * are hyper-parameters (an element of a pair is `betas[0]`), `t`, and what a line above has set.
 */
export interface RuleText {
  /**
   * `name = expression`, in order, for every update: fields of `Hyper`, and what helps to compute them. A field that no line sets is the
   * hyper-parameter of its name.
   */
  readonly scalars: readonly string[];
  /** Names that go from update to update, and what they are before the first. */
  readonly carry?: Readonly<Record<string, string>>;
  /** When a state slot is there, for those that are not always. */
  readonly slots?: Readonly<Record<string, string>>;
  /** What a slot starts with, where that is not 0; `p` is a copy of the parameter. */
  readonly initial?: Readonly<Record<string, string>>;
}

/** The same of the fields that every rule's `Hyper` begins with. */
export const headerText: RuleText = {
  scalars: [
    'count = t - 1',
    'skip = 0',
    'grad_scale = maximize ? -1 : 1',
    'clip_value = 3.4028234663852886e38',
    'l2 = decoupledWeightDecay ? 0 : weightDecay',
    'decay = decoupledWeightDecay ? lr * weightDecay : 0',
  ],
};

/** A rule with its hyper-parameters: plain data, made by calling the rule's function. */
export interface Rule<F extends Fields = Fields> {
  readonly row: RuleRow<F>;
  readonly hyper: SettingsOf<F>;
}

/** A rule's function with its options by name: what an editor shows. */
export type RuleFunction<M extends { readonly row: unknown }, O> = ((
  options?: O,
) => M extends (options?: never) => infer R ? R : never) & { readonly row: M['row'] };

/** The fields of a rule, or of each of a union of rules. */
export type FieldsOf<R> = R extends Rule<infer F> ? F : never;

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
  return checkNumber(where, value, range, { area: 'HYPER', single: true, mayVanish: true });
}

/** What one update of one group runs with, before clipping, scaling and freezing come into it. */
export interface ScalarRecord {
  /** By the fields of the WGSL's `Hyper`. */
  readonly values: Readonly<Record<string, number>>;
  readonly lr: number;
  /** What the rule carries to the next update. */
  readonly carry: readonly number[];
}

/**
 * The record of the update with this count (0 is the first).
 *
 * @param carry what the rule carried to it: {@link startOf} at the first
 * @throws DownhillError HYPER-* where a schedule has no good value.
 */
export const recordAt = (rule: Rule, count: number, carry: readonly number[]): ScalarRecord =>
  recordOf(rule, hyperAt(rule, count), count, carry);

/** Whether no schedule is among a rule's settings: then they are its hyper-parameters at every update. */
export const isSteady = ({ hyper }: Rule): boolean =>
  !Object.values(hyper)
    .flat()
    .some((value) => typeof value === 'function');

/** The same from hyper-parameters that are known: a record of its own. */
export function recordOf({ row }: Rule, hyper: HyperOf<Fields>, count: number, carry: readonly number[]): ScalarRecord {
  const next = row.carry?.next(count + 1, hyper, carry) ?? [];
  const { lr, weightDecay = 0, maximize, decoupledWeightDecay } = hyper as Record<string, number | boolean>;
  const decoupled = decoupledWeightDecay === true;
  return {
    lr: lr as number,
    carry: next,
    values: {
      count,
      skip: 0,
      grad_scale: maximize === true ? -1 : 1,
      clip_value: MAX_F32,
      l2: decoupled ? 0 : (weightDecay as number),
      decay: decoupled ? (lr as number) * (weightDecay as number) : 0,
      ...row.derive(count + 1, hyper, next),
    },
  };
}

/** What a rule carries to its first update. */
export const startOf = ({ carry }: RuleRow): readonly number[] => carry?.start ?? [];

/** The record of one update alone: for a rule that carries something, by way of all before it. */
export function recordFor(rule: Rule, count: number): Readonly<Record<string, number>> {
  let carry = startOf(rule.row);
  for (let before = 0; rule.row.carry && before < count; before++) carry = recordAt(rule, before, carry).carry;
  return recordAt(rule, count, carry).values;
}

/** Hyper-parameters that were resolved, and for which row. */
const resolved = new WeakMap<object, RuleRow>();

/**
 * A rule as it comes in from outside: what a rule's function made is taken as it is, what was made by hand is resolved and
 * checked as if its hyper-parameters had been passed to that function.
 *
 * @throws DownhillError OPTION-TYPE where it is no rule, HYPER-* for its hyper-parameters.
 */
export function checkRule(where: string, rule: unknown): Rule {
  const { row, hyper } = Object(rule) as Rule;
  const isRow =
    typeof row?.derive === 'function' &&
    typeof row.slots === 'function' &&
    typeof row.shader?.code === 'string' &&
    typeof row.fields === 'object' &&
    row.fields !== null;
  if (!isRow || typeof hyper !== 'object' || hyper === null) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} needs a rule, got ${show(rule)}.`,
      "Pass what a rule's function returns: adam({ lr: 1e-3 }).",
    );
  }
  checkRow(where, row);
  return resolved.get(hyper) === row ? (rule as Rule) : Object.freeze({ row, hyper: resolveHyper(row, hyper) });
}

/** Rows that were looked at: once is enough. */
const sound = new WeakSet<RuleRow>();

/** A row that somebody made is looked at where it comes in: later its faults would look like ours, or like a training. */
function checkRow(where: string, row: RuleRow): void {
  if (sound.has(row)) return;
  const fault = faultOf(row);
  if (fault)
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} needs a rule, but the row ${show(row.name)} ${fault}.`,
      'Correct the row, as docs/adding-a-rule.md has it.',
    );
  sound.add(row);
}

const KINDS: readonly unknown[] = ['number', 'integer', 'tuple', 'flag', 'choice'];

function faultOf(row: RuleRow): string | undefined {
  const { name, fields, shader } = row;
  if (typeof name !== 'string') return 'has no name';
  const odd = Object.keys(fields).find((key) => !KINDS.includes((fields[key] as unknown as Field | undefined)?.kind));
  if (odd !== undefined) return `has an option ${show(odd)} that is no field`;
  if (row.minimizer) return undefined;
  if (!Array.isArray(shader.bindings) || !Object(shader.structs).Hyper?.fields || !shader.overrides)
    return 'has a shader without its layout';
  const hyper = resolveHyper(row, {});
  const slots: unknown = row.slots(hyper);
  const known = row.passes ? undefined : allSlots(shader);
  const strange = Array.isArray(slots) ? slots.find((slot) => !(known ?? [slot]).includes(slot)) : slots;
  if (strange !== undefined || !Array.isArray(slots)) return `has no state slot ${show(strange)} in its shader`;
  const { values } = recordAt({ row, hyper }, 0, startOf(row));
  const missing = Object.keys(shader.structs.Hyper!.fields).find((field) => !(Math.abs(values[field]!) >= 0));
  return missing && `derives no number for ${show(missing)}: it is ${show(values[missing])}`;
}

/** Fills in defaults and checks every value. */
export function resolveHyper<F extends Fields>(row: RuleRow<F>, options: OptionsOf<F>): SettingsOf<F> {
  checkOptions(row.name, options, Object.keys(row.fields), 'HYPER');
  const given = options as Readonly<Record<string, unknown>>;
  const own = given.convention ?? row.fields.convention?.default ?? 'pytorch';
  // Checked first: the defaults of the others depend on it.
  if (row.fields.convention) checkField(`${row.name}: convention`, row.fields.convention, own);
  const defaults: Readonly<Record<string, unknown>> = row.conventions?.[own as string] ?? {};
  const hyper: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(row.fields)) {
    const value = given[key];
    hyper[key] =
      value === undefined ? (defaults[key] ?? field.default) : checkField(`${row.name}: ${key}`, field, value);
  }
  const settings = Object.freeze(hyper) as SettingsOf<F>;
  row.check?.(settings);
  warnOfDecay(row.name, hyper);
  resolved.set(settings, row as unknown as RuleRow);
  return settings;
}

/** A decay that takes off more than there is turns every weight around: allowed, but hardly meant. */
function warnOfDecay(name: string, { lr, weightDecay, decoupledWeightDecay }: Readonly<Record<string, unknown>>): void {
  if (decoupledWeightDecay !== true || typeof lr !== 'number' || typeof weightDecay !== 'number') return;
  if (lr * weightDecay <= 1) return;
  console.warn(
    `downhill: ${name}: lr·weightDecay is ${lr * weightDecay}: every update turns the weights' signs around. Lower one of them.`,
  );
}
