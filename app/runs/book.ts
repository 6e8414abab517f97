import { LOOKS } from '../charts/palette.js';
import type { About } from './run.js';
import { Run } from './run.js';

/** Runs that the page remembers: pinned ones stay, and of the others the oldest make room. */
export const MOST_RUNS = 40;

/** Where runs outlive the page; app/runs/store.ts has it. */
export interface Keeper {
  save(run: Run): void;
  remove(run: Run): void;
}

/** The runs that the page remembers, in the order of their starts. */
export class RunBook {
  readonly runs: Run[] = [];
  #keeper: Keeper | undefined;
  /** What the store has of each run, in short. */
  readonly #kept = new WeakMap<Run, string>();
  #listeners: (() => void)[] = [];

  /** Told when a run comes, goes or has changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Takes up the runs of earlier visits, and keeps those of this one. */
  keep(keeper: Keeper, before: readonly Run[]): void {
    const mine = [...this.runs];
    this.runs.unshift(...before);
    // What began before the store was open has its look.
    const taken = new Set(mine.filter(({ shown }) => shown).map(({ look }) => look));
    for (const run of before) {
      this.#kept.set(run, stateOf(run));
      if (run.shown && taken.has(run.look)) run.shown = false;
      if (run.shown) taken.add(run.look);
    }
    this.#keeper = keeper;
    this.#makeRoom();
    this.changed();
  }

  add(about: About): Run {
    const run = new Run(about);
    // Two of one name could not be told apart in a legend.
    for (let i = 2; this.runs.some(({ name }) => name === run.name); i++) run.name = `${about.name} (${i})`;
    this.runs.push(run);
    this.#makeRoom();
    this.show(run, true);
    return run;
  }

  /** Puts a run into the chart of runs, or takes it out. There are eight looks: the oldest that is not pinned makes room. */
  show(run: Run, on: boolean): void {
    if (on && !run.shown) {
      const shown = this.runs.filter((each) => each.shown && each !== run);
      if (shown.length >= LOOKS) this.show(shown.find((each) => !each.pinned && !each.going) ?? shown[0]!, false);
      const taken = new Set(this.runs.filter((each) => each.shown).map(({ look }) => look));
      if (taken.has(run.look)) run.look = [...Array(LOOKS).keys()].find((look) => !taken.has(look))!;
    }
    run.shown = on;
    this.changed();
  }

  /** @returns puts it back where it was */
  drop(run: Run): () => void {
    const at = this.runs.indexOf(run);
    if (at < 0) return () => {};
    this.runs.splice(at, 1);
    this.#kept.delete(run);
    this.#keeper?.remove(run);
    this.changed();
    return () => {
      if (this.runs.includes(run)) return;
      this.runs.splice(Math.min(at, this.runs.length), 0, run);
      const { shown } = run;
      run.shown = false; // its look may be another's by now
      this.show(run, shown);
    };
  }

  /** To be called after every change of a run, for all who look at it and for the store. */
  changed(): void {
    for (const run of this.runs) {
      const state = stateOf(run);
      if (this.#kept.get(run) === state) continue;
      if (this.#keeper) this.#kept.set(run, state);
      this.#keeper?.save(run);
    }
    for (const listener of this.#listeners) listener();
  }

  #makeRoom(): void {
    while (this.runs.length > MOST_RUNS) {
      const oldest = this.runs.find((run) => !run.pinned && !run.going);
      if (!oldest || oldest === this.runs.at(-1)) return;
      this.runs.splice(this.runs.indexOf(oldest), 1);
      this.#keeper?.remove(oldest);
    }
  }
}

const stateOf = ({ name, pinned, shown, look, status, step, tests, marks, weights }: Run): string =>
  JSON.stringify([name, pinned, shown, look, status, step, tests.length, marks.length, weights?.size]);
