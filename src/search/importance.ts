import { type Space, sizeOf, unitOf } from './space.js';
import { type Direction, ranked, type Trial } from './trial.js';

/** How much of the trials' order one parameter alone explains. */
export interface Importance {
  readonly name: string;
  /** Binned one-way ANOVA R² of the ranks: 0 to 1. */
  readonly r2: number;
  /** What a parameter without any influence gets on average with so many trials and bins. */
  readonly chance: number;
  readonly bins: number;
}

const MOST_BINS = 8;
/** Trials of a bin, on average, at least. */
const FEWEST = 4;

/**
 * Importance of each parameter, the most important first: the R² of a one-way analysis of variance over bins of its axis (logarithmic where the
 * parameter's is; a choice has a bin for each value), of the trials' ranks. A share of variance that one parameter alone explains: two that
 * matter only together show as little. Not fANOVA; `optunaJournal` is how to have that.
 */
export function importanceOf(trials: readonly Trial[], space: Space, direction: Direction): Importance[] {
  const order = ranked(
    trials.filter(({ state }) => state !== 'running'),
    direction,
  );
  const ranks = order.map((_, rank) => rank);
  return Object.entries(space)
    .map(([name, parameter]): Importance => {
      const most = Math.max(2, Math.min(MOST_BINS, Math.floor(order.length / FEWEST)));
      const bins = parameter.kind === 'choice' ? parameter.values.length : Math.min(most, sizeOf(parameter));
      const cells = order.map(({ params }) => Math.min(Math.floor(unitOf(parameter, params[name]!) * bins), bins - 1));
      const used = new Set(cells).size;
      const chance = order.length > 1 ? Math.min((used - 1) / (order.length - 1), 1) : 0;
      return { name, r2: explained(ranks, cells), chance, bins: used };
    })
    .sort((a, b) => b.r2 - a.r2 || (a.name < b.name ? -1 : 1));
}

/** The share of the values' variance that lies between groups. */
function explained(values: readonly number[], groups: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const all = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  if (!(all > 0)) return 0;
  const sums = new Map<number, { sum: number; count: number }>();
  for (const [i, group] of groups.entries()) {
    const { sum, count } = sums.get(group) ?? { sum: 0, count: 0 };
    sums.set(group, { sum: sum + values[i]!, count: count + 1 });
  }
  const between = [...sums.values()].reduce((total, { sum, count }) => total + count * (sum / count - mean) ** 2, 0);
  return between / all;
}
