/**
 * The scenario `startup`: from a page's (in Node: a process') first moment to the first step's loss of the lecture's net;
 * once in a new browser or process, and once more in the same: a reload, or a second network.
 */
import type { BenchConfig, CaseResult, CaseSpec, ContenderResult } from './contract.js';
import { Died, type Host } from './hosts/host.js';
import type { Progress } from './measure.js';
import type { StartPhases } from './run-case.js';
import { peersDoing } from './scenarios/contenders.js';
import { median } from './statistics.js';

export const STARTUP_HELP = 'page load to first step, in a new browser and after a reload, and what of it is compiling';

const AGAIN = { node: 'a second time in the same process', chrome: 'after a reload' } as const;
const FIRST = { node: 'in a new process', chrome: 'in a new browser' } as const;
const ROUNDS = 9;
const QUICK_ROUNDS = 5;

export const startupContenders = (config: BenchConfig): string[] => ['downhill', ...peersDoing('step', config)];

export const startupRounds = ({ quick }: BenchConfig): number => (quick ? QUICK_ROUNDS : ROUNDS);

const spec = (when: 'first' | 'again', words: string): CaseSpec => ({
  scenario: 'startup',
  id: `startup/${when}`,
  title: `the first step of the lecture net, ${words}`,
  parameters: { when },
});

/** Both cases, since one start gives both. */
export async function startup(
  host: Host,
  config: BenchConfig,
  progress: Progress,
  stopping = () => false,
): Promise<CaseResult[]> {
  const begin = performance.now();
  const names = startupContenders(config);
  const rounds = startupRounds(config);
  const starts = new Map(names.map((name) => [name, [] as { first: StartPhases; again: StartPhases }[]]));
  const failed = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    for (const [i, name] of names.entries()) {
      if (failed.has(name) || stopping()) continue;
      progress((round + i / names.length) / rounds, name);
      try {
        starts.get(name)!.push(await host.start(name, config));
      } catch (error) {
        failed.set(name, error instanceof Died ? error.how : (error as Error).message.split('\n', 1)[0]!);
      }
    }
  }
  const seconds = (performance.now() - begin) / 2000;
  const { place } = host;
  return (['first', 'again'] as const).map((when) => ({
    spec: spec(when, (when === 'first' ? FIRST : AGAIN)[place]),
    place,
    work: { unit: 'first step' },
    baseline: 'downhill',
    contenders: names.map((name) =>
      contender(
        name,
        starts.get(name)!.map((start) => start[when]),
        failed.get(name),
      ),
    ),
    seconds,
  }));
}

function contender(name: string, phases: readonly StartPhases[], failure: string | undefined): ContenderResult {
  if (failure !== undefined || phases.length === 0) {
    return { name, outcome: 'failed', note: failure ?? 'it was never started', iterations: 0, samples: [] };
  }
  const of = (phase: keyof StartPhases) => median(phases.map((each) => each[phase]));
  return {
    name,
    outcome: 'measured',
    iterations: 1,
    samples: phases.map(({ total }) => total),
    facts: {
      loadMs: of('load'),
      deviceMs: of('device'),
      compileMs: of('compile'),
      firstStepMs: of('firstStep'),
    },
  };
}
