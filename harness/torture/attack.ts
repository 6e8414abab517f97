/** Runs one campaign: counts, keeps what failed, ends it in time. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Campaign, Case, Context, Size } from './campaign.js';
import { caseRandom } from './case-random.js';

export interface Failure {
  readonly what: string;
  /** The command that shows it again. */
  readonly repeat: string;
}

export interface Outcome {
  readonly name: string;
  readonly attacks: string;
  readonly unit: string;
  readonly size: number;
  readonly tried: number;
  readonly failures: readonly Failure[];
  /** Failures that were not kept, where there are very many. */
  readonly more: number;
  readonly figures: Readonly<Record<string, string>>;
  readonly seconds: number;
  /** Why not all was tried. */
  readonly ended?: 'time' | 'interrupted';
}

export interface Attack {
  readonly size: Size;
  readonly seed: number;
  /** The one case to repeat. */
  readonly only: number | undefined;
  /** Longest it may take. */
  readonly ms: number;
  /** Ctrl+C. */
  readonly signal: AbortSignal;
  /** Told when something was tried or failed. */
  readonly progress: (tried: number, failed: number) => void;
  /** Told of a failure as it comes. */
  readonly failed?: (failure: Failure) => void;
  /** Told what begins: the command that repeats it. */
  readonly begins?: (command: string) => void;
}

/** A fault that everything has must not fill memory, nor the terminal. */
const KEPT = 50;
/** What a campaign has after its time is up to end by itself. */
export const GRACE_MS = 60_000;

/** @param grace for tests: how long after its time a campaign may still take */
export async function attack(
  campaign: Campaign,
  { size, seed, only, ms, signal, progress, failed, begins }: Attack,
  grace = GRACE_MS,
): Promise<Outcome> {
  const { name, attacks, unit } = campaign;
  const count = campaign.sizes[size];
  const failures: Failure[] = [];
  const figures: Record<string, string> = {};
  let [tried, more] = [0, 0];
  let current: number | undefined;
  const time = new AbortController();
  const timer = globalThis.setTimeout(() => time.abort(), ms);
  const both = AbortSignal.any([signal, time.signal]);
  const folder = mkdtempSync(join(tmpdir(), 'torture-'));
  const start = performance.now();
  const command = () =>
    `npm run torture -- ${name} --size ${size} --seed ${seed}${current === undefined ? '' : ` --case ${current}`}`;
  const context: Context = {
    ...{ size: count, seed, signal: both, folder, random: caseRandom(seed, -1) },
    *cases(): Iterable<Case> {
      const [from, to] = only === undefined ? [0, count] : [only, only + 1];
      for (let index = from; index < to && !both.aborted; index++) {
        current = index;
        begins?.(command());
        yield { index, random: caseRandom(seed, index) };
        current = undefined;
        context.tried();
      }
    },
    tried(n = 1) {
      tried += n;
      progress(tried, failures.length + more);
    },
    fail(what, repeat = command()) {
      if (failures.length < KEPT) {
        failures.push({ what, repeat });
        failed?.({ what, repeat });
      } else more++;
      progress(tried, failures.length + more);
    },
    figure(figure, value) {
      figures[figure] = value;
    },
  };
  begins?.(command());
  try {
    const stuck = onceAborted(both).then(async () => {
      await setTimeout(grace, undefined, { ref: false });
      throw new Error(`It did not end within ${grace / 1000} s after it was told to.`);
    });
    await Promise.race([campaign.run(context), stuck]);
  } catch (error) {
    // What is aborted throws its reason, which is no fault.
    if (!(both.aborted && error === both.reason)) context.fail(said(error));
  } finally {
    clearTimeout(timer);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  const ended = signal.aborted ? 'interrupted' : time.signal.aborted ? 'time' : undefined;
  if (tried === 0 && failures.length === 0 && !ended) context.fail('It tried nothing.');
  const seconds = (performance.now() - start) / 1000;
  return { name, attacks, unit, size: count, tried, failures, more, figures, seconds, ...(ended && { ended }) };
}

/** An error with the lines of its stack that are ours. */
function said(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return text
    .split('\n')
    .filter((line) => !/^ +at .*(node_modules|virtual:start|node:internal)/.test(line))
    .join('\n');
}

const onceAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
