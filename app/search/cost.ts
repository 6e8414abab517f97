import type { MethodName } from '../../src/search/index.js';
import { methods, type Params, type Space, search } from '../../src/search/index.js';

/* What a search takes, said before it is begun: its method is run with values that say nothing. */

/** As a link has it, read. */
export interface SearchPlan {
  readonly space: Space;
  readonly method: MethodName;
  readonly trials: number;
  /** Of a trial that is trained to its end. */
  readonly steps: number;
  /** Of the draws. */
  readonly seed: number;
}

export interface Cost {
  /** Of training, of all trials. */
  readonly steps: number;
  /** Multiplications and additions of them. */
  readonly flops: number;
  /** Stretches that are trained: each has a network made, or taken up again. */
  readonly stretches: number;
}

/** @param flopsOf of one step of a trial; undefined where that is not known yet */
export async function costOf(plan: SearchPlan, flopsOf: (params: Params) => number | undefined): Promise<Cost> {
  let flops = 0;
  let stretches = 0;
  const { space, method, trials, steps, seed } = plan;
  const { steps: planned } = await search('cpu', {
    ...{ space, method: methods[method](), seed, budget: { trials, steps } },
    objective: ({ params, from, steps: to }) => {
      stretches++;
      flops += (to - from) * (flopsOf(params) ?? Number.NaN);
      return { value: 0, state: 0 };
    },
  });
  return { steps: planned, flops, stretches };
}

/** Forward and backward through a dense network, for so many samples. */
export function stepFlops(sizes: readonly number[], batch: number): number {
  const weights = sizes.slice(1).reduce((sum, size, i) => sum + size * (sizes[i]! + 1), 0);
  return 6 * weights * batch;
}

/** Of an adapter on which nothing has run yet, to tell seconds from minutes: operations per second, and seconds of a step and of a stretch. */
const GUESS = {
  cpu: { flops: 2e9, step: 4e-4, stretch: 0.15 },
  gpu: { flops: 2e11, step: 5e-5, stretch: 0.03 },
} as const;

const guess = ({ steps, flops, stretches }: Cost, cpu: boolean): number => {
  const by = GUESS[cpu ? 'cpu' : 'gpu'];
  return flops / by.flops + steps * by.step + stretches * by.stretch;
};

/** How fast this adapter was at what ran last. */
export class Speed {
  /** Of the guess. */
  #factor: number | undefined;

  /** So many seconds were needed for a cost. */
  measure(cost: Cost, seconds: number, cpu: boolean): void {
    const expected = guess(cost, cpu);
    if (expected > 0) this.#factor = seconds / expected;
  }

  /** @returns seconds, and whether that is by a measurement; NaN where the network is not known yet */
  estimate(cost: Cost, cpu: boolean): { readonly seconds: number; readonly measured: boolean } {
    return { seconds: guess(cost, cpu) * (this.#factor ?? 1), measured: this.#factor !== undefined };
  }
}

/** 0.4 s, 12 s, 3 min, 1.5 h: in as few digits as it deserves. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(seconds, 0.1).toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
