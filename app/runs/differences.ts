import { CONTROLS, complete, RULE_CONTROL, RULE_KEY } from '../experiment/controls.js';
import { count, loss, percent } from '../shell/format.js';
import type { Run } from './run.js';

/** A row of the table: what differs, and each run's value. */
export interface Difference {
  readonly label: string;
  readonly values: readonly string[];
}

const labels = new Map([...Object.values(CONTROLS).flat(), RULE_CONTROL].map(({ key, label }) => [key, label]));

/** As the form calls it; options of a rule by their own names. */
export const labelOf = (key: string): string => labels.get(key) ?? key.replace(`${RULE_KEY}.`, '');

/**
 * The settings in which runs differ, and only those; a run without one has a dash. What some have not, such as an option of
 * another rule, is left out where it is as usual.
 */
export function differences(runs: readonly Run[]): Difference[] {
  const all = [...new Set(runs.flatMap(({ about }) => Object.keys(about.settings)))];
  const keys = all.filter(
    (key) => runs.every(({ about }) => key in about.settings) || runs.some((run) => isUnusual(run, key)),
  );
  const rows = keys.map((key) => ({
    label: labelOf(key),
    values: runs.map(({ about }) => about.settings[key] ?? '–'),
  }));
  rows.push(
    { label: 'Adapter', values: runs.map(({ about }) => about.adapter) },
    // What was changed on the way is no setting of the form.
    { label: 'Changed on the way', values: runs.map(({ marks }) => marks.map(markText).join('; ') || '–') },
  );
  return rows.filter(({ values }) => values.some((value) => value !== values[0]));
}

function isUnusual({ about: { settings } }: Run, key: string): boolean {
  const usual = complete({ ...(settings[RULE_KEY] && { [RULE_KEY]: settings[RULE_KEY] }) });
  return key in settings && settings[key] !== usual[key];
}

const markText = ({ step, text }: Run['marks'][number]) => `${text} at step ${count(step)}`;

/** What runs came to. */
export function outcomes(runs: readonly Run[]): Difference[] {
  const last = (run: Run) => run.tests.at(-1);
  return [
    { label: 'Loss', values: runs.map(({ history }) => loss(history.loss)) },
    { label: 'Test loss', values: runs.map((run) => loss(last(run)?.loss)) },
    { label: 'Accuracy', values: runs.map((run) => percent(last(run)?.accuracy)) },
    { label: 'Steps', values: runs.map(({ step }) => count(step)) },
    { label: 'Seconds', values: runs.map(({ seconds }) => secondsText(seconds)) },
  ];
}

export const secondsText = (seconds: number): string =>
  seconds >= 1000 ? count(Math.round(seconds)) : seconds.toFixed(seconds < 10 ? 2 : 1);
