import { DownhillError, show, suggest } from './errors.js';

/*
 * What options are: a field says the kind, default, range and meaning of one; everything that reads options (the library,
 * the command line, the page, the documentation) is derived from fields. And every check of a single value, once.
 */

/**
 * A hyper-parameter that changes: its value for the update with this count, 0 being the first. Pure, in float64.
 */
export type Schedule = (count: number) => number;

interface FieldBase<T> {
  readonly default: T;
  /** One phrase for help texts and pages. */
  readonly help: string;
  /** Its flag on the command line, where that of its own name means something else: 'lr-scale'. */
  readonly flag?: string;
}
/** Bounds of a number. */
export interface Range {
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
  /** Never a schedule. Default false. */
  readonly fixed?: boolean;
}
/** A whole number; never a schedule. */
export interface IntegerField extends FieldBase<number>, Range {
  readonly kind: 'integer';
}
/** So many numbers as the default has, each in the range. */
export interface TupleField<T extends readonly number[] = readonly number[]> extends FieldBase<T>, Range {
  readonly kind: 'tuple';
}
export interface FlagField extends FieldBase<boolean> {
  readonly kind: 'flag';
}
export interface ChoiceField<C extends string = string> extends FieldBase<C> {
  readonly kind: 'choice';
  readonly choices: readonly C[];
}
export type Field = NumberField | IntegerField | TupleField | FlagField | ChoiceField;
export type Fields = Readonly<Record<string, Field>>;
/** Any number of numbers, each in the range; none by default. Options of losses have it, hyper-parameters do not. */
export interface ListField extends FieldBase<readonly number[]>, Range {
  readonly kind: 'list';
}

type ValueOf<F extends Field> = F extends FlagField
  ? boolean
  : F extends TupleField<infer T>
    ? T
    : F extends ChoiceField<infer C>
      ? C
      : number;
type OptionOf<F extends Field> =
  F extends TupleField<infer T>
    ? { readonly [K in keyof T]: number | Schedule }
    : F extends NumberField
      ? number | Schedule
      : ValueOf<F>;
/** Every hyper-parameter with its value at one update: what `derive` and the reference see. */
export type HyperOf<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };
/** Every hyper-parameter as it was given, schedules unevaluated. */
export type SettingsOf<F extends Fields> = { readonly [K in keyof F]: OptionOf<F[K]> };
/** What a user passes: any subset; the rest are the defaults. Every number may be a schedule. */
export type OptionsOf<F extends Fields> = Partial<SettingsOf<F>>;

export const number = (help: string, value: number, range: Range & Pick<NumberField, 'fixed'> = {}): NumberField => ({
  kind: 'number',
  help,
  default: value,
  ...range,
});
export const integer = (help: string, value: number, range: Range = {}): IntegerField => ({
  kind: 'integer',
  help,
  default: value,
  ...range,
});
/** Two numbers. */
export const pair = (
  help: string,
  value: readonly [number, number],
  range: Range = {},
): TupleField<readonly [number, number]> => ({ kind: 'tuple', help, default: value, ...range });
/** Three numbers. */
export const triple = (
  help: string,
  value: readonly [number, number, number],
  range: Range = {},
): TupleField<readonly [number, number, number]> => ({ kind: 'tuple', help, default: value, ...range });
export const list = (help: string, range: Range = {}): ListField => ({ kind: 'list', help, default: [], ...range });
export const flag = (help: string, value = false): FlagField => ({ kind: 'flag', help, default: value });
export const choice = <const C extends string>(
  help: string,
  choices: readonly C[],
  value: C = choices[0]!,
): ChoiceField<C> => ({ kind: 'choice', help, choices, default: value });

/** "at least 0 and below 1", or the choices, for messages and help; nothing for a flag. */
export function describeField(field: Field | ListField): string {
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

const inRange = (value: number, { min, above, max, below }: Range): boolean =>
  !(min !== undefined && value < min) &&
  !(above !== undefined && value <= above) &&
  !(max !== undefined && value > max) &&
  !(below !== undefined && value >= below);

/** Which codes a check raises: HYPER-* for hyper-parameters of a rule, OPTION-* for all else. */
type Area = 'OPTION' | 'HYPER';

/** How a number is checked beyond its range. */
interface NumberCheck {
  readonly area?: Area;
  /** The kernel sees an f32: it must lie in the range, too, and not become 0 unless it `mayVanish`. */
  readonly single?: boolean;
  readonly mayVanish?: boolean;
}

/** Checks a finite number within a range. */
export function checkNumber(where: string, value: unknown, range: Range = {}, how: NumberCheck = {}): number {
  const { area = 'OPTION', single = false, mayVanish = false } = how;
  const wanted = describeRange(range);
  if (typeof value !== 'number') {
    throw new DownhillError(
      `${area}-TYPE`,
      `${where} must be a number, got ${show(value)}.`,
      `Pass a number ${wanted === 'finite' ? 'that is finite' : wanted}.`,
    );
  }
  if (!Number.isFinite(value) || !inRange(value, range)) {
    throw new DownhillError(
      `${area}-RANGE`,
      `${where} must be finite${wanted === 'finite' ? '' : ` and ${wanted}`}, got ${value}.`,
      `Choose a value that is ${wanted}.`,
    );
  }
  const seen = single ? Math.fround(value) : value;
  const vanished = seen === 0 && value !== 0 && !mayVanish;
  if (!Number.isFinite(seen) || vanished || !inRange(seen, range)) {
    throw new DownhillError(
      `${area}-RANGE`,
      `${where} = ${value} becomes ${seen} in 32-bit floating point, which is outside its range.`,
      `Choose a value that is ${wanted} in single precision too.`,
    );
  }
  return value;
}

/** Checks that `value` is an integer in [min, max]; a wrong type and a wrong value have different codes. */
export function checkInteger(where: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} must be an integer, got ${show(value)}.`,
      `Pass a number for ${where}.`,
    );
  }
  if (!Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new DownhillError(
      'OPTION-RANGE',
      `${where} must be an integer ${range}, got ${value}.`,
      `Set ${where} to an integer ${range}.`,
    );
  }
  return value;
}

/** Checks true or false. */
export function checkFlag(where: string, value: unknown, area: Area = 'OPTION'): boolean {
  if (typeof value === 'boolean') return value;
  throw new DownhillError(`${area}-TYPE`, `${where} must be true or false, got ${show(value)}.`, 'Pass a boolean.');
}

/** Checks a text, such as the label of GPU objects. */
export function checkText(where: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new DownhillError('OPTION-TYPE', `${where} must be a string, got ${show(value)}.`, 'Pass a short name.');
}

/** Checks that `value` is one of `choices`. */
export function checkChoice<T extends string>(where: string, value: unknown, choices: readonly T[]): T {
  if (typeof value !== 'string' || !(choices as readonly string[]).includes(value)) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${where} must be one of ${choices.join(', ')}, got ${show(value)}.`,
      typeof value === 'string' ? suggest(value, choices) : `Use one of: ${choices.join(', ')}.`,
    );
  }
  return value as T;
}

/**
 * Checks the keys of an options object: it must be an object, and hold no key outside `known`. Only undefined means a default:
 * null, which `??` would take for it too, is a mistake, such as PyTorch's `momentum=None` for a momentum of 0.1.
 * Raised before any GPU work.
 */
export function checkOptions(where: string, options: unknown, known: readonly string[], area: Area = 'OPTION'): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new DownhillError(
      `${area}-TYPE`,
      `${where} expects an options object, got ${show(options)}.`,
      'Pass an object.',
    );
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new DownhillError(`${area}-UNKNOWN`, `${where} has no option ${show(key)}.`, suggest(key, known));
    }
    if ((options as Readonly<Record<string, unknown>>)[key] === null)
      throw new DownhillError(`${area}-TYPE`, `${where}.${key} is null.`, 'Leave it out for its default.');
  }
}

/** What everything here calls a device for. */
const DEVICE_METHODS = [
  'createBuffer',
  'createBindGroup',
  'createBindGroupLayout',
  'createPipelineLayout',
  'createShaderModule',
  'createComputePipelineAsync',
  'createCommandEncoder',
  'pushErrorScope',
  'popErrorScope',
] as const;

/** What every device of WebGPU's core has, and kernels count on; one of the compatibility mode has it where that was asked for. */
const LEAST_LIMITS = {
  maxUniformBufferBindingSize: 65_536,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupStorageSize: 16_384,
} as const;

/** @throws DownhillError LIMIT-BINDING with the limit that is too low */
function checkLimits(where: string, { limits }: GPUDevice): void {
  for (const [name, least] of Object.entries(LEAST_LIMITS)) {
    const has = limits[name as keyof typeof LEAST_LIMITS];
    if (has >= least) continue;
    throw new DownhillError(
      'LIMIT-BINDING',
      `${where}: the kernels need ${name} of ${least}, but this device allows ${has}.`,
      `Request the device with requiredLimits: { ${name}: ${least} }, which every adapter has but those of the compatibility mode.`,
    );
  }
}

/** Whether this is of WebGPU's shape, whoever made it. */
function isDevice(device: unknown): device is GPUDevice {
  const made = device as Partial<GPUDevice> | null | undefined;
  try {
    return (
      !!made &&
      DEVICE_METHODS.every((method) => typeof made[method] === 'function') &&
      typeof made.queue?.submit === 'function' &&
      typeof made.queue.writeBuffer === 'function' &&
      typeof made.features?.has === 'function' &&
      typeof made.limits?.maxStorageBufferBindingSize === 'number' &&
      typeof made.lost?.then === 'function'
    );
  } catch {
    return false; // what inherits from a device has its methods, but not what they work on
  }
}

/**
 * A device that was handed in, with the limits of WebGPU's core.
 *
 * @throws DownhillError OPTION-TYPE, LIMIT-BINDING
 */
export function checkDevice(where: string, device: unknown): asserts device is GPUDevice {
  if (isDevice(device)) return checkLimits(where, device);
  throw noDevice(where, device);
}

export const noDevice = (where: string, device: unknown): DownhillError =>
  new DownhillError(
    'OPTION-TYPE',
    `${where} needs a GPUDevice first, got ${show(device)}.`,
    "Pass `await requestDevice()` of 'downhill' or 'downhill/node', or your own device.",
  );

/** One hyper-parameter, as a field has it; the numbers of those that allow it may be schedules, checked when they are used. */
export function checkField(where: string, field: Field | ListField, value: unknown, area: Area = 'HYPER'): unknown {
  switch (field.kind) {
    case 'flag':
      return checkFlag(where, value, area);
    case 'choice':
      if (typeof value === 'string' && field.choices.includes(value)) return value;
      throw new DownhillError(
        typeof value === 'string' ? `${area}-RANGE` : `${area}-TYPE`,
        `${where} must be one of ${field.choices.join(', ')}, got ${show(value)}.`,
        typeof value === 'string' ? suggest(value, field.choices) : `Use one of: ${field.choices.join(', ')}.`,
      );
    case 'integer':
      checkNumber(where, value, field, { area });
      if (Number.isInteger(value)) return value;
      throw new DownhillError(`${area}-RANGE`, `${where} must be an integer, got ${value}.`, 'Choose a whole number.');
    case 'number':
      if (field.fixed) return checkNumber(where, value, field, { area, single: true });
      return checkSetting(where, field, value, area);
    case 'list':
      if (Array.isArray(value) || ArrayBuffer.isView(value))
        return Object.freeze(
          Array.from(value as ArrayLike<unknown>, (each, i) =>
            checkNumber(`${where}[${i}]`, each, field, { area, single: true }),
          ),
        );
      throw new DownhillError(
        `${area}-TYPE`,
        `${where} must be a list of numbers, got ${show(value)}.`,
        'Pass an array of numbers.',
      );
    default: {
      const { length } = field.default;
      if (!Array.isArray(value) || value.length !== length) {
        const wanted = length === 2 ? 'a pair of numbers' : `a list of ${length} numbers`;
        throw new DownhillError(
          `${area}-TYPE`,
          `${where} must be ${wanted}, got ${show(value)}.`,
          `Pass ${length === 2 ? '[first, second]' : `[${field.default.join(', ')}] or other values`}.`,
        );
      }
      return Object.freeze(Array.from(value, (each, i) => checkSetting(`${where}[${i}]`, field, each, area)));
    }
  }
}

/** A number within its range, or a schedule, whose values are checked when they are used. */
const checkSetting = (where: string, range: Range, value: unknown, area: Area): unknown =>
  typeof value === 'function' ? value : checkNumber(where, value, range, { area, single: true });
