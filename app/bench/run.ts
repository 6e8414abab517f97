/** A run of the chosen cases in this tab: what the command line does in a browser of its own, with a person beside it. */
import type { BenchConfig, CaseResult, Machine, Report } from '../../harness/bench/contract.js';
import { caseLimitMs } from '../../harness/bench/hosts/host.js';
import type { Item } from '../../harness/bench/plan.js';
import { runCase } from '../../harness/bench/run-case.js';
import { problemOf } from '../shell/problem.js';
import { environmentOf, versionsOf } from './machine.js';

/** 'hidden': waits until the tab is seen again. 'stuck': ended, since a case did not. */
export type Phase = 'running' | 'hidden' | 'stopping' | 'done' | 'stopped' | 'stuck';

export interface Listener {
  phase(phase: Phase): void;
  /** Case `index` is `share` done, and it is `contender`'s turn. */
  progress(index: number, share: number, contender: string): void;
  /** Resolves when the result is shown, so that drawing takes nothing from the next case. */
  result(result: CaseResult): Promise<void>;
}

/** Thrown out of a case by its own progress: contenders are let go, and the case leaves no result. */
class Interrupted extends Error {}

/** A lost device fails its contender within moments; a library that waits on for one is not waited for. */
const LOST_MS = 10_000;

export class BenchRun {
  readonly #started = new Date();
  readonly #start = performance.now();
  readonly #cases: CaseResult[] = [];
  #seconds: number | undefined;
  #stopping = false;
  /** Whether the tab was hidden during the case at work: browsers slow such a tab down. */
  #unseen = false;
  #lost: (message: string) => void = () => {};

  constructor(
    readonly config: BenchConfig,
    readonly items: readonly Item[],
    private readonly machine: Machine,
    private readonly listener: Listener,
  ) {}

  report(): Report {
    return {
      format: 'downhill-bench',
      version: 1,
      started: this.#started.toISOString(),
      seconds: this.#seconds ?? (performance.now() - this.#start) / 1000,
      commit: null,
      config: this.config,
      versions: versionsOf(this.config.peers),
      machines: [this.machine],
      cases: this.#cases,
    };
  }

  /** Ends after the sample under way; what was measured stays, the case cut short does not count. */
  stop(): void {
    if (this.#stopping || this.#seconds !== undefined) return;
    this.#stopping = true;
    this.listener.phase('stopping');
  }

  async drive(): Promise<void> {
    const watch = () => {
      if (document.hidden) this.#unseen = true;
    };
    document.addEventListener('visibilitychange', watch);
    const lock = await keepAwake();
    this.listener.phase('running');
    try {
      const end = await this.#all();
      this.#seconds = (performance.now() - this.#start) / 1000;
      this.listener.phase(end);
    } finally {
      document.removeEventListener('visibilitychange', watch);
      void lock?.release().catch(() => {});
    }
  }

  async #all(): Promise<Phase> {
    for (const [index, item] of this.items.entries()) {
      const result = await this.#case(item, index);
      if (!result) return 'stopped';
      this.#cases.push(result);
      await this.listener.result(result);
      if (result.error?.code === STUCK) return 'stuck';
    }
    return 'done';
  }

  /** A case, over again where the tab was hidden meanwhile. Undefined where it was stopped. */
  async #case(item: Item, index: number): Promise<CaseResult | undefined> {
    for (;;) {
      await this.#seen();
      await new Promise((resolve) => setTimeout(resolve)); // lets a click in
      if (this.#stopping) return undefined;
      this.#unseen = document.hidden;
      const start = performance.now();
      try {
        const result = await this.#measure(item, index);
        if (!this.#unseen) return result;
      } catch (error) {
        if (this.#stopping) return undefined;
        if (!this.#unseen) return broken(item, error, (performance.now() - start) / 1000);
      }
    }
  }

  async #seen(): Promise<void> {
    if (!document.hidden) return;
    this.listener.phase('hidden');
    while (document.hidden && !this.#stopping) {
      await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
    }
    if (!this.#stopping) this.listener.phase('running');
  }

  async #measure({ spec }: Item, index: number): Promise<CaseResult> {
    const { config } = this;
    let who = '';
    let loss: Error | undefined;
    let over = false;
    const timers: ReturnType<typeof setTimeout>[] = [];
    const gone = new Promise<never>((_, reject) => {
      const limit = caseLimitMs(config);
      timers.push(setTimeout(() => reject(new Stuck(who, limit)), limit));
      this.#lost = (message) => {
        loss ??= new Lost(message, who);
        timers.push(setTimeout(() => reject(loss), LOST_MS));
      };
    });
    gone.catch(() => {}); // also where nobody waits any more
    const progress = (share: number, contender: string) => {
      // Also of a case that was given up: it ends at its next turn instead of running beside those after it.
      if (over || this.#stopping || this.#unseen) throw new Interrupted();
      who = contender;
      this.listener.progress(index, share, contender);
    };
    try {
      const environment = environmentOf((message) => this.#lost(message));
      const result = await Promise.race([runCase(spec!, config, environment, progress), gone]);
      return loss ? { ...result, error: partsOf(loss) } : result;
    } finally {
      over = true;
      this.#lost = () => {};
      for (const timer of timers) clearTimeout(timer);
    }
  }
}

const LOST = 'DEVICE-LOST';
const STUCK = 'BROWSER-LOST';

class Lost extends Error {
  readonly code = LOST;
  readonly fix = 'The other cases went on. Run this scenario alone to see whether it happens again.';

  constructor(message: string, contender: string) {
    super(`The GPU device was lost${contender && ` while ${contender} was at work`}. ${message}`.trim());
  }
}

class Stuck extends Error {
  readonly code = STUCK;
  readonly fix = 'Reload the page, and measure the rest without what hung.';

  constructor(contender: string, limitMs: number) {
    super(`The case did not end within ${limitMs / 1000} s${contender && ` while ${contender} was at work`}.`);
  }
}

function partsOf(error: unknown): NonNullable<CaseResult['error']> {
  if (error instanceof Lost || error instanceof Stuck) {
    const { code, message, fix } = error;
    return { code, message, fix };
  }
  const { code, message, fix } = problemOf(error);
  return { code: code ?? 'INTERNAL', message, fix };
}

const broken = ({ spec, place }: Item, error: unknown, seconds: number): CaseResult => ({
  spec: spec!,
  place,
  work: { unit: 'iteration' },
  baseline: 'downhill',
  contenders: [],
  seconds,
  error: partsOf(error),
});

/** A screen that goes dark hides the tab. Where it cannot be kept on, the case is measured again later. */
const keepAwake = async (): Promise<WakeLockSentinel | undefined> =>
  navigator.wakeLock?.request('screen').catch(() => undefined);
