/** Whether a training got worse instead of better. */

/** Single losses of small batches scatter: the first ones count until they cover so many samples. */
const FIRST_SAMPLES = 32;
/** How much larger the loss is at the end of a run that counts as diverged. */
const FACTOR = 3;

/**
 * A run diverged when its last loss is not a finite number, or when its loss at the end is more than 3 times the loss at
 * the start. At the start: the mean of the first steps that see 32 samples together. At the end: the median of as many
 * steps, and of a tenth of the run at least, so that no single batch decides. A run too short for both has not diverged.
 *
 * @param losses of step 1, 2 …
 * @returns in words what happened; undefined where the training did not diverge
 */
export function divergence(losses: readonly number[], batchSize: number): string | undefined {
  if (losses.length === 0) return undefined;
  if (!Number.isFinite(losses.at(-1))) return 'its loss is not finite any more';
  const few = Math.max(1, Math.ceil(FIRST_SAMPLES / batchSize));
  const many = Math.max(few, Math.ceil(losses.length / 10));
  if (few + many > losses.length) return undefined;
  const first = losses.slice(0, few).reduce((sum, loss) => sum + loss / few, 0);
  const sorted = losses.slice(-many).sort((a, b) => a - b);
  const last = sorted[Math.floor(many / 2)]!;
  if (!(last > FACTOR * first)) return undefined;
  return `its loss went from ${first.toPrecision(3)} to ${last.toPrecision(3)}`;
}
