import { isLog, type Parameter, type Space, type Value } from './space.js';
import type { Direction, Trial } from './trial.js';

/* A search as Optuna's journal: its dashboard shows the file, and its fANOVA computes importance from it. */

/** Operations of the journal; the same numbers in Optuna 3.1 to 5.0. */
const OP = { createStudy: 0, createTrial: 4, param: 5, state: 6, intermediate: 7, userAttr: 8 } as const;
const STATES: Readonly<Record<Trial['state'], number>> = { running: 0, complete: 1, pruned: 2, failed: 3 };
const DIRECTIONS: Readonly<Record<Direction, number>> = { minimize: 1, maximize: 2 };
const WORKER = 'downhill';

/** Optuna wants times; a second for each trial from 1970 on, so that the same search is the same file. */
const timeOf = (trial: number): string => new Date(1000 * trial).toISOString().replace('Z', '+00:00');

/** What Optuna calls a distribution, as the JSON in a text that it keeps. */
function distributionOf(parameter: Parameter): string {
  if (parameter.kind === 'choice')
    return JSON.stringify({ name: 'CategoricalDistribution', attributes: { choices: parameter.values } });
  const { kind, low, high } = parameter;
  const log = isLog(parameter);
  if (kind === 'int')
    return JSON.stringify({ name: 'IntDistribution', attributes: { log, step: parameter.step ?? 1, low, high } });
  const step = kind === 'uniform' ? (parameter.step ?? null) : null;
  return JSON.stringify({ name: 'FloatDistribution', attributes: { step, low, high, log } });
}

const internalOf = (parameter: Parameter, value: Value): number =>
  parameter.kind === 'choice' ? parameter.values.indexOf(value) : (value as number);

/**
 * The text of a journal file: `optuna.storages.JournalStorage(JournalFileBackend(path))` opens it, `optuna-dashboard path` shows it.
 * A trial's parameters are those of its end; where they changed on the way, its user attribute `lineage` has them all.
 *
 * @param options study: its name, default 'downhill'
 */
export function optunaJournal(
  { trials, direction }: { readonly trials: readonly Trial[]; readonly direction: Direction },
  space: Space,
  { study = 'downhill' }: { readonly study?: string } = {},
): string {
  const lines: object[] = [];
  const add = (code: number, more: object) => lines.push({ op_code: code, worker_id: WORKER, ...more });
  add(OP.createStudy, { study_name: study, directions: [DIRECTIONS[direction]] });
  for (const [id, trial] of trials.entries()) {
    add(OP.createTrial, { study_id: 0, datetime_start: timeOf(trial.trial) });
    const { params } = trial;
    for (const [name, parameter] of Object.entries(space)) {
      const value = internalOf(parameter, params[name]!);
      const distribution = distributionOf(parameter);
      add(OP.param, { trial_id: id, param_name: name, param_value_internal: value, distribution });
    }
    for (const { step, value } of trial.history)
      if (value !== null) add(OP.intermediate, { trial_id: id, step, intermediate_value: value });
    for (const [name, value] of Object.entries({ reason: trial.reason, lineage: trial.lineage, values: trial.values }))
      if (value !== undefined) add(OP.userAttr, { trial_id: id, user_attr: { [name]: value } });
    if (trial.state === 'running') continue;
    const values = trial.value === null ? null : [trial.value];
    add(OP.state, { trial_id: id, state: STATES[trial.state], values, datetime_complete: timeOf(trial.trial + 1) });
  }
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}
