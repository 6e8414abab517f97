import { DownhillError, show, suggest } from '../gpu/errors.js';
import { checkField, checkNumber, checkOptions, type Field, type FlagField, type ListField } from '../gpu/fields.js';
import type { Shader } from '../shaders/shader.js';

/*
 * The form of a problem's row. An analytic function to minimize is one object made with `defineProblem`, its WGSL file and its
 * float64 reference; options, pictures, commands and tests are derived from it.
 */

export type ProblemFields = Readonly<Record<string, Field | ListField>>;

type SettingOf<F extends Field | ListField> = F extends ListField
  ? readonly number[]
  : F extends FlagField
    ? boolean
    : number;
/** Every option of a problem with its value. */
export type ProblemSettings<F extends ProblemFields> = { readonly [K in keyof F]: SettingOf<F[K]> };
/** Any subset; the rest are the defaults. */
export type ProblemOptions<F extends ProblemFields> = Partial<ProblemSettings<F>>;

/** A point where the gradient is 0, with the value there. */
export interface Minimum {
  readonly x: readonly number[];
  readonly value: number;
}

/** One analytic function: all of it but the WGSL and its reference. */
export interface ProblemRow<F extends ProblemFields = ProblemFields> {
  readonly name: string;
  /** The name in prose: 'Beale'. */
  readonly title: string;
  /** The function, a line of text per assignment. */
  readonly formula: readonly string[];
  /** Where it comes from. */
  readonly paper: string;
  /** What it shows, in a sentence. */
  readonly use: string;
  /** The kernel; a function of one's own has none. */
  readonly shader?: Shader;
  readonly fields: F;
  /** How many numbers a point has. */
  dimension(settings: ProblemSettings<F>): number;
  /** What the kernel reads beside the point. Default nothing. */
  data?(settings: ProblemSettings<F>): Float32Array<ArrayBuffer>;
  /** Where one usually starts. */
  start(settings: ProblemSettings<F>): readonly number[];
  /** The lowest first; none where it has none, or where they are not known. */
  minima(settings: ProblemSettings<F>): readonly Minimum[];
  /** Where the gradient is 0 and the Hessian is not positive: of those worth marking. Default none. */
  saddles?(settings: ProblemSettings<F>): readonly (readonly number[])[];
  /** What a picture shows of the first two axes: [from, to] of each. */
  readonly window: readonly [readonly [number, number], readonly [number, number]];
  /** Checks that need more than one field. @throws DownhillError OPTION-* */
  check?(settings: ProblemSettings<F>): void;
}

/** An analytic function with its settings: plain data, made by calling the problem's function. */
export interface Problem {
  readonly row: ProblemRow;
  readonly settings: Readonly<Record<string, unknown>>;
  /** How many numbers a point has. */
  readonly n: number;
  /** Where one usually starts, n numbers. */
  readonly start: readonly number[];
  /** The lowest first. */
  readonly minima: readonly Minimum[];
  readonly saddles: readonly (readonly number[])[];
  /** What the kernel reads beside the point. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** Problems that {@link makeProblem} made. */
const made = new WeakSet<Problem>();

/** A problem of a row, with its settings checked. */
export function makeProblem<F extends ProblemFields>(row: ProblemRow<F>, options: unknown): Problem {
  const settings = resolve(row.name, row.fields, options) as ProblemSettings<F>;
  row.check?.(settings);
  let data: Problem['data'] | undefined;
  const problem: Problem = Object.freeze({
    row: row as unknown as ProblemRow,
    settings,
    n: row.dimension(settings),
    start: row.start(settings),
    minima: row.minima(settings),
    saddles: row.saddles?.(settings) ?? [],
    // Only where a kernel is to read it: a list of all problems needs none, and some is drawn for milliseconds.
    get data() {
      data ??= row.data?.(settings) ?? new Float32Array();
      return data;
    },
  });
  made.add(problem);
  return problem;
}

/** Every field with its checked value: numbers are those the kernel sees, never schedules. */
function resolve(where: string, fields: ProblemFields, options: unknown): Readonly<Record<string, unknown>> {
  checkOptions(where, options, Object.keys(fields));
  const given = options as Readonly<Record<string, unknown>>;
  return Object.freeze(
    Object.fromEntries(
      Object.entries(fields).map(([key, field]) => {
        const [name, value] = [`${where}: ${key}`, given[key] === undefined ? field.default : given[key]];
        if (field.kind === 'number') return [key, checkNumber(name, value, field, { single: true })];
        return [key, checkField(name, field, value, 'OPTION')];
      }),
    ),
  );
}

/** Makes the public function of a problem from its row; the row stays readable as `.row`. */
export function defineProblem<const F extends ProblemFields>(
  row: ProblemRow<F>,
): ((options?: ProblemOptions<F>) => Problem) & { readonly row: ProblemRow<F> } {
  const make = (options: ProblemOptions<F> = {}): Problem => makeProblem(row, options);
  return Object.assign(make, { row });
}

/** Problems by name: what {@link resolveProblem} looks in. */
export type ProblemTable = Readonly<Record<string, { readonly row: unknown }>>;

/**
 * A problem from a name and options that are only known at run time: a command line, a page.
 *
 * @throws DownhillError PROBLEM-UNKNOWN with the nearest name; OPTION-* as the problem's own function.
 */
export function resolveProblem(table: ProblemTable, name: string, options: unknown = {}): Problem {
  if (typeof name !== 'string' || !Object.hasOwn(table, name)) {
    const fix = suggest(String(name), Object.keys(table));
    throw new DownhillError('PROBLEM-UNKNOWN', `There is no problem ${show(name)}.`, fix);
  }
  return makeProblem(table[name]!.row as ProblemRow, options);
}

/**
 * A problem as it comes in from outside.
 *
 * @throws DownhillError OPTION-TYPE where no problem's function made it
 */
export function checkProblem(where: string, problem: unknown): Problem {
  if (made.has(problem as Problem)) return problem as Problem;
  throw new DownhillError(
    'OPTION-TYPE',
    `${where} needs a problem, got ${show(problem)}.`,
    "Pass what a problem's function returns: rosenbrock(), or quadratic({ spectrum: [1, 100] }).",
  );
}

/**
 * The kernel of a problem.
 *
 * @throws DownhillError OPTION-RANGE where it has none
 */
export function shaderOf({ row }: Problem): Shader {
  if (row.shader) return row.shader;
  throw new DownhillError(
    'OPTION-RANGE',
    `${row.title} is a function in JavaScript: no device can evaluate it.`,
    "Pass 'cpu' in place of the device.",
  );
}

/**
 * A point of a problem: so many numbers, all finite as f32.
 *
 * @throws DownhillError SHAPE-MISMATCH, OPTION-TYPE, OPTION-RANGE
 */
export function checkPoint(where: string, problem: Problem, point: unknown): Float64Array<ArrayBuffer> {
  if (!Array.isArray(point) && !ArrayBuffer.isView(point)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} must be numbers, got ${show(point)}.`,
      `Pass ${problem.n} numbers.`,
    );
  }
  const values = point as ArrayLike<unknown>;
  checkCount(where, problem, values);
  return Float64Array.from(values, (value, i) =>
    checkNumber(`${where}[${i}]`, value, {}, { single: true, mayVanish: true }),
  );
}

/**
 * A point or a vector of a problem has its number of dimensions.
 *
 * @throws DownhillError SHAPE-MISMATCH
 */
export function checkCount(where: string, { row, n }: Problem, { length }: ArrayLike<unknown>): void {
  if (length === n) return;
  throw new DownhillError(
    'SHAPE-MISMATCH',
    `${where} has ${length} numbers, but ${row.title} has ${n} here.`,
    `Pass ${n} numbers${'n' in row.fields ? ', or make the problem with another n' : ''}.`,
  );
}
