import type { Line } from '../charts/lines.js';
import { colorOf, dashOf } from '../charts/palette.js';
import type { Run } from './run.js';

/* A run as a line of a chart. */

/** What runs are drawn over, and the word of its axis. */
export const ACROSS = { step: 'Step', epoch: 'Epoch', seconds: 'Seconds of training' } as const;
export type Across = keyof typeof ACROSS;

/** What is drawn of runs. */
export const QUANTITIES = {
  loss: 'Training loss',
  test: 'Test loss',
  accuracy: 'Test accuracy',
} as const;
export type Quantity = keyof typeof QUANTITIES;

export function lineOf(run: Run, quantity: Quantity, across: Across): Line {
  const { history, tests, look, name } = run;
  const drawn = { label: name, color: colorOf(look), dash: dashOf(look) };
  if (quantity === 'loss')
    return { ...drawn, x: placesOf(history.steps, history.seconds, run, across), y: history.smooth };
  const [steps, seconds] = [tests.map(({ step }) => step), tests.map((test) => test.seconds)];
  const y = tests.map((test) => (quantity === 'test' ? test.loss : (test.accuracy ?? null)));
  return { ...drawn, x: placesOf(steps, seconds, run, across), y, dots: tests.length <= 30 };
}

function placesOf(steps: readonly number[], seconds: readonly number[], run: Run, across: Across): readonly number[] {
  if (across === 'step') return steps;
  if (across === 'epoch') return steps.map((step) => step / run.about.stepsPerEpoch);
  return spread(seconds);
}

/** Losses come back many at a time, and all with the time of the last: the time between is shared among them. */
export function spread(seconds: readonly number[]): number[] {
  const places = [...seconds];
  for (let from = 0; from < places.length; ) {
    let to = from;
    while (to + 1 < places.length && seconds[to + 1] === seconds[from]) to++;
    const before = from === 0 ? 0 : seconds[from - 1]!;
    for (let i = from; i <= to; i++)
      places[i] = before + ((seconds[from]! - before) * (i - from + 1)) / (to - from + 1);
    from = to + 1;
  }
  return places;
}
