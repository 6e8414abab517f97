import { guarded } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { Pass } from '../gpu/passes.js';
import { intervalsOf, looksQuantised, MAX_QUERIES, PassTimer } from '../gpu/timing.js';
import type { CheckedProfileOptions } from './options.js';
import type { Program } from './program.js';
import type { Profile, ProfileLabel, ProfilePass, ProfileSubmit, StepReport } from './report-types.js';
import { type Flight, MAX_FLIGHTS, type Recorder, recordSteps } from './scheduler.js';

/*
 * Trains some steps with timestamps around every dispatch. The steps are the ones `run` would do: the same passes in the
 * same order, only in more compute passes. What `run` records knows nothing of this file.
 */

/** Submits up to `most` steps, as `Scheduler.submit`. */
export type Submit = (most: number) => Flight | undefined;
/** Trains steps that `submit` sends off, as `Trainer.run` does. */
type Train = (steps: number, submit: Submit) => AsyncIterable<StepReport>;

/** Trains 2 × `steps` steps: without timestamps, to compare with, then with them. */
export async function profileSteps(
  program: Program,
  { steps, separate }: CheckedProfileOptions,
  train: Train,
): Promise<Profile> {
  const { device, scheduler, passes, front, options } = program;
  const longest = passes.length + (front?.passes.length ?? 0);
  const timers: PassTimer[] = [];
  try {
    // Before any step, so that a device without room for them refuses first. As many steps as fit one query set go into
    // a submit; a step of more passes than that takes several sets.
    const most = separate ? Math.max(MAX_QUERIES / 2, longest) : 1;
    const needed = Math.min(most, steps * longest);
    await guarded(device, options.label, () => {
      while (timers.length < MAX_FLIGHTS) timers.push(new PassTimer(device, options.label, needed));
    });
    const plain = await measure(steps, train, (wanted) => scheduler.submit(wanted));
    const recording = new Recording(program, separate, timers);
    const timed = await measure(steps, train, (wanted) => recording.submit(wanted));
    return {
      separate,
      steps,
      dispatches: passes.length,
      ...timed.times,
      unprofiled: plain.times,
      ...recording.summary(steps),
      submits: timed.submits,
      reports: [...plain.reports, ...timed.reports],
    };
  } finally {
    for (const timer of timers) timer.destroy();
  }
}

/** Trains, and measures on the host: as a whole, and the main thread's share. */
async function measure(steps: number, train: Train, submit: Submit) {
  const reports: StepReport[] = [];
  const submits: ProfileSubmit[] = [];
  let recording = 0;
  let origin: number | undefined;
  const start = performance.now();
  const timedSubmit: Submit = (most) => {
    const begin = performance.now();
    const flight = submit(most);
    const end = performance.now();
    recording += end - begin;
    origin ??= begin;
    const [from, to] = [begin, end].map((time) => Math.round(1e6 * (time - origin!)));
    if (flight) submits.push({ step: flight.first + 1, steps: flight.steps, begin: from!, end: to! });
    return flight;
  };
  for await (const report of train(steps, timedSubmit)) reports.push(report);
  const times = { wallMsPerStep: (performance.now() - start) / steps, hostMsPerStep: recording / steps };
  return { times, reports, submits };
}

/** Submits steps with timestamps, and keeps these until all are there. */
class Recording {
  readonly #program: Program;
  readonly #separate: boolean;
  /** One for each flight; a flight gives its timer back before the next can be submitted. */
  readonly #free: PassTimer[];
  /** What was recorded, in order, and in the same order its timestamps. */
  readonly #passes: Pick<ProfilePass, 'step' | 'steps' | 'label'>[] = [];
  readonly #stamps: BigUint64Array[] = [];

  constructor(program: Program, separate: boolean, timers: readonly PassTimer[]) {
    this.#program = program;
    this.#separate = separate;
    this.#free = [...timers];
  }

  submit(most: number): Flight | undefined {
    const { scheduler, passes, front } = this.#program;
    const timer = this.#free.pop();
    if (!timer) throw new DownhillError('INTERNAL', 'No timer is free.', 'Report this.');
    const first = scheduler.step + 1;
    const record: Recorder = (encoder, steps, label) => {
      if (this.#separate) this.#recordPasses(encoder, first, steps, timer);
      else {
        recordSteps(encoder, steps, label, timer.writes());
        this.#passes.push({ step: first, steps: steps.length, label });
      }
      timer.resolve(encoder);
    };
    const fitting = this.#separate ? Math.floor(timer.passes / (passes.length + (front?.passes.length ?? 0))) : most;
    const flight = scheduler.submit(Math.min(most, fitting), record);
    if (!flight) {
      this.#free.push(timer);
      return undefined;
    }
    const results = this.#arrive(flight, timer);
    // Whoever awaits the flight sees a rejection; nobody may be left to.
    results.catch(() => {});
    return { ...flight, results };
  }

  /** Every dispatch in a pass of its own: timestamps exist only at the ends of passes. */
  #recordPasses(
    encoder: GPUCommandEncoder,
    first: number,
    steps: readonly (readonly Pass[])[],
    timer: PassTimer,
  ): void {
    for (const [i, passes] of steps.entries()) {
      for (const each of passes) {
        recordSteps(encoder, [[each]], each.label, timer.writes());
        this.#passes.push({ step: first + i, steps: 1, label: each.label });
      }
    }
  }

  async #arrive(flight: Flight, timer: PassTimer) {
    const [results, stamps] = await Promise.all([flight.results, timer.read()]);
    this.#stamps.push(stamps);
    this.#free.push(timer);
    return results;
  }

  summary(steps: number) {
    const stamps = new BigUint64Array(this.#stamps.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.#stamps) {
      stamps.set(part, at);
      at += part.length;
    }
    const intervals = intervalsOf(stamps);
    const passes = this.#passes.map((pass, i): ProfilePass => {
      const [begin, end] = intervals[i] ?? [null, null];
      return { ...pass, begin, end };
    });
    const { passes: plan, front } = this.#program;
    return summarize(passes, [...(front?.passes ?? []), ...plan], steps, looksQuantised(stamps));
  }
}

/** What a profile says of its passes, in total and by label. */
export function summarize(
  passes: readonly ProfilePass[],
  plan: readonly Pick<Pass, 'label' | 'kernel' | 'grid'>[],
  steps: number,
  quantised: boolean,
): Pick<Profile, 'gpuMsPerStep' | 'quantised' | 'hint' | 'unknown' | 'labels' | 'passes'> {
  const labels = [...new Set(passes.map(({ label }) => label))];
  const sums = labels.map((label): Omit<ProfileLabel, 'share'> => {
    const own = passes.filter((pass) => pass.label === label);
    const known = own.flatMap(({ begin, end, steps: each }) =>
      begin === null || end === null ? [] : [{ ms: (end - begin) / 1e6, each }],
    );
    const perStep = own.reduce((sum, { steps: each }) => sum + each, 0) / steps; // 1, but for labels that repeat
    const middle = median(known.map(({ ms, each }) => ms / each));
    const kernel = plan.find((pass) => pass.label === label);
    return {
      label,
      ...(kernel && { kernel: kernel.kernel, grid: kernel.grid }),
      count: own.length,
      totalMs: known.reduce((sum, { ms }) => sum + ms, 0),
      medianMs: middle === undefined ? null : middle * perStep,
    };
  });
  const perStep = ({ totalMs, medianMs }: (typeof sums)[number]) => (quantised ? totalMs / steps : (medianMs ?? 0));
  const gpuMsPerStep = sums.reduce((sum, each) => sum + perStep(each), 0);
  const unknown = passes.filter(({ begin }) => begin === null).length;
  const hint = hintFor(quantised, unknown === passes.length);
  return {
    gpuMsPerStep,
    quantised,
    ...(hint && { hint }),
    unknown,
    labels: sums.map((each) => ({ ...each, share: gpuMsPerStep > 0 ? perStep(each) / gpuMsPerStep : 0 })),
    passes,
  };
}

function hintFor(quantised: boolean, nothing: boolean): string | undefined {
  if (nothing) return 'This adapter gives no usable timestamps: profile on another one.';
  if (!quantised) return undefined;
  return 'The timestamps are rounded to 65 or 100 µs: start Chrome with --enable-webgpu-developer-features, or profile more steps.';
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? sorted[half]
    : sorted.length > 0
      ? (sorted[half - 1]! + sorted[half]!) / 2
      : undefined;
}
