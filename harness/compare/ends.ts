/** What trainings came to, as the median over their seeds: for tables and claims. */
import { lossText } from '../common/format.js';
import type { Claim } from './chapter.js';
import { lossOver, type Trained } from './runs.js';
import { median } from './smooth.js';

/** The training loss over the last share of the steps; undefined where there is no run. */
export const endLoss = ({ runs }: Trained, share = 0.1): number | undefined =>
  runs.length > 0 ? median(runs.map((each) => lossOver(each, share))) : undefined;

/** Of the test part, at the end. */
export function finalOf({ runs }: Trained, what: 'loss' | 'accuracy'): number | undefined {
  const finals = runs.flatMap(({ final }) => (final ? [final[what] ?? Number.NaN] : []));
  return finals.length > 0 ? median(finals) : undefined;
}

export function accuracyText(trained: Trained): string | undefined {
  const accuracy = finalOf(trained, 'accuracy');
  if (accuracy === undefined) return undefined;
  return Number.isFinite(finalOf(trained, 'loss')!) ? `${(100 * accuracy).toFixed(1)} %` : 'diverged';
}

/** What a table has of a training, behind what is the chapter's own; titles of the same. */
export const END_TITLES = ['training loss, last tenth', 'test loss', 'accuracy'] as const;
export const endCells = (trained: Trained) => [endLoss(trained), finalOf(trained, 'loss'), accuracyText(trained)];

/** That one number is below another; nothing where one is not known. What is no number is above all. */
export function below(text: string, low: number | undefined, high: number | undefined): Claim[] {
  if (low === undefined || high === undefined) return [];
  const [a, b] = [low, high].map((each) => (Number.isNaN(each) ? Number.POSITIVE_INFINITY : each)) as [number, number];
  return [{ text, holds: a < b, measured: `${lossText(low)}, ${lossText(high)}` }];
}
