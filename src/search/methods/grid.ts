import { DownhillError } from '../../gpu/errors.js';
import { integer } from '../../gpu/fields.js';
import { defineMethod, type Plan } from '../method.js';
import { gridOf, type Params, type Space, sizeOf } from '../space.js';

/** Points of the grid with so many values of each parameter. */
const points = (space: Space, count: number): number =>
  Object.values(space).reduce((product, each) => product * gridOf(each, count).length, 1);

/** The most values of each parameter for which the grid has at most `trials` points; 0 where there are none. */
function finest(space: Space, trials: number): number {
  const most = Math.max(...Object.values(space).map((each) => Math.min(sizeOf(each), trials)), 1);
  let count = 0;
  while (count < most && points(space, count + 1) <= trials) count++;
  return count;
}

/** The points, the last parameter changing fastest. */
function gridPoints(space: Space, count: number): Params[] {
  let all: Params[] = [{}];
  for (const [name, parameter] of Object.entries(space)) {
    const values = gridOf(parameter, count);
    all = all.flatMap((params) => values.map((value) => ({ ...params, [name]: value })));
  }
  return all;
}

const countOf = ({ space, trials }: Plan, { points: wanted }: { readonly points: number }) =>
  wanted || finest(space, trials);

/**
 * Every combination of evenly spaced values, the ends of each range among them; all values of a choice. With few parameters
 * that matter it wastes most of its trials: of 64 in two dimensions only 8 differ in the one that does.
 *
 * @example grid({ points: 5 })
 */
export const grid = defineMethod({
  name: 'grid',
  title: 'every combination of evenly spaced values',
  fields: {
    points: integer('values of each parameter; 0 is as many as the trials allow', 0, { min: 0, max: 10_000 }),
  },
  check(plan, options) {
    const { space, trials } = plan;
    const count = countOf(plan, options);
    const size = points(space, Math.max(count, 1));
    if (size <= trials && count > 0) return;
    const fits = finest(space, trials);
    throw new DownhillError(
      'OPTION-RANGE',
      `The grid has ${size} points, but there are ${trials} trials.`,
      fits > 0 ? `Allow ${size} trials, or ${fits} points for each parameter.` : `Allow ${size} trials, or use random.`,
    );
  },
  next(plan, options, { tasks }) {
    if (tasks.length > 0) return [];
    return gridPoints(plan.space, countOf(plan, options)).map((params, trial) => ({
      ...{ trial, params, from: 0, to: plan.steps },
    }));
  },
});
