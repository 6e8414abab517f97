/** A sweep as people read it: how far it is, and the files of a search. */
import { type SearchHeader, type Trial, trialsOf } from '../../src/search/index.js';
import { count, plural } from '../common/format.js';
import { type Io, painter } from '../common/io.js';
import { labelled } from '../common/table.js';
import { LOG, SearchFolder } from '../search/folder.js';
import { metricText, paramsText, spaceText } from '../search/lines.js';
import { bestTrial, directionOf, leaveResults } from '../search/results.js';
import { writeJson } from '../train/reporter.js';
import type { Coordinator } from './coordinator.js';

const COLUMNS = 120;

/** The log of a search, as `downhill search` writes one: the same text whoever ran it, and in whichever order. */
export function logText({ spec, log }: Coordinator): string {
  const { space, method, trials, seed, seeds } = spec.search;
  const header: SearchHeader = {
    ...{ type: 'search', version: 1, space, method, budget: { trials, steps: spec.steps }, seed, seeds },
    direction: directionOf(spec.search),
  };
  return [header, ...log].map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Its trials; those that wait for their turn are running. */
export function trialsIn(coordinator: Coordinator): readonly Trial[] {
  const { trials } = trialsOf(logText(coordinator));
  if (!coordinator.ended) return trials;
  return trials.map((trial) => (trial.state === 'running' ? { ...trial, state: 'pruned' as const } : trial));
}

export interface Status {
  readonly trials: Readonly<Record<Trial['state'], number>>;
  /** Steps of training that are done, of one seed. */
  readonly steps: number;
  readonly packs: { readonly done: number; readonly asked: number };
  readonly best: Trial | undefined;
  readonly ended: boolean;
}

export function statusOf(coordinator: Coordinator): Status {
  const trials = trialsIn(coordinator);
  const tally = { complete: 0, pruned: 0, failed: 0, running: 0 };
  for (const { state } of trials) tally[state]++;
  const asked = coordinator.packs.length;
  return {
    trials: tally,
    steps: trials.reduce((sum, { step }) => sum + step, 0),
    packs: { done: asked - coordinator.pending().length, asked },
    best: bestTrial(trials, directionOf(coordinator.spec.search)),
    ended: coordinator.ended,
  };
}

/** @param more what else is known, by label: of the queue */
export function sayStatus(
  coordinator: Coordinator,
  io: Io,
  json: boolean,
  more: Readonly<Record<string, string>> = {},
): void {
  const { spec } = coordinator;
  const status = statusOf(coordinator);
  if (json) {
    writeJson(io, { type: 'status', name: spec.name, ...status, best: status.best ?? null, ...more });
    return;
  }
  const { trials, steps, packs, best, ended } = status;
  const paint = painter(io.stdout);
  const { metric, method } = spec.search;
  const parts = Object.entries(trials).flatMap(([state, n]) => (n > 0 ? [`${n} ${state}`] : []));
  const rows: Record<string, string> = {
    sweep: `${spec.name}: ${method.name}, ${plural(spec.search.trials, 'trial')} of up to ${plural(spec.steps, 'step')}`,
    trials: `${parts.join(', ') || 'none begun'}; ${count(steps)} steps`,
    jobs: `${packs.done} of ${packs.asked} done${ended ? '' : ' so far'}`,
    ...(best && { best: `trial ${best.trial}: ${metricText(metric, best.value)} with ${paramsText(best.params)}` }),
    ...more,
  };
  const wide = Math.max(...Object.keys(rows).map((label) => label.length));
  const room = (io.stdout.columns ?? COLUMNS) - 1;
  const lines = Object.entries(rows).flatMap(([label, text]) => labelled(label.padEnd(wide), text, { paint, room }));
  io.stdout.write(`\n${lines.join('\n')}\n\n`);
}

/** Writes what a search writes, and says it. */
export function writeResults(coordinator: Coordinator, folder: string, io: Io, json: boolean): void {
  const { spec, notes } = coordinator;
  const { search } = spec;
  const out = new SearchFolder(folder, search, 'again');
  try {
    out.begin();
    out.write({ [LOG]: logText(coordinator) });
    leaveResults(out, io, {
      ...{ spec: search, trials: trialsIn(coordinator), notes, json },
      title: `Sweep ${spec.name} by ${search.method.name}: ${plural(search.trials, 'trial')}, validation ${search.metric}`,
      subtitle: spaceText(search.space),
    });
  } finally {
    out.close();
  }
}
