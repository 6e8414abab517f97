/** Trainings of an experiment, in turn on one device. No Node here. */
import {
  createTrainer,
  type Dataset,
  type Evaluation,
  type Model,
  type Rule,
  type Sampling,
  subset,
  type Trainer,
  type TrainerOptions,
} from '../../src/index.js';
import type { Lab } from './chapter.js';

/** A training, once per seed. */
export interface RunSpec {
  readonly name: string;
  readonly model: Model;
  /** Trainings do not share a schedule's state: made anew for each. */
  readonly rule: () => Rule;
  /** Default the lab's. */
  readonly data?: Dataset;
  /** Default the lab's test part. */
  readonly test?: Dataset;
  readonly sampling: Sampling;
  /** Left out with sampling 'full'. */
  readonly batchSize?: number;
  readonly steps: number;
  readonly options?: Pick<
    TrainerOptions,
    'penalty' | 'augment' | 'validation' | 'earlyStopping' | 'wrappers' | 'groups' | 'clip' | 'dropLast'
  >;
  /** After every so many steps, and the last: the loss on the batch of the step, after its update, as the notes print it. */
  readonly afterEvery?: number;
  /** After every so many steps the test part is evaluated. It is at the end, in any case. */
  readonly testEvery?: number;
}

/** What came of one training. */
export interface Run {
  readonly seed: number;
  /** Of each step's batch, before its update. */
  readonly losses: number[];
  readonly lrs: number[];
  /** Since the first step was submitted, when the loss of each arrived; without evaluations, and without what compiles. */
  readonly seconds: number[];
  readonly stepsPerEpoch: number;
  readonly after: { readonly step: number; readonly loss: number }[];
  readonly tests: { readonly step: number; readonly loss: number; readonly accuracy: number | undefined }[];
  readonly validations: { readonly step: number; readonly loss: number; readonly accuracy: number | undefined }[];
  /** Of the test part, at the end; undefined where it did not get there. */
  readonly final?: Evaluation;
  readonly stopped?: Trainer['stopped'];
}

export interface Trained {
  readonly spec: RunSpec;
  readonly runs: readonly Run[];
}

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

type Place = Pick<Lab, 'device' | 'train' | 'test' | 'amounts' | 'signal'>;

/** Steps that tell how long one takes, behind as many that compile. */
const TRIAL_STEPS = 2;

/** Trainings in turn, each once per seed; what was done by the time the signal comes. */
export async function trainAll(
  lab: Place,
  specs: readonly RunSpec[],
  progress: RunProgress,
  { seeds = lab.amounts.seeds }: { readonly seeds?: number } = {},
): Promise<Trained[]> {
  const ms = await stepTimes(lab, specs);
  const work = specs.map((spec, i) => spec.steps * ms[i]!);
  const all = work.reduce((sum, each) => sum + each, 0) * seeds;
  progress.plan(all / 1000, specs.length * seeds);
  let done = 0;
  const trained: Trained[] = [];
  for (const [i, spec] of specs.entries()) {
    const runs: Run[] = [];
    for (let seed = 0; seed < seeds && !lab.signal.aborted; seed++) {
      const told = (step: number, loss: number) =>
        progress.step(spec.name, seed, step, spec.steps, loss, (done + step * ms[i]!) / all);
      runs.push(await trainOne(lab, spec, seed, told));
      done += work[i]!;
    }
    trained.push({ spec, runs });
  }
  return trained;
}

/** What trainings need to be of one shape: they take equally long. */
const shapeOf = ({ model, batchSize, sampling, data, steps }: RunSpec, lab: Place) =>
  JSON.stringify([
    model.layers.map(({ row, output }) => [row.name, output]),
    sampling === 'full' ? (data ?? lab.train).samples : batchSize,
    Math.min(steps, 1),
  ]);

/** Milliseconds of a step of each, measured on the first of a shape; which also compiles what all of that shape need. */
async function stepTimes(lab: Place, specs: readonly RunSpec[]): Promise<number[]> {
  const known = new Map<string, number>();
  const times: number[] = [];
  for (const spec of specs) {
    const shape = shapeOf(spec, lab);
    if (!known.has(shape) && !lab.signal.aborted) {
      const { seconds } = await trainOne(lab, { ...spec, steps: 2 * TRIAL_STEPS, afterEvery: 0, testEvery: 0 }, 0);
      const [from, to] = [seconds[TRIAL_STEPS - 1] ?? 0, seconds.at(-1) ?? 0];
      known.set(shape, Math.max((1000 * (to - from)) / TRIAL_STEPS, 0.05));
    }
    times.push(known.get(shape) ?? 1);
  }
  return times;
}

async function trainOne(
  lab: Place,
  spec: RunSpec,
  seed: number,
  told?: (step: number, loss: number) => void,
): Promise<Run> {
  const { model, sampling, batchSize, steps, options, afterEvery = 0, testEvery = 0 } = spec;
  const [data, test] = [spec.data ?? lab.train, spec.test ?? lab.test];
  const trainer = await createTrainer(lab.device, {
    ...{ model, data, sampling, seed, rule: spec.rule() },
    ...(sampling !== 'full' && batchSize !== undefined && { batchSize }),
    ...options,
  });
  const run: Run & { final?: Evaluation; stopped?: Trainer['stopped'] } = {
    ...{ seed, losses: [], lrs: [], seconds: [], after: [], tests: [], validations: [] },
    stepsPerEpoch: trainer.stepsPerEpoch,
  };
  try {
    // Where something is looked at in between, training pauses there: a run of so many steps after another.
    const stops = stopsOf(steps, [afterEvery, testEvery]);
    for (const [from, to] of stops) {
      if (lab.signal.aborted || trainer.stopped) break;
      await advance(trainer, run, { steps: to - from, signal: lab.signal, told });
      if (trainer.step < to) break;
      if (due(to, steps, afterEvery)) {
        const { loss } = await trainer.evaluate(subset(data, trainer.batch(to - 1).samples));
        run.after.push({ step: to, loss });
      }
      if (due(to, steps, testEvery)) run.tests.push((await trainer.evaluate(test)) as Run['tests'][number]);
    }
    if (told && trainer.step > 0) run.final = await trainer.evaluate(test);
    if (trainer.stopped) run.stopped = trainer.stopped;
    return run;
  } finally {
    trainer.destroy();
  }
}

const due = (step: number, steps: number, every: number): boolean =>
  every > 0 && (step % every === 0 || step === steps);

/** From one look to the next. */
function stopsOf(steps: number, every: readonly number[]): [number, number][] {
  const stops: [number, number][] = [];
  for (let from = 0; from < steps; ) {
    const next = every.filter((each) => each > 0).map((each) => from + each - (from % each));
    const to = Math.min(steps, ...next);
    stops.push([from, to]);
    from = to;
  }
  return stops;
}

async function advance(
  trainer: Trainer,
  run: Run,
  {
    steps,
    signal,
    told,
  }: { steps: number; signal: AbortSignal; told?: ((step: number, loss: number) => void) | undefined },
): Promise<void> {
  const before = run.seconds.at(-1) ?? 0;
  const start = performance.now();
  try {
    for await (const { step, loss, lr, validation } of trainer.run({ steps, signal })) {
      run.losses.push(loss);
      run.lrs.push(lr);
      run.seconds.push(before + (performance.now() - start) / 1000);
      if (validation) run.validations.push({ step, loss: validation.loss, accuracy: validation.accuracy });
      told?.(step, loss);
    }
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
}
