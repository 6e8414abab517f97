/** Trainings of an experiment, on one device: those of one shape in the same dispatches, others in turn. No Node here. */
import { type Pace, paceOf, trainOne } from './single.js';
import { trainTogether } from './together.js';
import type { Place, Run, RunSpec, Trained } from './training.js';

export type { Place, Run, RunSpec, Trained };

/** A loss that grew to so many times the first one, or is no number. */
const DIVERGED = 3;

/** Whether a training got worse instead of better. */
export const diverged = ({ losses }: Run): boolean => {
  const last = losses.slice(-10);
  return last.some((loss) => !Number.isFinite(loss)) || mean(last) > DIVERGED * losses[0]!;
};

/** Its mean loss over the last share of its steps. */
export const lossOver = ({ losses }: Run, share: number): number =>
  mean(losses.slice(-Math.max(1, Math.round(share * losses.length))));

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** What is told while trainings go on. */
export interface RunProgress {
  /** How much there is to do, in seconds as far as that is known; told first. */
  plan(seconds: number, trainings: number): void;
  /** @param share of all work that is done */
  step(name: string, seed: number, step: number, steps: number, loss: number, share: number): void;
}

/** Trainings in the same dispatches: more make steps long, and save little more. */
const MOST_TOGETHER = 32;

/** Of the trainings asked for, one seed of one: what a place of a group is. */
export interface Member {
  readonly spec: number;
  readonly seed: number;
}

/** Trainings, each once per seed; what was done by the time the signal comes. */
export async function trainAll(
  lab: Place,
  specs: readonly RunSpec[],
  progress: RunProgress,
  { seeds = lab.amounts.seeds }: { readonly seeds?: number } = {},
): Promise<Trained[]> {
  const groups = groupsOf(specs, seeds);
  const firsts = groups.map(([first]) => specs[first!.spec]!);
  const paces = await pacesOf(lab, firsts);
  const work = groups.map((group, i) => workOf(firsts[i]!, paces[i]!) * group.length);
  const all = work.reduce((sum, each) => sum + each, 0);
  progress.plan(
    all / 1000,
    groups.reduce((sum, { length }) => sum + length, 0),
  );
  let done = 0;
  const runs = specs.map((): Run[] => []);
  for (const [i, group] of groups.entries()) {
    if (lab.signal.aborted) break;
    const { spec: first, seed } = group[0]!;
    const { name, steps } = specs[first]!;
    const label = group.length > 1 ? `${name} and ${group.length - 1} more together` : name;
    const told = (step: number, loss: number) =>
      progress.step(label, seed, step, steps, loss, (done + (step / steps) * work[i]!) / all);
    const members = group.map((each) => ({ spec: specs[each.spec]!, seed: each.seed }));
    const came = group.length > 1 ? await trainTogether(lab, members, told) : [await trainOne(lab, members[0]!, told)];
    for (const [k, run] of came.entries()) runs[group[k]!.spec]!.push(run);
    done += work[i]!;
  }
  return specs.map((spec, i) => ({ spec, runs: runs[i]! }));
}

/** Trainings that can share dispatches: of one shape, which begin and look at the same steps. In the order of the first of each. */
export function groupsOf(specs: readonly RunSpec[], seeds: number): Member[][] {
  const groups: { readonly key: RunSpec; readonly places: Member[] }[] = [];
  const all = specs.flatMap((each, spec) =>
    Array.from({ length: Math.min(seeds, each.seeds ?? seeds) }, (_, seed) => ({ spec, seed })),
  );
  for (const place of all) {
    const spec = specs[place.spec]!;
    const open = groups.find(({ key, places }) => places.length < MOST_TOGETHER && together(key, spec));
    if (open) open.places.push(place);
    else groups.push({ key: spec, places: [place] });
  }
  return groups.map(({ places }) => places);
}

const SAME = ['model', 'data', 'test', 'sampling', 'batchSize', 'steps', 'testEvery', 'tried', 'options'] as const;

function together(a: RunSpec, b: RunSpec): boolean {
  const takes = ({ alone, afterEvery, also, sampling, options = {}, rule }: RunSpec) => {
    const { minimizer, curvature, evaluation } = rule().row;
    const plain = !minimizer && !curvature && !evaluation;
    // A full batch fills the adapter by itself: together they would only take more memory.
    return (
      plain && !alone && !afterEvery && !also && sampling !== 'full' && !options.validation && !options.earlyStopping
    );
  };
  return takes(a) && takes(b) && SAME.every((key) => a[key] === b[key]);
}

/** What trainings need to be of one shape: they take equally long, and have compiled what the next one needs. */
const shapeOf = ({ model, rule, batchSize, sampling, data }: RunSpec, lab: Place) =>
  JSON.stringify([
    rule().row.name,
    model.layers.map(({ row, output }) => [row.name, output]),
    sampling === 'full' ? (data ?? lab.train).samples : batchSize,
  ]);

/** The pace of each, measured on the first of a shape. */
async function pacesOf(lab: Place, specs: readonly RunSpec[]): Promise<Pace[]> {
  const known = new Map<string, Pace>();
  for (const spec of specs) {
    const shape = shapeOf(spec, lab);
    if (!known.has(shape) && !lab.signal.aborted) known.set(shape, await paceOf(lab, spec));
  }
  return specs.map((spec) => known.get(shapeOf(spec, lab)) ?? { step: 1, look: 0 });
}

/** Milliseconds of a training. */
function workOf({ steps, testEvery = 0, afterEvery = 0, tried }: RunSpec, { step, look }: Pace): number {
  const looks = [testEvery, afterEvery].reduce((sum, every) => sum + (every > 0 ? Math.ceil(steps / every) : 0), 0);
  return steps * step + (tried ? 0 : (looks + 1) * look);
}
