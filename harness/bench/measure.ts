/**
 * How contenders are timed. They are all made ready and checked first; then rounds are run, each contender once per round
 * (A B C, B C A, C A B …), so that whatever drifts, drifts for all. A sample is as many dependent iterations as fill a
 * set time, waited for once at its end. After the rounds: one sample with instruments, and the check again.
 */
import { DownhillError } from '../../src/index.js';
import type { BenchConfig, Contender, ContenderResult, OpenCase, Runner } from './contract.js';
import { instrument } from './instruments.js';
import { ratio } from './statistics.js';

export interface MeasurePlan {
  /** Milliseconds that a sample should take: long against timers, wake-ups and the way back of a result. */
  readonly sampleMs: number;
  readonly warmUpMs: number;
  readonly minRounds: number;
  /** Rounds end earlier once every ratio to the baseline is known this well (half width of its interval). */
  readonly precision: number;
  readonly maxRounds: number;
  /** No further round begins after this long. */
  readonly caseMs: number;
  /** What takes longer for a single iteration is timed `slowRounds` times only. */
  readonly slowMs: number;
  readonly slowRounds: number;
}

export const FULL: MeasurePlan = {
  sampleMs: 200,
  warmUpMs: 400,
  minRounds: 9,
  precision: 0.03,
  maxRounds: 25,
  caseMs: 60_000,
  slowMs: 3000,
  slowRounds: 3,
};
export const QUICK: MeasurePlan = {
  sampleMs: 60,
  warmUpMs: 120,
  minRounds: 5,
  precision: 0.05,
  maxRounds: 9,
  caseMs: 4000,
  slowMs: 500,
  slowRounds: 2,
};

/** Told how far a case is, from 0 to 1, and whose turn it is: who is to blame if the process dies. */
export type Progress = (share: number, contender: string) => void;

/** A contender on its way through a case. */
class Entry {
  runner: Runner | undefined;
  iterations = 0;
  readonly samples: (number | null)[] = [];
  #result: Partial<ContenderResult> = { outcome: 'measured' };

  constructor(readonly contender: Contender) {}

  get name(): string {
    return this.contender.name;
  }

  get running(): boolean {
    return this.runner !== undefined && this.#result.outcome === 'measured';
  }

  note(part: Partial<ContenderResult>): void {
    this.#result = { ...this.#result, ...part };
  }

  /** Does something with the runner; what it throws ends this contender's part, not the case. */
  async attempt(action: (runner: Runner) => unknown): Promise<void> {
    if (!this.running) return;
    try {
      await action(this.runner!);
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    this.note({ outcome: isSkip(error) ? 'skipped' : 'failed', note: messageOf(error) });
  }

  async close(): Promise<void> {
    const { runner } = this;
    this.runner = undefined;
    try {
      await (runner?.destroy ? runner.destroy() : runner?.part.destroy());
    } catch {
      // What it measured stands; a library that fails to clean up has nothing more to say.
    }
  }

  result(): ContenderResult {
    const measured = this.#result.outcome === 'measured';
    return {
      name: this.name,
      outcome: 'measured',
      ...this.#result,
      iterations: measured ? this.iterations : 0,
      samples: measured ? this.samples : [],
    };
  }
}

/** Not a fault of the contender: this machine or this place cannot do it. */
const isSkip = (error: unknown): boolean =>
  error instanceof DownhillError && /^(LIMIT-|NO-|GPU-OUT-OF-MEMORY|FEATURE-|PEER-)/.test(error.code);

function messageOf(error: unknown): string {
  if (error instanceof DownhillError) return error.message.replace(` [${error.code}] ${error.fix}`, '');
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!.slice(0, 300);
}

/** The plan of one of several sessions, which share the rounds. */
export function planFor({ quick, sessions }: Pick<BenchConfig, 'quick' | 'sessions'>): MeasurePlan {
  const plan = quick ? QUICK : FULL;
  const share = (rounds: number) => Math.ceil(rounds / sessions);
  return {
    ...plan,
    minRounds: share(plan.minRounds),
    maxRounds: share(plan.maxRounds),
    caseMs: plan.caseMs / sessions,
    slowRounds: share(plan.slowRounds),
  };
}

/** Runs a case to its end. */
export async function measure(
  open: OpenCase,
  plan: MeasurePlan,
  progress: Progress = () => {},
  quiet: () => Promise<void> = async () => {},
): Promise<ContenderResult[]> {
  const entries = open.contenders.map((contender) => new Entry(contender));
  try {
    for (const [i, entry] of entries.entries()) {
      progress((0.3 * i) / entries.length, entry.name);
      await prepare(entry, plan);
    }
    await quiet();
    await runRounds(entries, open.baseline, plan, (share, name) => progress(0.3 + 0.6 * share, name));
    for (const [i, entry] of entries.entries()) {
      progress(0.9 + (0.1 * i) / entries.length, entry.name);
      await entry.attempt((runner) => inspect(entry, runner));
      await check(entry);
    }
    return entries.map((entry) => entry.result());
  } finally {
    for (const entry of entries) await entry.close();
  }
}

async function prepare(entry: Entry, plan: MeasurePlan): Promise<void> {
  try {
    entry.runner = await entry.contender.open();
  } catch (error) {
    return entry.fail(error);
  }
  // What a device refuses it leaves out, and leaving out work is fast: no time of such a contender counts.
  entry.runner.part.device?.addEventListener('uncapturederror', ({ error }) => {
    entry.fail(new Error(`the device refused work: ${error.message}`));
  });
  await check(entry);
  await entry.attempt(async (runner) => {
    entry.iterations = await calibrate(runner, plan);
  });
}

async function check(entry: Entry): Promise<void> {
  await entry.attempt(async (runner) => {
    const result = await runner.check();
    entry.note({ check: result });
    if (!result.ok) entry.note({ outcome: 'failed', note: `wrong numbers: ${result.detail}` });
  });
}

const timed = async (runner: Runner, iterations: number): Promise<number> => {
  const start = performance.now();
  await runner.run(iterations);
  return performance.now() - start;
};

/** Warms the contender up and finds how many iterations fill a sample. */
async function calibrate(runner: Runner, plan: MeasurePlan): Promise<number> {
  if ((await timed(runner, 1)) > 10 * plan.slowMs) return 1; // compiles and allocates, but not for that long
  let iterations = 1;
  let spent = 0;
  /** The fastest so far: a hiccup would make samples too short, which then measure the way there and back. */
  let best = Number.POSITIVE_INFINITY;
  for (;;) {
    const ms = await timed(runner, iterations);
    spent += ms;
    best = Math.min(best, Math.max(ms, 0.01) / iterations);
    if (best > plan.slowMs) return 1;
    const fitting = Math.max(Math.round(plan.sampleMs / best), 1);
    if (iterations >= fitting / 2 && spent >= plan.warmUpMs) return fitting;
    // At most tenfold: the first calls are slower than those to come.
    iterations = Math.min(fitting, 10 * iterations);
  }
}

async function runRounds(
  entries: readonly Entry[],
  baseline: string,
  plan: MeasurePlan,
  progress: Progress,
): Promise<void> {
  const start = performance.now();
  for (let round = 0; round < plan.maxRounds; round++) {
    const spent = performance.now() - start;
    if (round >= plan.minRounds && (spent > plan.caseMs || precise(entries, baseline, plan))) break;
    if (round > 1 && spent > 3 * plan.caseMs) break; // even the least number of rounds has its price
    const live = entries.filter(({ running }) => running);
    for (let i = 0; i < live.length; i++) {
      const entry = live[(i + round) % live.length]!;
      if (tooSlow(entry, round, plan)) {
        entry.samples.push(null);
        continue;
      }
      progress(Math.max((round + i / live.length) / plan.maxRounds, Math.min(spent / plan.caseMs, 1)), entry.name);
      collectGarbage();
      await entry.attempt(async (runner) => {
        await runner.part.relocate?.();
        const lead = Math.round(entry.iterations * LEAD);
        if (lead > 0) await runner.run(lead);
        entry.samples.push((await timed(runner, entry.iterations)) / entry.iterations);
      });
    }
  }
  for (const entry of entries) {
    const rounds = entry.samples.filter((sample) => sample !== null).length;
    if (entry.running && rounds < entry.samples.length) {
      entry.note({ note: slowNote(rounds) });
    }
  }
}

/**
 * Of a sample, run before it untimed, so that waking threads and cold caches are in no sample. Short samples of lavapipe's
 * came out 20 % longer per iteration than long ones before there were leads, and samples of one length.
 */
const LEAD = 0.2;

export const slowNote = (rounds: number) => `one iteration takes long: measured in ${rounds} rounds only`;

const tooSlow = ({ iterations, samples }: Entry, round: number, plan: MeasurePlan): boolean =>
  round >= plan.slowRounds && iterations === 1 && (samples[0] ?? 0) > plan.slowMs;

/** Whether every ratio to the baseline is known well enough. */
function precise(entries: readonly Entry[], baseline: string, { precision }: MeasurePlan): boolean {
  const base = entries.find(({ name, running }) => name === baseline && running);
  if (!base) return false;
  return entries.every((entry) => {
    if (entry === base || !entry.running || entry.samples.includes(null)) return true;
    const { value, low, high } = ratio(entry.samples, base.samples);
    return low !== undefined && high !== undefined && (high - low) / 2 / value <= precision;
  });
}

/** Where the process allows it, so that nobody pays for another's garbage. */
const collectGarbage = (): void => (globalThis as { gc?: () => void }).gc?.();

/** One more sample with instruments, and one of recording alone. The times stand, whatever becomes of these. */
async function inspect(entry: Entry, runner: Runner): Promise<void> {
  for (const part of [inspectDevice, inspectHost]) {
    try {
      await part(entry, runner);
    } catch (error) {
      entry.note({ note: `not looked into: ${messageOf(error)}` });
    }
  }
}

async function inspectDevice(entry: Entry, runner: Runner): Promise<void> {
  const { iterations } = entry;
  const { device } = runner.part;
  if (device) {
    const { counts, gpuMs } = await instrument(device, () => runner.run(iterations));
    const each = Object.fromEntries(Object.entries(counts).map(([what, total]) => [what, total / iterations]));
    entry.note({ counts: each as typeof counts, ...(gpuMs !== undefined && { gpuMs: gpuMs / iterations }) });
  }
}

async function inspectHost(entry: Entry, { part }: Runner): Promise<void> {
  const { iterations } = entry;
  if (part.record) {
    const few = Math.min(iterations, 20);
    const start = performance.now();
    part.record(few);
    entry.note({ hostMs: (performance.now() - start) / few });
    await part.settle?.();
  } else if (part.hostMs) {
    entry.note({ hostMs: await part.hostMs(iterations) });
  }
}
