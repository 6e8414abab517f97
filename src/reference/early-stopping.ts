/** What {@link earlyStopping} says of a series of metrics; places count from 0. */
export interface ReferenceStopping {
  /** The best one so far, after each; undefined where none was a finite number yet. */
  readonly best: readonly (number | undefined)[];
  /** After which one training stops; undefined where it goes on. */
  readonly stop: number | undefined;
}

/**
 * Early stopping in float64: a metric is better where it is below the best one - minDelta (above + minDelta with mode
 * 'max'), and `patience` metrics in a row that are not better stop. What is not a finite number is never better.
 *
 * Prechelt, "Early stopping, but when?", 1998, in the form of Keras' EarlyStopping.
 */
export function earlyStopping(
  metrics: readonly number[],
  options: { readonly mode: 'min' | 'max'; readonly patience: number; readonly minDelta?: number },
): ReferenceStopping {
  const { mode, patience, minDelta = 0 } = options;
  const best: (number | undefined)[] = [];
  let [at, bad]: [number | undefined, number] = [undefined, 0];
  for (const [i, metric] of metrics.entries()) {
    const bar = at === undefined ? undefined : metrics[at]!;
    const better =
      Number.isFinite(metric) &&
      (bar === undefined || (mode === 'min' ? metric < bar - minDelta : metric > bar + minDelta));
    if (better) at = i;
    bad = better ? 0 : bad + 1;
    best.push(at);
    if (!better && bad >= patience) return { best, stop: i };
  }
  return { best, stop: undefined };
}
