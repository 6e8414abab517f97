/** One training by itself. No Node here. */
import { createTrainer, type Evaluation, subset, type Trainer } from '../../src/index.js';
import type { Place, Run, RunSpec } from './training.js';

const trainerOf = (lab: Place, spec: RunSpec, seed: number): Promise<Trainer> => {
  const { model, sampling, batchSize, options } = spec;
  return createTrainer(lab.device, {
    ...{ model, data: spec.data ?? lab.train, sampling, seed, rule: spec.rule() },
    ...(sampling !== 'full' && batchSize !== undefined && { batchSize }),
    ...options,
  });
};

/** Steps that tell how long one takes, behind as many that compile. */
const TRIAL_STEPS = 2;

/** What a training is made of, in milliseconds. */
export interface Pace {
  readonly step: number;
  /** An evaluation of the test part. */
  readonly look: number;
}

/** Measured on a training of its own; which also compiles what all of that shape need. */
export async function paceOf(lab: Place, spec: RunSpec): Promise<Pace> {
  const trainer = await trainerOf(lab, spec, 0);
  // The shorter of two: what takes long by chance would tell of hours.
  const timed = async (work: () => Promise<unknown>) => {
    const times: number[] = [];
    for (let i = 0; i < 2; i++) {
      const start = performance.now();
      await work();
      times.push(performance.now() - start);
    }
    return Math.min(...times);
  };
  const advance = async () => {
    for await (const _ of trainer.run({ steps: TRIAL_STEPS, signal: lab.signal }));
  };
  const evaluate = () => trainer.evaluate(spec.test ?? lab.test);
  try {
    await advance();
    const step = Math.max((await timed(advance)) / TRIAL_STEPS, 0.05);
    if (spec.tried) return { step, look: 0 };
    await evaluate();
    return { step, look: await timed(evaluate) };
  } catch (error) {
    if (lab.signal.aborted) return { step: 1, look: 0 };
    throw error;
  } finally {
    trainer.destroy();
  }
}

export async function trainOne(
  lab: Place,
  { spec, seed }: { readonly spec: RunSpec; readonly seed: number },
  told: (step: number, loss: number) => void,
): Promise<Run> {
  const { steps, afterEvery = 0, testEvery = 0 } = spec;
  const [data, test] = [spec.data ?? lab.train, spec.test ?? lab.test];
  const trainer = await trainerOf(lab, spec, seed);
  const run: Run & { final?: Evaluation; also?: Evaluation; stopped?: Trainer['stopped'] } = {
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
    if (trainer.step > 0 && !spec.tried) {
      run.final = await trainer.evaluate(test);
      if (spec.also) run.also = await trainer.evaluate(spec.also);
    }
    if (trainer.stopped) run.stopped = trainer.stopped;
    return run;
  } finally {
    trainer.destroy();
  }
}

export const due = (step: number, steps: number, every: number): boolean =>
  every > 0 && (step % every === 0 || step === steps);

/** From one look to the next. */
export function stopsOf(steps: number, every: readonly number[]): [number, number][] {
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
  { steps, signal, told }: { steps: number; signal: AbortSignal; told: (step: number, loss: number) => void },
): Promise<void> {
  const before = run.seconds.at(-1) ?? 0;
  const arrived: number[] = [];
  const start = performance.now();
  try {
    for await (const { step, loss, lr, validation } of trainer.run({ steps, signal })) {
      run.losses.push(loss);
      run.lrs.push(lr);
      arrived.push(before + (performance.now() - start) / 1000);
      if (validation) run.validations.push({ step, loss: validation.loss, accuracy: validation.accuracy });
      told(step, loss);
    }
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  } finally {
    run.seconds.push(...spread(arrived, before));
  }
}

/** Losses that come back in one go within so much of the mean time of a step came from one submit. */
const AT_ONCE = 0.5;

/**
 * When each step was done, of when its loss arrived: steps of a submit arrive together at its end, and took equally long.
 *
 * @param from when the first one began
 */
export function spread(arrived: readonly number[], from: number): number[] {
  const { length } = arrived;
  const gap = (AT_ONCE * ((arrived.at(-1) ?? from) - from)) / length;
  const done: number[] = [];
  for (let first = 0, before = from; first < length; ) {
    let end = first + 1;
    while (end < length && arrived[end]! - arrived[end - 1]! < gap) end++;
    const after = arrived[end - 1]!;
    for (let i = first; i < end; i++) done.push(before + ((after - before) * (i + 1 - first)) / (end - first));
    [first, before] = [end, after];
  }
  return done;
}
