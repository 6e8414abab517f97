import { DownhillError, type ErrorCode } from '../../../src/index.js';
import type { Campaign, Case, Context } from '../campaign.js';

/** Where a campaign on devices runs: in Node or in a page. */
export interface Place {
  /** A device of its own. @param heard told of its errors outside of every scope, in place of the campaign's `fail` */
  requestDevice(heard?: (what: string) => void): Promise<GPUDevice>;
  /** Bytes of JavaScript that are there for good. */
  heap(): Promise<number>;
}

/** A page is told of its cases one by one. */
export interface DeviceContext extends Omit<Context, 'folder' | 'cases'> {
  cases(): Iterable<Case> | AsyncIterable<Case>;
}

/** A campaign that runs in either. */
export interface DeviceCampaign extends Omit<Campaign, 'run'> {
  /** It looks at the heap, and runs with `HEAP_FLAGS`. */
  readonly heap?: boolean;
  run(context: DeviceContext, place: Place): Promise<void>;
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export const pick = <T>(from: readonly T[], random: () => number): T => from[Math.floor(from.length * random())]!;

export function shuffled<T>(from: readonly T[], random: () => number): T[] {
  const all = [...from];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * random());
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}

/** What a rejection was, where it should have been of one of these codes; undefined where it was. */
export function untyped(error: unknown, codes: readonly ErrorCode[]): string | undefined {
  if (error instanceof DownhillError && codes.includes(error.code)) return undefined;
  const came = error === undefined ? 'nothing' : ((error as Error).stack ?? String(error));
  return `${codes.join(' or ')} was expected, and came: ${came}`;
}

/** What a promise was rejected with. */
export const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error ?? new Error('rejected with nothing'),
  );

const TICK_MS = 50;
let [counted, last] = [0, Number.NaN];

/**
 * Milliseconds that this thread had. Where the process stands still, for other work on the machine or by a signal, two ticks are
 * counted and no more: what is promised within a time is promised to who has a processor.
 */
export function awake(): number {
  const look = () => {
    const now = performance.now();
    counted += Math.min(now - last, 2 * TICK_MS);
    last = now;
  };
  if (Number.isNaN(last)) {
    last = performance.now();
    const timer: unknown = setInterval(look, TICK_MS);
    (timer as Partial<NodeJS.Timeout>).unref?.();
  }
  look();
  return counted;
}

/** A promise that must settle: one that hangs is what is looked for. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  const start = awake();
  let timer: ReturnType<typeof setInterval> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      if (awake() - start > ms) reject(new Error(`${what} did not settle within ${ms / 1000} s`));
    }, 500);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearInterval(timer);
  }
}

/** What V8 compiles and forgets of code while it runs is 1 to 3 kB a cycle for the first thousand; without that 10 B show. */
export const HEAP_FLAGS = ['opt', 'maglev', 'sparkplug', 'lazy-feedback-allocation', 'flush-bytecode'].map(
  (name) => `--no-${name}`,
);

/**
 * One collection leaves what the next ones take: code that nobody has called for a while, wrappers whose native side is freed
 * first.
 */
export async function fewestBytes(collect: () => void, bytes: () => number): Promise<number> {
  let fewest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 4; i++) {
    await sleep(20);
    collect();
    fewest = Math.min(fewest, bytes());
  }
  return fewest;
}
