import type { Run } from '../run.js';

/**
 * A run as a table. The loss of a row is the mean of the losses since the row before: of one step, until there are more than
 * 2,048. A test has a row of its own where no loss ends at its step.
 */
export function csvOf({ history, tests, about }: Run): string {
  const rows = new Map<number, (number | null | undefined)[]>();
  history.steps.forEach((step, i) => {
    rows.set(step, [history.seconds[i], history.mean[i]]);
  });
  for (const { step, seconds, loss, accuracy } of tests) {
    const row = rows.get(step) ?? [seconds, null];
    rows.set(step, [...row.slice(0, 2), loss, accuracy]);
  }
  const lines = [...rows]
    .sort(([a], [b]) => a - b)
    .map(([step, [seconds, loss, testLoss, accuracy]]) =>
      [step, step / about.stepsPerEpoch, seconds, loss, testLoss, accuracy].map((value) => value ?? '').join(','),
    );
  return ['step,epoch,seconds,loss,test loss,accuracy', ...lines, ''].join('\n');
}
