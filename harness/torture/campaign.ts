/** What a campaign is: many attacks of one kind on the project, drawn by seed, each of which must hold. */

/** Sizes: `short` for CI, all campaigns together at most 5 minutes on two cores; `full` by hand, before a release. */
export type Size = 'short' | 'full';

export interface Campaign {
  readonly name: string;
  /** What it does to what, in a sentence for the table and the docs. */
  readonly attacks: string;
  /** What is counted: kills, mutants, headers. */
  readonly unit: string;
  /** How many of them. */
  readonly sizes: Readonly<Record<Size, number>>;
  /** Attacks and says what failed; what it throws is a failure, too. Ends soon after `context.signal`. */
  run(context: Context): Promise<void>;
}

/** One attack. */
export interface Case {
  /** From 0; `--case` repeats it alone. */
  readonly index: number;
  /** Uniform in [0, 1): its own draws, the same for one seed, whatever other cases draw. */
  readonly random: () => number;
}

export interface Context {
  /** How many attacks are asked for. */
  readonly size: number;
  readonly seed: number;
  /** Aborted at Ctrl+C and at the end of the campaign's time. */
  readonly signal: AbortSignal;
  /** A temporary folder of its own, empty; removed afterwards. */
  readonly folder: string;
  /**
   * The attacks one after the other, until all are done or time is up: each is counted when the next is asked for, and a
   * failure in between is repeated by its number. A campaign that draws otherwise uses `random`, `tried` and `fail` alone.
   */
  cases(): Iterable<Case>;
  /** Uniform in [0, 1), for what belongs to no case. */
  random(): number;
  /** Counts attacks. */
  tried(n?: number): void;
  /** What did not hold. @param repeat a command that shows it again; without it that of the case or campaign */
  fail(what: string, repeat?: string): void;
  /** A figure that the report keeps: 'heap slope' '3 B a cycle'. The last of a name counts. */
  figure(name: string, value: string): void;
}
