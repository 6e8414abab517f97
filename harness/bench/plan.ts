/** What a run consists of, and how long it should take: known before anything starts. */
import type { BenchConfig, CaseSpec, Place, Scenario } from './contract.js';
import { planFor } from './measure.js';
import { SCENARIOS } from './scenarios/index.js';
import { startupContenders, startupRounds } from './startup.js';

/** A case, or a scenario that makes its cases itself. */
export interface Item {
  readonly place: Place;
  readonly scenario: string;
  readonly spec?: CaseSpec;
  /** For progress. */
  readonly title: string;
  /** A guess from the number of contenders; what is over and what is left are compared with it while the run goes on. */
  readonly seconds: number;
}

/** Of a process or page: start, device, code. */
const CASE_SECONDS = 1;
/** Making a contender ready: compiling, checking. */
const OPEN_SECONDS = 0.6;
/** Of one start of a contender, twice over. */
const START_SECONDS = { node: 0.6, chrome: 3 } as const;
const BYTES_SECONDS = 5;

export function planOf(config: BenchConfig, places: readonly Place[]): Item[] {
  return places.flatMap((place) =>
    config.scenarios.flatMap((scenario): Item[] => {
      if (scenario === 'bytes') {
        // Bundles are the same wherever they run.
        if (place !== places[0]) return [];
        return [{ place, scenario, title: 'bundles', seconds: BYTES_SECONDS }];
      }
      if (scenario === 'startup') {
        const starts = startupRounds(config) * startupContenders(config).length;
        return [{ place, scenario, title: 'starts', seconds: starts * START_SECONDS[place] }];
      }
      return casesOf(scenario, config).map((spec) => ({
        place,
        scenario,
        spec,
        title: spec.title,
        seconds: secondsOf(SCENARIOS[scenario]!.guess(spec, config), config),
      }));
    }),
  );
}

/** The cases of a scenario; where a run names some of it, those, be they of a quick run or not. */
function casesOf(scenario: string, config: BenchConfig): readonly CaseSpec[] {
  const named = config.cases?.filter((id) => id.startsWith(`${scenario}/`)) ?? [];
  if (named.length === 0) return SCENARIOS[scenario]!.cases(config);
  return SCENARIOS[scenario]!.cases({ quick: false }).filter(({ id }) => named.includes(id));
}

/** What slow contenders do a second, and how often an iteration is done whatever it takes: checks, warm-up, few rounds. */
const SLOW_FLOPS = 4e9;
const LEAST_ITERATIONS = 8;

function secondsOf({ contenders, work }: ReturnType<Scenario['guess']>, config: BenchConfig): number {
  const { sampleMs, warmUpMs, minRounds, maxRounds } = planFor(config);
  const rounds = (minRounds + maxRounds) / 2;
  const session =
    CASE_SECONDS +
    contenders * (OPEN_SECONDS + (2 * warmUpMs + rounds * sampleMs) / 1000 + (LEAST_ITERATIONS * work) / SLOW_FLOPS);
  return config.sessions * session;
}

/** How long the rest takes, by how well the guesses held so far. */
export class TimeLeft {
  /** Guessed seconds of everything. */
  readonly total: number;
  readonly #start = performance.now();

  constructor(private readonly items: readonly Item[]) {
    this.total = this.#guessed(items.length, 0);
  }

  /** From 0 to 1, with the item of this index `share` done. */
  share(index: number, share: number): number {
    return this.#guessed(index, share) / this.total;
  }

  /** Seconds. */
  left(index: number, share: number): number {
    const spent = (performance.now() - this.#start) / 1000;
    const done = this.#guessed(index, share);
    // The guess counts as ten seconds of experience, so that the first case does not decide alone.
    return Math.max((this.total - done) * ((spent + 10) / (done + 10)), 0);
  }

  #guessed(index: number, share: number): number {
    const before = this.items.slice(0, index).reduce((sum, { seconds }) => sum + seconds, 0);
    return before + share * (this.items[index]?.seconds ?? 0);
  }
}
