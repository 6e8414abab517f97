/** The harness itself: one kernel against itself, and doing 2 % and 20 % more. What it tells apart here, it can elsewhere. */
import { adam, type Rule } from '../../../src/index.js';
import { uniform } from '../../common/random.js';
import type { BenchConfig, CaseSpec, Contender, Environment, OpenCase, Scenario } from '../contract.js';
import { slowed } from '../ours/slowed.js';
import { downhillUpdate } from '../ours/update.js';

const ELEMENTS = 1e5;
/** Per cent of more work. */
const MORE = { same: 0, '2 % more': 2, '20 % more': 20 };

export const resolution: Scenario = {
  name: 'resolution',
  help: 'the harness itself: what it makes of a kernel that does 0 %, 2 % and 20 % more work',
  cases: () => [
    {
      scenario: 'resolution',
      id: 'resolution/adam-1e5',
      title: 'one kernel (Adam, 100,000 elements) against itself with 0 %, 2 % and 20 % more of it',
      parameters: { elements: ELEMENTS },
    },
  ],
  guess: () => ({ contenders: 1 + Object.keys(MORE).length, work: 0 }),
  async open(_: CaseSpec, config: BenchConfig, environment: Environment): Promise<OpenCase> {
    const contender = (name: string): Contender => ({
      name,
      async open() {
        const peer = await downhillUpdate(adam() as Rule, ELEMENTS, environment);
        await peer.set(uniform(ELEMENTS, config.seed), uniform(ELEMENTS, config.seed + 1, 0.1));
        return {
          part: peer,
          run: (updates) => peer.run(updates),
          check: async () => {
            const finite = (await peer.read()).every(Number.isFinite);
            return { ok: finite, detail: 'every parameter is finite; their values are checked in `update`' };
          },
        };
      },
    });
    return {
      work: { unit: 'update' },
      baseline: 'downhill',
      contenders: [
        contender('downhill'),
        ...Object.entries(MORE).map(([name, percent]) => slowed(contender(name), percent)),
      ],
    };
  },
};
