/** The folder of a search: what it is, its log, and what came of it. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { DownhillError } from '../../src/index.js';
import { fileLog } from '../../src/node/index.js';
import { optunaJournal, ranked, type SearchLog, type SearchResult, type Space } from '../../src/search/index.js';
import { lockFolder } from '../common/lock.js';
import { outputError } from '../common/output.js';
import { writeWhole } from '../common/whole-file.js';
import { SPEC_FILE } from './options.js';
import type { SearchSpec } from './spec.js';

export const LOG = 'search.jsonl';
export const TRIALS = 'trials.jsonl';
export const JOURNAL = 'optuna-journal.log';
export const BEST = 'best.json';

export class SearchFolder {
  readonly #path: string;
  readonly #release: () => void;

  /**
   * @param folder as given by the user
   * @param kind 'new' refuses a folder that has a search, 'force' overwrites it
   * @throws DownhillError OUTPUT-UNWRITABLE
   */
  constructor(
    readonly folder: string,
    spec: SearchSpec,
    kind: 'new' | 'force' | 'resume',
  ) {
    this.#path = resolve(folder);
    this.#release = this.#guard(() => {
      mkdirSync(this.#path, { recursive: true });
      return lockFolder(this.#path, folder);
    });
    try {
      if (kind === 'new' && existsSync(this.path(SPEC_FILE)))
        throw new DownhillError(
          'OUTPUT-UNWRITABLE',
          `The folder ${folder} has a search in it already.`,
          `Go on with it: --resume ${folder}; or name another folder, or add --force.`,
        );
      if (kind === 'force') this.#guard(() => rmSync(this.path(LOG), { force: true }));
      if (kind !== 'resume') this.write(SPEC_FILE, `${JSON.stringify(spec, null, 2)}\n`);
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  path(file: string): string {
    return join(this.#path, file);
  }

  /** As it is shown. */
  shown(file: string): string {
    return join(this.folder, file);
  }

  get log(): SearchLog {
    return fileLog(this.path(LOG));
  }

  write(file: string, text: string): void {
    this.#guard(() => writeWhole(this.path(file), text));
  }

  /** Everything but pictures. */
  results(
    { trials, best, direction }: Pick<SearchResult, 'trials' | 'best' | 'direction'>,
    space: Space,
    command?: string,
  ): void {
    this.write(TRIALS, trials.map((trial) => `${JSON.stringify(trial)}\n`).join(''));
    this.write(JOURNAL, optunaJournal({ trials, direction }, space, { study: basename(this.#path) }));
    const top = ranked(trials, direction).slice(0, 10);
    this.write(BEST, `${JSON.stringify({ best: best ?? null, ...(command && { command }), top }, null, 2)}\n`);
  }

  close(): void {
    this.#release();
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof DownhillError) throw cause;
      throw outputError(this.folder, cause);
    }
  }
}
