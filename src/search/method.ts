import { checkField, checkOptions, type Field, type Fields } from '../gpu/fields.js';
import type { Space } from './space.js';
import type { Direction, History, Task } from './trial.js';

/*
 * What a method is: a row with its options as fields, and one pure function from what was asked and what came of it to what is
 * asked next. No GPU, no clock, no memory of its own; every method of the house resumes for that alone.
 */

/** What a search is to do with. */
export interface Plan {
  readonly space: Space;
  readonly seed: number;
  readonly trials: number;
  /** Steps of a trial that is trained to its end. */
  readonly steps: number;
  readonly direction: Direction;
  /** Tasks at once, for the asynchronous method. */
  readonly workers: number;
}

export interface MethodRow<O = Readonly<Record<string, never>>> {
  readonly name: string;
  /** What it does, in a line. */
  readonly title: string;
  readonly fields: Fields;
  readonly paper?: string;
  /** Checks that need the plan. @throws DownhillError OPTION-RANGE */
  check?(plan: Plan, options: O): void;
  /**
   * Trials that got to a step together go on from it together, and who does not then never does: those of one population can stay in it.
   * Default false.
   */
  readonly together?: boolean;
  /** Trials are copied on the way: an objective must be able to. */
  readonly copies?: boolean;
  /**
   * What to run now, beside what is running. Nothing while it waits for what is, and nothing at the end.
   *
   * @param history may hold tasks without a result: they are running
   */
  next(plan: Plan, options: O, history: History): readonly Task[];
  /** What a report should say: that a best trial lay at a border. */
  notes?(plan: Plan, options: O, history: History): readonly string[];
}

/** A method with its options: plain data. */
export interface Method {
  readonly row: MethodRow<never>;
  readonly options: Readonly<Record<string, unknown>>;
}

type OptionOf<F extends Field> = F extends { readonly kind: 'flag' } ? boolean : number;
export type MethodOptions<F extends Fields> = { readonly [K in keyof F]: OptionOf<F[K]> };

/** Makes the public function of a method from its row. */
export function defineMethod<const F extends Fields>(
  row: Omit<MethodRow<MethodOptions<F>>, 'fields'> & { readonly fields: F },
): ((options?: Partial<MethodOptions<F>>) => Method) & { readonly row: MethodRow<never> } {
  const made = row as unknown as MethodRow<never>;
  return Object.assign((options: Partial<MethodOptions<F>> = {}) => resolveMethod(made, options), { row: made });
}

/** A method of a row. @throws DownhillError OPTION-* */
export function resolveMethod(row: MethodRow<never>, options: object): Method {
  checkOptions(row.name, options, Object.keys(row.fields));
  const given = options as Readonly<Record<string, unknown>>;
  const resolved = Object.entries(row.fields).map(([key, field]) => [
    key,
    given[key] === undefined ? field.default : checkField(`${row.name}: ${key}`, field, given[key], 'OPTION'),
  ]);
  return Object.freeze({ row, options: Object.freeze(Object.fromEntries(resolved)) });
}
