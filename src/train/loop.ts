import { isUnread } from '../gpu/buffers.js';
import { checkNotLost } from '../gpu/lost.js';
import type { CheckedWatchOptions } from './options.js';
import type { Pause } from './pause.js';
import type { Submit } from './profile.js';
import type { Program } from './program.js';
import { type Flight, MAX_FLIGHTS } from './scheduler.js';
import type { StepResult } from './step-columns.js';
import type { Watcher } from './watch.js';

/** What a run is asked for. */
export interface LoopOptions {
  /** The step to train to. */
  readonly end: number;
  readonly signal: AbortSignal | undefined;
  readonly watch: CheckedWatchOptions | undefined;
  /** Submits the steps of a profile. */
  readonly profiled?: Submit | undefined;
  readonly pause: Pause;
  /** A training that was stopped early is asked to go on. */
  readonly goOn: boolean;
  readonly destroyed: () => boolean;
  /** Throws where the trainer was destroyed. */
  readonly checkAlive: () => void;
  /** Steps came back, and others were submitted. */
  readonly look: () => void;
  /** Asked where it is ended from outside: whether what it brought last, and what is under way, is for the next loop. */
  readonly keep?: () => boolean;
}

/**
 * Trains a program on, and yields what comes of its steps, in order, with the index of the first. Where results cannot be read
 * it throws GPU-READ, and the loop after it yields them first.
 *
 * @param take of a flight what is wanted
 */
export async function* trainLoop<T = readonly StepResult[]>(
  program: Pick<Program, 'device' | 'scheduler' | 'validation'> & {
    readonly updater?: Pick<Program['updater'], 'stopped'>;
  },
  options: LoopOptions,
  take: (flight: Flight) => Promise<T> = ({ results }) => results as Promise<T>,
): AsyncGenerator<{ readonly first: number; readonly results: T }, void, void> {
  const { end, signal, watch, profiled, pause, destroyed, checkAlive } = options;
  const { device, scheduler, validation, updater } = program;
  let watcher: Watcher | undefined;
  const submitSteps = profiled ?? ((most: number) => (watcher ?? scheduler).submit(most));
  const flights: Flight[] = [];
  let failure: { readonly error: unknown } | undefined;
  /** What was yielded last. */
  let given: readonly Flight[] | undefined;
  /** No step is left to submit. */
  const done = () =>
    failure ||
    scheduler.failure ||
    destroyed() ||
    signal?.aborted ||
    scheduler.step >= end ||
    validation?.halted ||
    updater?.stopped;
  const submit = async () => {
    try {
      // Two that were not delivered yet, whether the GPU is done with them or not: a slow consumer holds the GPU back.
      while (!done() && flights.length < MAX_FLIGHTS) {
        const waiting = scheduler.ready();
        if (waiting) await waiting; // for a source of data
        if (done()) break;
        const flight = submitSteps(end - scheduler.step);
        if (!flight) break; // not before the steps under way are back
        flights.push(flight);
      }
    } catch (error) {
      // A schedule without a value, data that cannot be read: thrown when the steps before it were delivered.
      failure = { error };
    }
  };
  try {
    await checkNotLost(device);
    checkAlive();
    if (scheduler.failure) throw scheduler.failure;
    // (Loaded here: most pages do not watch.)
    if (watch) watcher = await (await import('./watch.js')).Watcher.create(program as Program, watch);
    checkAlive();
    // First what a loop before this one could not read: it says how to go on.
    flights.push(...scheduler.again());
    await Promise.all(flights.map(({ columns }) => columns));
    if (options.goOn) await validation?.goOn();
    checkAlive();
    if (!done()) await pause.over(device, signal);
    given = [];
    await submit();
    for (let flight = flights[0]; flight; flight = flights[0]) {
      const results = await take(flight);
      flights.shift();
      // The next submit goes out before the consumer sees these losses, so the GPU never waits for it.
      if (!pause.on) await submit();
      options.look();
      given = [flight];
      yield { first: flight.first, results };
      if (flights.length > 0 || done()) continue;
      await pause.over(device, signal);
      await submit();
    }
    if (scheduler.failure) throw scheduler.failure;
    // In an object, or TypeScript believes that it was never set.
    if (failure) throw (failure as { readonly error: unknown }).error;
    checkAlive();
    signal?.throwIfAborted();
  } catch (error) {
    // A buffer that was destroyed under a pending read: say what happened, not how it showed.
    checkAlive();
    throw error;
  } finally {
    const ends = await Promise.allSettled(flights.map(take));
    const unread = ends.findIndex((end) => end.status === 'rejected' && isUnread(end.reason));
    if (!given || options.keep?.()) scheduler.leave([...(given ?? []), ...flights]);
    else if (unread >= 0) scheduler.leave(flights.slice(unread));
    watcher?.destroy();
  }
}
