/** The folder of a search: what it is, its log, and what came of it. */
import { existsSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileLog } from '../../src/node/index.js';
import { optunaJournal, ranked, type SearchLog, type SearchResult, type Space } from '../../src/search/index.js';
import { OutFolder } from '../common/out-folder.js';
import { PICTURES } from './charts.js';
import { SPEC_FILE } from './options.js';
import type { SearchSpec } from './spec.js';

export const LOG = 'search.jsonl';
export const TRIALS = 'trials.jsonl';
export const JOURNAL = 'optuna-journal.log';
export const BEST = 'best.json';
const FILES = [SPEC_FILE, LOG, TRIALS, JOURNAL, BEST, ...Object.keys(PICTURES)];

export class SearchFolder extends OutFolder {
  /**
   * @param folder as given by the user
   * @param kind 'new' refuses a folder that has files of a search, 'force' overwrites them, 'again' those of a search alone
   * @throws DownhillError OUTPUT-UNWRITABLE
   */
  constructor(
    folder: string,
    readonly spec: SearchSpec,
    readonly kind: 'new' | 'force' | 'again' | 'resume',
  ) {
    const force = kind === 'again' ? existsSync(join(resolve(folder), SPEC_FILE)) : kind !== 'new';
    const fix =
      kind === 'again'
        ? 'Name another folder with --out.'
        : `Go on with a search: --resume ${folder}; or name another folder, or add --force.`;
    super(folder, { what: 'a search', files: FILES, force, fix });
  }

  /** Says what is searched. Before that, nothing that is there is touched. */
  begin(): void {
    if (this.kind === 'resume') return;
    this.guard(() => {
      for (const file of FILES) if (file !== SPEC_FILE) rmSync(join(this.path, file), { force: true });
    });
    this.write({ [SPEC_FILE]: `${JSON.stringify(this.spec, null, 2)}\n` });
  }

  get log(): SearchLog {
    return fileLog(join(this.path, LOG));
  }

  /** Everything but the log. */
  results(
    { trials, best, direction }: Pick<SearchResult, 'trials' | 'best' | 'direction'>,
    space: Space,
    pictures: Readonly<Record<string, string>>,
    command?: string,
  ): void {
    const top = ranked(trials, direction).slice(0, 10);
    this.write({
      [TRIALS]: trials.map((trial) => `${JSON.stringify(trial)}\n`).join(''),
      [JOURNAL]: optunaJournal({ trials, direction }, space, { study: basename(this.path) }),
      [BEST]: `${JSON.stringify({ best: best ?? null, ...(command && { command }), top }, null, 2)}\n`,
      ...pictures,
    });
  }
}
