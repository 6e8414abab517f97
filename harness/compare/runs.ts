/** Trainings of an experiment, on one device: those of one shape in the same dispatches, others in turn. No Node here. */
import { trainOne } from './single.js';
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

/** Steps that tell how long one takes, behind as many that compile. */
const TRIAL_STEPS = 2;
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
  const ms = await stepTimes(
    lab,
    groups.map(([first]) => specs[first!.spec]!),
  );
  const work = groups.map((group, i) => specs[group[0]!.spec]!.steps * ms[i]! * group.length);
  const all = work.reduce((sum, each) => sum + each, 0);
  progress.plan(all / 1000, specs.length * seeds);
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
  const all = specs.flatMap((_, spec) => Array.from({ length: seeds }, (__, seed) => ({ spec, seed })));
  for (const place of all) {
    const spec = specs[place.spec]!;
    const open = groups.find(({ key, places }) => places.length < MOST_TOGETHER && together(key, spec));
    if (open) open.places.push(place);
    else groups.push({ key: spec, places: [place] });
  }
  return groups.map(({ places }) => places);
}

const SAME = ['model', 'data', 'test', 'sampling', 'batchSize', 'steps', 'testEvery', 'options'] as const;

function together(a: RunSpec, b: RunSpec): boolean {
  const takes = ({ alone, afterEvery, sampling, options = {}, rule }: RunSpec) => {
    const { minimizer, curvature, evaluation } = rule().row;
    const plain = !minimizer && !curvature && !evaluation;
    // A full batch fills the adapter by itself: together they would only take more memory.
    return plain && !alone && !afterEvery && sampling !== 'full' && !options.validation && !options.earlyStopping;
  };
  return takes(a) && takes(b) && SAME.every((key) => a[key] === b[key]);
}

/** What trainings need to be of one shape: they take equally long. */
const shapeOf = ({ model, batchSize, sampling, data }: RunSpec, lab: Place) =>
  JSON.stringify([
    model.layers.map(({ row, output }) => [row.name, output]),
    sampling === 'full' ? (data ?? lab.train).samples : batchSize,
  ]);

/** Milliseconds of a step of each, measured on the first of a shape; which also compiles what all of that shape need. */
async function stepTimes(lab: Place, specs: readonly RunSpec[]): Promise<number[]> {
  const known = new Map<string, number>();
  const times: number[] = [];
  for (const spec of specs) {
    const shape = shapeOf(spec, lab);
    if (!known.has(shape) && !lab.signal.aborted) {
      const trial = { ...spec, steps: 2 * TRIAL_STEPS, afterEvery: 0, testEvery: 0 };
      const { seconds } = await trainOne(lab, { spec: trial, seed: 0 });
      const [from, to] = [seconds[TRIAL_STEPS - 1] ?? 0, seconds.at(-1) ?? 0];
      known.set(shape, Math.max((1000 * (to - from)) / TRIAL_STEPS, 0.05));
    }
    times.push(known.get(shape) ?? 1);
  }
  return times;
}
