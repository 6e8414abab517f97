import * as v from 'valibot';
import { checkSpace, methods, TRAINING_METRICS, trialsOf } from '../../src/search/index.js';
import type { Texts } from '../experiment/settings.js';
import { PageError } from '../shell/problem.js';
import { saveFile } from '../shell/save.js';
import { Searching, type SearchOf } from './searching.js';
import { spaceText } from './space.js';

/* A search as a file: what it is of, and its log, from which it goes on. */

const COUNT = v.pipe(v.number(), v.integer(), v.minValue(1));
const FORMAT = 'downhill-page-search/1';
/** More is no log of a page's search. */
const MOST_BYTES = 64 * 2 ** 20;

/** What the method, the log and the form look at themselves is left to them. */
const SEARCH = v.object({
  space: v.record(v.string(), v.looseObject({ kind: v.string() })),
  method: v.picklist(Object.keys(methods)),
  metric: v.picklist(TRAINING_METRICS),
  texts: v.record(v.string(), v.pipe(v.string(), v.maxLength(20_000))),
  trials: COUNT,
  steps: COUNT,
  seed: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

interface Journal {
  readonly format: typeof FORMAT;
  readonly adapter?: string;
  readonly of: SearchOf;
  /** Nothing is left to do; else it goes on from the log. */
  readonly ended: boolean;
  /** JSON Lines, as `downhill search` keeps them. */
  readonly log: readonly string[];
}

export function saveJournal({ of, log, ended }: Searching, adapter: string | undefined): void {
  const journal: Journal = {
    ...{ format: FORMAT, ...(adapter !== undefined && { adapter }), of, ended },
    log: log.text.split('\n').filter(Boolean),
  };
  saveFile('search.json', JSON.stringify(journal, null, 1));
}

/** @throws PageError, DownhillError where the file is none of a search */
export async function readJournal(file: File): Promise<{ readonly found: Searching; readonly state: Texts }> {
  const wrong = (why: string) =>
    new PageError(`${file.name} ${why}.`, 'Choose a file that “Save the log” has written.');
  if (file.size > MOST_BYTES) throw wrong('is too large for a log of a search');
  let journal: Partial<Journal>;
  try {
    journal = Object(JSON.parse(await file.text()));
  } catch {
    throw wrong('is no JSON');
  }
  const { of, log } = journal;
  if (journal.format !== FORMAT || !of || !Array.isArray(log)) throw wrong('is no log of a search');
  const text = `${log.join('\n')}\n`;
  trialsOf(text); // throws where it is damaged
  if (!v.is(SEARCH, of)) throw wrong('does not say what its search is of');
  checkSpace(of.space);
  const { method, metric } = of;
  const numbers = { trials: of.trials, steps: of.steps, seed: of.seed };
  const state = {
    ...{ space: spaceText(of.space), method, metric },
    ...Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, String(value)])),
  };
  return { found: new Searching(of, text, journal.ended === true), state };
}
