import { isUnread } from '../gpu/buffers.js';
import { LEFT_OUT } from '../kernels/account.js';
import { trainLoop } from './loop.js';
import { Pause } from './pause.js';
import type { PopulationPass } from './population-pass.js';
import type { PopulationStep } from './population-types.js';
import type { Flight } from './scheduler.js';
import type { StepColumns } from './step-columns.js';

/* Steps of several programs, delivered as those of one population. */

interface RunOptions {
  /** Members in all. */
  readonly size: number;
  readonly start: number;
  readonly end: number;
  readonly signal: AbortSignal | undefined;
  readonly stepsPerEpoch: number;
  /** Whether what the loss counts is an accuracy. */
  readonly counts: boolean;
  /** Whether no replica of a pass trains any more. */
  readonly idle: (pass: PopulationPass) => boolean;
  readonly destroyed: () => boolean;
  readonly checkAlive: () => void;
  /** Steps were submitted. */
  readonly reached: () => void;
}

/** The steps of one pass, from the first that was not delivered on. */
interface Source {
  readonly pass: PopulationPass;
  readonly steps: AsyncGenerator<{ readonly results: StepColumns }, void, void>;
  now: StepColumns | undefined;
  ended: boolean;
}

const columnsOf = ({ columns }: Flight): Promise<StepColumns> => columns;

/**
 * Trains passes side by side, each by the time that its own steps take, and yields each step once all have done it. Where one cannot
 * be read all keep what was not yielded yet.
 */
export async function* trainTogether(
  passes: readonly PopulationPass[],
  options: RunOptions,
): AsyncGenerator<PopulationStep, void, void> {
  const { start, end, signal, destroyed, checkAlive, idle, reached } = options;
  let keep = false;
  const sources = passes.map((pass): Source => {
    const loop = {
      ...{ end, signal, watch: undefined, pause: new Pause(), goOn: false, checkAlive, look: reached },
      destroyed: () => destroyed() || idle(pass),
      keep: () => keep,
    };
    return { pass, steps: trainLoop(pass.program, loop, columnsOf), now: undefined, ended: false };
  });
  try {
    for (let index = start; index < end; index++) {
      const brought = await Promise.allSettled(sources.map((source) => bring(source, index)));
      const failed = brought.find((each) => each.status === 'rejected');
      if (failed) throw failed.reason;
      reached();
      const going = sources.filter(({ ended }) => !ended);
      if (going.length === 0) break;
      yield report(
        going.map(({ pass, now }) => ({ pass, columns: now! })),
        index,
        options,
      );
    }
  } catch (error) {
    keep = isUnread(error);
    throw error;
  } finally {
    // What was submitted is waited for, whoever failed.
    await Promise.allSettled(sources.map(({ steps }) => steps.return()));
    await align(passes, options, keep);
    reached();
  }
}

/**
 * A run that ends early leaves passes at unlike steps: those behind are brought to where the furthest is.
 *
 * @param keep what came of that is for the next run
 */
async function align(
  passes: readonly PopulationPass[],
  { destroyed, checkAlive, idle }: RunOptions,
  keep: boolean,
): Promise<void> {
  const end = Math.max(...passes.map(({ program }) => program.scheduler.step));
  const loop = {
    ...{ end, watch: undefined, pause: new Pause(), goOn: false, checkAlive, look: () => {}, signal: undefined },
  };
  const behind = passes.filter((pass) => pass.program.scheduler.step < end && !idle(pass) && !destroyed());
  const all = behind.map(async (pass) => {
    const done: Flight[] = [];
    const steps = trainLoop(pass.program, { ...loop, destroyed: () => destroyed() || idle(pass) }, async (flight) => {
      await flight.columns;
      return flight;
    });
    try {
      for await (const { results } of steps) done.push(results);
    } finally {
      if (keep) pass.program.scheduler.leave(done);
    }
  });
  // What fails here fails in the next run.
  await Promise.allSettled(all);
}

/** Waits until a step of a source is there, or its end. */
async function bring(source: Source, index: number): Promise<void> {
  while (!source.ended && !(source.now && index < source.now.first + source.now.steps)) {
    const { done, value } = await source.steps.next();
    if (done) source.ended = true;
    else source.now = value.results;
  }
}

/** One step of all members. */
function report(
  parts: readonly { readonly pass: PopulationPass; readonly columns: StepColumns }[],
  index: number,
  { size, stepsPerEpoch, counts }: RunOptions,
): PopulationStep {
  const losses = new Float32Array(size).fill(Number.NaN);
  const skipped: number[] = [];
  const validated = parts.some(({ columns }) => columns.validations && index === columns.first + columns.steps - 1);
  for (const { pass, columns } of parts) {
    if (index < columns.first) continue; // trained before, in a run that ended early
    const row = (index - columns.first) * columns.replicas;
    for (const [replica, member] of pass.plan.members.entries()) {
      if (index >= columns.done[replica]!) continue;
      const at = 2 * (row + replica);
      losses[member] = columns.losses[at]!;
      if (columns.words[at + 1]! >= LEFT_OUT) skipped.push(member);
    }
  }
  return {
    ...{ step: index + 1, epoch: Math.floor(index / stepsPerEpoch), losses },
    get lrs() {
      return rates(parts, index, size);
    },
    ...(skipped.length > 0 && { skipped }),
    ...(validated && { validation: validationOf(parts, index, size, counts) }),
  };
}

function rates(parts: Parameters<typeof report>[0], index: number, size: number): Float64Array<ArrayBuffer> {
  const lrs = new Float64Array(size).fill(Number.NaN);
  for (const { pass, columns } of parts) {
    if (index < columns.first) continue;
    for (const [replica, member] of pass.plan.members.entries())
      if (index < columns.done[replica]!) lrs[member] = columns.rate(index - columns.first, replica);
  }
  return lrs;
}

function validationOf(
  parts: Parameters<typeof report>[0],
  index: number,
  size: number,
  counts: boolean,
): NonNullable<PopulationStep['validation']> {
  const losses = new Float64Array(size).fill(Number.NaN);
  const accuracies = counts ? losses.slice() : undefined;
  const best = new Uint8Array(size);
  for (const { pass, columns } of parts) {
    for (const [replica, result] of (columns.validations ?? []).entries()) {
      if (result?.step !== index + 1) continue;
      const member = pass.plan.members[replica]!;
      losses[member] = result.loss;
      if (accuracies) accuracies[member] = result.counted;
      best[member] = result.best ? 1 : 0;
    }
  }
  return { step: index + 1, losses, accuracies, best };
}
