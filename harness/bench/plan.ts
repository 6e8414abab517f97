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
      return SCENARIOS[scenario]!.cases(config).map((spec) => ({
        place,
        scenario,
        spec,
        title: spec.title,
        seconds: secondsOf(SCENARIOS[scenario]!.guess(spec, config), config),
      }));
    }),
  );
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
