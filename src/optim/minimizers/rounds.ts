import { DownhillError } from '../../gpu/errors.js';
import { type Clock, FAULT } from '../../kernels/advance.js';
import type { Ahead, StopReason } from '../minimizer.js';
import type { Rule } from '../rule.js';

/* What the host knows of a minimizer: rounds issued, its settings, and why it ended. */

/** Bits of a clock's `fault` beside {@link FAULT}: why a minimizer halted it. */
export const STOPS = { gradient: 8, flat: 16, linesearch: 32, nonfinite: 64 } as const satisfies Record<
  StopReason,
  number
>;

const ALL_STOPS = Object.values(STOPS).reduce((all, bit) => all | bit, 0);

/** Why a clock was halted, where a minimizer did it. */
const stopOf = ({ fault }: Pick<Clock, 'fault'>): StopReason | undefined =>
  (Object.keys(STOPS) as StopReason[]).find((reason) => (fault & STOPS[reason]) !== 0);

/** A fault without them. */
export const goingOn = (fault: number): number => fault & ~(FAULT.halted | ALL_STOPS);

/** Rounds need no records of the host: it counts them, and sees how they ended. */
export class Rounds implements Ahead<Rule> {
  #issued = 0;
  #rules: readonly Rule[];
  #fault = 0;
  /** Steps done, as they were seen last, and where it was let go on last. */
  #step = 0;
  #resumed = -1;

  /**
   * @param apply other settings, from the next submit on
   * @param most rounds of a submit, where one that comes behind the end costs as much as another
   */
  constructor(
    rules: readonly Rule[],
    readonly apply: (rules: readonly Rule[]) => void,
    readonly most = Number.POSITIVE_INFINITY,
  ) {
    this.#rules = rules;
  }

  get issued(): number {
    return this.#issued;
  }

  get rules(): readonly Rule[] {
    return this.#rules;
  }

  /** Bits of the clock, as it was seen last. */
  get fault(): number {
    return this.#fault;
  }

  get stopped(): StopReason | undefined {
    return stopOf({ fault: this.#fault });
  }

  issue(attempts: number): number {
    const issued = Math.min(attempts, this.most);
    this.#issued += issued;
    return issued;
  }

  rates(): (record: number) => number {
    const rules = this.#rules;
    return (record) => (rules[record]?.hyper as { readonly lr?: number } | undefined)?.lr ?? Number.NaN;
  }

  see([clock]: readonly Clock[]): void {
    if (!clock) throw new DownhillError('INTERNAL', 'There is no clock.', 'Report this.');
    this.#step = clock.step;
    // A submit that was under way when it was let go on tells of the end before that: after it there is one more round at least.
    if (stopOf(clock) && clock.step <= this.#resumed) return;
    this.#fault = clock.fault;
    // What was issued behind the end did nothing.
    if ((clock.fault & FAULT.halted) !== 0) this.#issued = clock.step;
  }

  /** Goes on from a clock that was loaded. */
  restart(clock: Clock): void {
    this.#resumed = -1;
    this.see([clock]);
    this.#issued = clock.step;
  }

  /** It was let go on. */
  resumed(): void {
    this.#fault = goingOn(this.#fault);
    this.#resumed = this.#step;
  }

  change(rules: readonly Rule[]): void {
    this.apply(rules);
    this.#rules = rules;
  }
}
