import { DownhillError, show, suggest } from '../gpu/errors.js';
import { checkFlag, checkNumber, checkOptions } from '../gpu/fields.js';

/*
 * What is searched: parameters by name, each a plain object, so that a space is JSON as it is. A parameter is a map from [0, 1)
 * to its values and back; methods know nothing else of it.
 */

/** Evenly from `low` to `high`, both included; with `step` only low, low + step, … */
export interface UniformParameter {
  readonly kind: 'uniform';
  readonly low: number;
  readonly high: number;
  readonly step?: number;
}
/** Evenly in its logarithm from `low`, above 0, to `high`: for what matters by its factor, rates and decays. */
export interface LogUniformParameter {
  readonly kind: 'log-uniform';
  readonly low: number;
  readonly high: number;
}
/** Whole numbers from `low` to `high`, both included; with `log` evenly in the logarithm. */
export interface IntParameter {
  readonly kind: 'int';
  readonly low: number;
  readonly high: number;
  readonly step?: number;
  readonly log?: boolean;
}
/** One of some values, of no order. */
export interface ChoiceParameter<V extends Value = Value> {
  readonly kind: 'choice';
  readonly values: readonly V[];
}

/** What a parameter can be: JSON, so that a trial is. */
export type Value = number | string | boolean;
export type Parameter = UniformParameter | LogUniformParameter | IntParameter | ChoiceParameter;
/** What is searched, by name. Plain JSON. */
export type Space = Readonly<Record<string, Parameter>>;
/** The values of one trial, by name. */
export type Params = Readonly<Record<string, Value>>;
/** The same with the types of a space. */
export type ParamsOf<S extends Space> = {
  readonly [K in keyof S]: S[K] extends ChoiceParameter<infer V> ? V : number;
};

/** Evenly from `low` to `high`, both included; with `step` only low, low + step, … @example uniform(0, 1) */
export const uniform = (low: number, high: number, { step }: { readonly step?: number } = {}): UniformParameter => ({
  ...{ kind: 'uniform', low, high },
  ...(step !== undefined && { step }),
});
/** Evenly in its logarithm: as likely between 1e-5 and 1e-4 as between 0.1 and 1. @example logUniform(1e-5, 1) */
export const logUniform = (low: number, high: number): LogUniformParameter => ({ kind: 'log-uniform', low, high });
/** Whole numbers from `low` to `high`, both included. @example int(1, 6) @example int(8, 512, { log: true }) */
export const int = (
  low: number,
  high: number,
  { step, log }: { readonly step?: number; readonly log?: boolean } = {},
): IntParameter => ({
  ...{ kind: 'int', low, high },
  ...(step !== undefined && { step }),
  ...(log !== undefined && { log }),
});
/** One of some values. @example choice(['relu', 'tanh']) */
export const choice = <const V extends Value>(values: readonly V[]): ChoiceParameter<V> => ({ kind: 'choice', values });

const KEYS: Readonly<Record<Parameter['kind'], readonly string[]>> = {
  uniform: ['kind', 'low', 'high', 'step'],
  'log-uniform': ['kind', 'low', 'high'],
  int: ['kind', 'low', 'high', 'step', 'log'],
  choice: ['kind', 'values'],
};
const KINDS = Object.keys(KEYS);
const NAME = /^[A-Za-z][\w.-]*$/;

const wrong = (what: string, fix: string, code: 'OPTION-RANGE' | 'OPTION-TYPE' = 'OPTION-RANGE') =>
  new DownhillError(code, what, fix);

/**
 * Checks a space, however it was made.
 *
 * @throws DownhillError OPTION-TYPE, OPTION-UNKNOWN, OPTION-RANGE: no parameter, a range that is reversed or not finite, a
 *   logarithm of 0 or less, a choice without values or with one twice
 */
export function checkSpace(space: unknown): Space {
  if (typeof space !== 'object' || space === null || Array.isArray(space)) {
    const fix = 'Pass an object such as { lr: logUniform(1e-5, 1) }.';
    throw wrong(`space must be an object of parameters, got ${show(space)}.`, fix, 'OPTION-TYPE');
  }
  const entries = Object.entries(space);
  if (entries.length === 0) throw wrong('The space is empty.', 'Name a parameter: { lr: logUniform(1e-5, 1) }.');
  return Object.freeze(Object.fromEntries(entries.map(([name, each]) => [name, checkParameter(name, each)])));
}

function checkParameter(name: string, parameter: unknown): Parameter {
  if (!NAME.test(name)) throw wrong(`space has a parameter named ${show(name)}.`, 'Use letters, digits, - and _.');
  const where = `space.${name}`;
  const { kind } = Object(parameter) as Partial<Parameter>;
  if (typeof kind !== 'string' || !Object.hasOwn(KEYS, kind)) {
    const fix = typeof kind === 'string' ? suggest(kind, KINDS) : `Use one of: ${KINDS.join(', ')}.`;
    throw wrong(`${where}: there is no kind of parameter ${show(kind)}.`, fix);
  }
  checkOptions(where, parameter, KEYS[kind]);
  const checked = parameter as Parameter;
  if (checked.kind === 'choice') return checkValues(where, checked);
  return checkRange(where, checked);
}

function checkValues(where: string, { values }: ChoiceParameter): ChoiceParameter {
  if (!Array.isArray(values) || values.length === 0)
    throw wrong(`${where} must be a list of values, got ${show(values)}.`, 'Pass one value at least.');
  for (const value of values) {
    if (typeof value === 'number') checkNumber(where, value);
    else if (typeof value !== 'string' && typeof value !== 'boolean')
      throw wrong(`${where} has the value ${show(value)}.`, 'Use numbers, texts, true and false.', 'OPTION-TYPE');
  }
  const twice = values.find((value, i) => values.indexOf(value) < i);
  if (twice !== undefined) throw wrong(`${where} has ${show(twice)} twice.`, 'Leave one out.');
  return Object.freeze({ kind: 'choice', values: Object.freeze([...values]) });
}

function checkRange(where: string, parameter: Exclude<Parameter, ChoiceParameter>): Parameter {
  // JSON has no -0.
  const low = checkNumber(`${where}: low`, parameter.low) + 0;
  const high = checkNumber(`${where}: high`, parameter.high) + 0;
  if (low >= high) {
    const fix = low > high ? 'Swap them.' : 'Leave it out of the space, or widen it.';
    throw wrong(`${where} is ${low > high ? 'reversed' : 'empty'}: from ${low} to ${high}.`, fix);
  }
  const log = parameter.kind === 'log-uniform' || (parameter.kind === 'int' && parameter.log);
  if (parameter.kind === 'int') {
    if (parameter.log !== undefined) checkFlag(`${where}: log`, parameter.log);
    for (const end of [low, high])
      if (!Number.isSafeInteger(end)) throw wrong(`${where} must be of whole numbers, got ${end}.`, 'Use uniform().');
  }
  if (log && low <= 0)
    throw wrong(`${where} has a logarithmic axis, which ends above 0, but begins at ${low}.`, 'Begin at 1e-6, or so.');
  const { step } = parameter as { readonly step?: number };
  if (step === undefined) return Object.freeze({ ...parameter, low, high });
  checkNumber(`${where}: step`, step, { above: 0, max: high - low });
  if (parameter.kind === 'int' && (log || !Number.isInteger(step)))
    throw wrong(`${where}: step must be a whole number, and not on a logarithmic axis.`, 'Leave step out.');
  return Object.freeze({ ...parameter, low, high });
}

/** Whether a parameter's axis is logarithmic. */
export const isLog = (parameter: Parameter): boolean =>
  parameter.kind === 'log-uniform' || (parameter.kind === 'int' && parameter.log === true);

/** Where a parameter runs on its axis: whole numbers have a cell each, half a number wide to both sides. */
function axisOf(parameter: Exclude<Parameter, ChoiceParameter>): { low: number; high: number } {
  const { kind, low, high } = parameter;
  const half = kind === 'int' && parameter.step === undefined ? 0.5 : 0;
  const on = isLog(parameter) ? Math.log : (x: number) => x;
  return { low: on(low - half), high: on(high + half) };
}

/** How many values there are; Infinity where it is a range. */
export function sizeOf(parameter: Parameter): number {
  if (parameter.kind === 'choice') return parameter.values.length;
  if (parameter.kind === 'log-uniform') return Number.POSITIVE_INFINITY;
  const { kind, low, high, step = kind === 'int' ? 1 : undefined } = parameter;
  // A width of many steps may be a rounding short of them.
  return step === undefined ? Number.POSITIVE_INFINITY : Math.floor((high - low) / step + 1e-9) + 1;
}

/** Six digits say any parameter, and are the same in every JavaScript engine, whose `exp` may differ in the last bit. */
const rounded = (value: number): number => Number(value.toPrecision(6));

/** The value at `unit` of the axis, 0 to 1. */
export function valueAt(parameter: Parameter, unit: number): Value {
  if (parameter.kind === 'choice') return parameter.values[cellOf(unit, parameter.values.length)]!;
  const { low, high } = parameter;
  const stepped = parameter.kind === 'log-uniform' ? undefined : parameter.step;
  if (stepped !== undefined) return rounded(low + stepped * cellOf(unit, sizeOf(parameter)));
  const axis = axisOf(parameter);
  const on = axis.low + unit * (axis.high - axis.low);
  const value = isLog(parameter) ? Math.exp(on) : on;
  return Math.min(Math.max(parameter.kind === 'int' ? Math.round(value) : rounded(value), low), high);
}

const cellOf = (unit: number, cells: number): number => Math.min(Math.max(Math.floor(unit * cells), 0), cells - 1);

/** Where a value lies on its axis, 0 to 1: of choices and steps the middle of their cell. */
export function unitOf(parameter: Parameter, value: Value): number {
  if (parameter.kind === 'choice') return (parameter.values.indexOf(value) + 0.5) / parameter.values.length;
  const number = value as number;
  const stepped = parameter.kind === 'log-uniform' ? undefined : parameter.step;
  if (stepped !== undefined) return (Math.round((number - parameter.low) / stepped) + 0.5) / sizeOf(parameter);
  const axis = axisOf(parameter);
  const unit = ((isLog(parameter) ? Math.log(number) : number) - axis.low) / (axis.high - axis.low);
  return Math.min(Math.max(unit, 0), 1);
}

/** Whether a value is one of a parameter's. */
export function hasValue(parameter: Parameter, value: unknown): boolean {
  if (parameter.kind === 'choice') return parameter.values.includes(value as Value);
  if (typeof value !== 'number' || !(value >= parameter.low && value <= parameter.high)) return false;
  return parameter.kind !== 'int' || Number.isInteger(value);
}

/** Value number i of a range with steps: of whole numbers each. */
function nth(parameter: Exclude<Parameter, ChoiceParameter>, i: number): Value {
  const { step = 1 } = parameter as { readonly step?: number };
  return rounded(parameter.low + step * i);
}

/** At most `count` values, evenly over the axis, both ends among them. */
export function gridOf(parameter: Parameter, count: number): Value[] {
  const all = sizeOf(parameter);
  if (parameter.kind === 'choice') return [...parameter.values];
  if (all <= count) return Array.from({ length: all }, (_, i) => nth(parameter, i));
  if (count === 1) return [valueAt(parameter, 0.5)];
  const { low, high } = parameter;
  // Of a range with steps, evenly over these; else from end to end, whole numbers rounded.
  const stepped = parameter.kind !== 'log-uniform' && parameter.step !== undefined;
  const at = (share: number): Value => {
    if (stepped) return nth(parameter, Math.round(share * (all - 1)));
    if (share === 0 || share === 1) return share === 0 ? low : high;
    const value = isLog(parameter) ? low * (high / low) ** share : low + share * (high - low);
    return Math.min(Math.max(parameter.kind === 'int' ? Math.round(value) : rounded(value), low), high);
  };
  return [...new Set(Array.from({ length: count }, (_, i) => at(i / (count - 1))))];
}

/** 'log:1e-05..1': as `parseSpace` reads it. */
export function parameterText(parameter: Parameter): string {
  if (parameter.kind === 'choice') return parameter.values.join('|');
  const { kind, low, high } = parameter;
  const step = kind !== 'log-uniform' && parameter.step !== undefined ? `/${parameter.step}` : '';
  const prefix = kind === 'int' ? (parameter.log ? 'intlog:' : 'int:') : kind === 'log-uniform' ? 'log:' : '';
  return `${prefix}${low}..${high}${step}`;
}
