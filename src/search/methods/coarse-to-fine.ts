import { DownhillError } from '../../gpu/errors.js';
import { integer, number } from '../../gpu/fields.js';
import { defineMethod, type Plan } from '../method.js';
import { type Box, latinHypercube } from '../sample.js';
import { type ChoiceParameter, type Space, unitOf } from '../space.js';
import { type History, ranked, type Trial } from '../trial.js';

interface Options {
  readonly rounds: number;
  readonly best: number;
  readonly margin: number;
}

/** Of a box's width: a best trial nearer to its side than this lies at the border. */
const AT_BORDER = 0.05;
/** Of a box's width: how far it is widened there. */
const WIDENED = 0.5;
/** Of an axis: no box is narrower, or a round could not move any more. */
const NARROWEST = 0.01;

/** Trials of each round: the same number, the first ones one more where it does not come out even. */
const roundsOf = (trials: number, rounds: number): number[] =>
  Array.from({ length: rounds }, (_, i) => Math.ceil((trials - i) / rounds));

interface Refined {
  readonly box: Box;
  readonly notes: readonly string[];
}

const WHOLE: Box[string] = { low: 0, high: 1 };

/** The box of the next round: round the best trials so far, and a margin; wider where the best of all lies at a border. */
function refine(space: Space, before: Box, best: readonly Trial[], margin: number): Refined {
  const notes: string[] = [];
  const box = Object.entries(space).map(([name, parameter]): [string, Box[string]] => {
    const units = best.map(({ params }) => unitOf(parameter, params[name]!));
    if (parameter.kind === 'choice') return [name, cells(parameter, best, name)];
    const [least, most] = [Math.min(...units), Math.max(...units)];
    const wide = Math.max(most - least, NARROWEST);
    const was = before[name] ?? WHOLE;
    const room = was.high - was.low;
    let [low, high] = [least - margin * wide, most + margin * wide];
    const first = best[0]!.params[name];
    for (const side of ['low', 'high'] as const) {
      const end = side === 'low' ? 'lower' : 'upper';
      const gap = side === 'low' ? units[0]! - was.low : was.high - units[0]!;
      const atBorder = gap <= AT_BORDER * room;
      // Beyond the space nothing is known to be valid: a momentum of 1.1 is not.
      if (atBorder && was[side] === (side === 'low' ? 0 : 1)) {
        notes.push(`the best ${name}, ${first}, lies at the ${end} end of its range: widen the space there`);
        continue;
      }
      const outermost = units.length > 1 && units[0] === (side === 'low' ? least : most);
      if (!atBorder && !outermost) continue;
      const by = WIDENED * (atBorder ? room : wide);
      if (side === 'low') low = Math.min(low, least - by);
      else high = Math.max(high, most + by);
      const where = atBorder ? `at the ${end} border of its box` : `outermost of the best, at the ${end} end`;
      notes.push(`the best ${name}, ${first}, lay ${where}: the box was widened there`);
    }
    return [name, { low: Math.max(low, 0), high: Math.min(high, 1) }];
  });
  return { box: Object.fromEntries(box), notes };
}

/** The values of a choice that are among the best. */
function cells({ values }: ChoiceParameter, best: readonly Trial[], name: string): Box[string] {
  const found = new Set(best.map(({ params }) => values.indexOf(params[name]!)));
  return { ...WHOLE, cells: [...found].sort((a, b) => a - b) };
}

/** What is known after so many rounds: the box of the next one, and what was said of all before. */
function after(rounds: number, plan: Plan, { best, margin, rounds: all }: Options, history: History): Refined {
  const counts = roundsOf(plan.trials, all);
  const trials = history.trials(plan.steps, true);
  let refined: Refined = { box: {}, notes: [] };
  for (let round = 1; round <= rounds; round++) {
    const known = trials.slice(0, sumTo(counts, round)).filter(({ value }) => value !== null);
    const few = Math.min(best, Math.ceil(known.length / 2));
    if (few === 0) continue; // all of them failed: the next round draws from the same box
    const next = refine(plan.space, refined.box, ranked(known, plan.direction).slice(0, few), margin);
    const notes = next.notes.map((note) => `round ${round}: ${note}`);
    refined = { box: next.box, notes: [...refined.notes, ...notes] };
  }
  return refined;
}

const sumTo = (counts: readonly number[], end: number) => counts.slice(0, end).reduce((sum, count) => sum + count, 0);

/**
 * Rounds of random draws, each a Latin hypercube: the first from the whole space, each later one from the box of the best 4 so far and 10 % of its width
 * to each side. Where the best trial of all is the outermost of these 4, or lies within 5 % of the border of the box it was drawn from, what
 * is looked for may lie beyond: the box is widened there by half its width, never beyond the space. Both are said in the notes.
 *
 * @example coarseToFine({ rounds: 3 })
 */
export const coarseToFine = defineMethod({
  name: 'coarse-to-fine',
  title: 'random draws, then more of them round the best',
  fields: {
    rounds: integer('rounds, which share the trials', 2, { min: 2, max: 16 }),
    best: integer('trials that the box of the next round is drawn round', 4, { min: 1, max: 1000 }),
    margin: number('of the box’s width, added on each side', 0.1, { min: 0, max: 1 }),
  },
  check({ trials }, { rounds }) {
    if (trials >= 2 * rounds) return;
    throw new DownhillError(
      'OPTION-RANGE',
      `coarse-to-fine has ${rounds} rounds of 2 trials at least, but there are ${trials} trials.`,
      `Allow ${2 * rounds} trials, or use random.`,
    );
  },
  next(plan, options, history) {
    const counts = roundsOf(plan.trials, options.rounds);
    const asked = history.tasks.length;
    const round = counts.findIndex((_, i) => sumTo(counts, i) === asked);
    if (round < 0 || history.pending().length > 0) return [];
    const { box } = after(round, plan, options, history);
    return latinHypercube(plan.space, plan.seed, asked, counts[round]!, box).map((params, i) => ({
      ...{ trial: asked + i, params, from: 0, to: plan.steps },
    }));
  },
  notes: (plan, options, history) => {
    const counts = roundsOf(plan.trials, options.rounds);
    const done = counts.filter((_, i) => history.tasks.length >= sumTo(counts, i + 1)).length;
    return after(history.pending().length > 0 ? done - 1 : done, plan, options, history).notes;
  },
});
