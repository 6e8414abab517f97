import type { Run } from '../run.js';

/**
 * A run as `downhill train --config` reads it: the command line's configuration, and what was measured. Losses are those of
 * the steps, to the bit, until there are more than 2,048; then of a `stride` of steps each: their mean, lowest and highest.
 */
export function jsonOf(run: Run): string {
  const { name, started, status, about, history, tests, validations, marks, step, seconds } = run;
  const { config, settings, caption, adapter, link, batchSize, stepsPerEpoch, totalSteps } = about;
  const losses = history.steps.map((at, i) => ({
    step: at,
    epoch: Math.floor((at - 1) / stepsPerEpoch),
    seconds: history.seconds[i],
    loss: history.mean[i],
    ...(history.stride > 1 && { low: history.low[i], high: history.high[i] }),
  }));
  const whole = {
    format: 'downhill run 1',
    ...(config && { config }),
    name,
    caption,
    adapter,
    started,
    link,
    settings,
    batchSize,
    stepsPerEpoch,
    steps: totalSteps,
    // What the configuration does not have in it: with these, the command line does not repeat the run.
    ...(marks.length > 0 && { changes: marks }),
    result: { status, step, seconds, loss: history.loss, ...lastOf(tests) },
    metrics: { stride: history.stride, losses, tests, ...(validations.length > 0 && { validations }) },
  };
  return `${JSON.stringify(whole, null, 1)}\n`;
}

function lastOf(tests: Run['tests']) {
  const last = tests.at(-1);
  return last && { testLoss: last.loss, ...(last.accuracy !== undefined && { testAccuracy: last.accuracy }) };
}
