/** The folder of a sweep without a queue: what it is, its results as they come, its checkpoints. */
import { existsSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DownhillError } from '../../src/index.js';
import { appendLines, readPlainFileSync, readPlainText } from '../../src/node/index.js';
import { OutFolder } from '../common/out-folder.js';
import { outputError } from '../common/output.js';
import { writeWhole } from '../common/whole-file.js';
import { resultKey, type TaskResult } from './coordinator.js';
import { checkSweep, type SweepSpec } from './spec.js';

export const SWEEP_FILE = 'sweep.json';
const RESULTS_FILE = 'results.jsonl';
const CANCEL_FILE = 'cancel.json';
export const CHECKPOINTS = 'checkpoints';

export interface Cancelled {
  readonly all: boolean;
  readonly trials: readonly number[];
}

export class SweepFolder {
  constructor(readonly folder: string) {}

  path(file: string): string {
    return join(this.folder, file);
  }

  /** @throws DownhillError OUTPUT-UNWRITABLE where there is a sweep already, or nothing can be written */
  create(spec: SweepSpec): void {
    const out = new OutFolder(this.folder, {
      what: 'a sweep',
      files: [SWEEP_FILE, RESULTS_FILE, CANCEL_FILE, CHECKPOINTS],
      fix: `Go on with a sweep: downhill sweep work ${this.folder}; or name another folder with --out.`,
    });
    try {
      out.write({ [SWEEP_FILE]: `${JSON.stringify(spec, null, 2)}\n` });
    } finally {
      out.close();
    }
  }

  /** @throws DownhillError DATA-NOT-FOUND, CHECKPOINT-CORRUPT */
  read(): SweepSpec {
    let text: string;
    try {
      text = readPlainText(this.path(SWEEP_FILE));
    } catch (cause) {
      throw new DownhillError(
        'DATA-NOT-FOUND',
        `There is no sweep in ${this.folder}: ${SWEEP_FILE} cannot be read.`,
        'Name the folder that downhill sweep add made.',
        cause,
      );
    }
    let read: unknown;
    try {
      read = JSON.parse(text);
    } catch (cause) {
      throw new DownhillError(
        'CHECKPOINT-CORRUPT',
        `${this.path(SWEEP_FILE)} is not what sweep add has written.`,
        'Add the sweep anew.',
        cause,
      );
    }
    return checkSweep(read);
  }

  /** What came back so far; what was being written when a process died is cut off, and is done again. */
  results(repair = false): TaskResult[] {
    const path = this.path(RESULTS_FILE);
    if (!existsSync(path)) return [];
    const bytes = Buffer.from(this.#guard(() => readPlainFileSync(path)).buffer);
    const whole = bytes.lastIndexOf(10) + 1;
    if (repair && whole < bytes.length) this.#guard(() => truncateSync(path, whole));
    const lines = bytes.subarray(0, whole).toString('utf8').split('\n').slice(0, -1);
    return lines.map((line, i) => {
      try {
        const result = JSON.parse(line) as TaskResult;
        if (typeof resultKey(result) === 'string' && typeof result.outcome === 'object') return result;
      } catch {}
      throw new DownhillError(
        'CHECKPOINT-CORRUPT',
        `Line ${i + 1} of ${path} is no result of a sweep.`,
        'Cut the file there: what follows is run again.',
      );
    });
  }

  /** Adds a result, and waits until it is safe. */
  add(result: TaskResult): void {
    this.#guard(() => appendLines(this.path(RESULTS_FILE), `${JSON.stringify(result)}\n`, { sync: true }));
  }

  get cancelled(): Cancelled {
    try {
      const { all = false, trials = [] } = JSON.parse(readPlainText(this.path(CANCEL_FILE)));
      return { all: all === true, trials };
    } catch {
      return { all: false, trials: [] };
    }
  }

  cancel(more: Cancelled): void {
    const { all, trials } = this.cancelled;
    const both = { all: all || more.all, trials: [...new Set([...trials, ...more.trials])] };
    this.#guard(() => writeWhole(this.path(CANCEL_FILE), `${JSON.stringify(both)}\n`));
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
