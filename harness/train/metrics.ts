/** metrics.jsonl of a run: a line for every step, and one for the result. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { ValidationReport } from '../../src/index.js';
import { isFull, writeWhole } from '../common/whole-file.js';

/** What a line may hold: of a step, or of the validation behind it. A number that is not finite is null in JSON. */
interface Line {
  readonly step: number;
  readonly loss?: number | null;
  readonly validationLoss?: number | null;
  readonly validationAccuracy?: number | null;
  readonly validationMse?: number | null;
  readonly best?: boolean;
}

/** What the lines that are kept say. */
export interface KeptMetrics {
  readonly losses: number[];
  readonly validations: ValidationReport[];
}

/**
 * Lines are appended as they come. Where the disk is full they wait, and go out with the next ones: what a full disk cut
 * off is written over, as each line has its place in the file.
 */
export class Metrics {
  #size = 0;
  #waiting = '';

  constructor(readonly path: string) {}

  /** Begins anew. */
  clear(): void {
    writeWhole(this.path, '');
    this.#size = 0;
  }

  /** Keeps the lines of the first `steps` steps, those of a run that is gone on with, and of their validations. */
  keep(steps: number): KeptMetrics {
    const kept: string[] = [];
    const [losses, validations]: [number[], ValidationReport[]] = [[], []];
    for (const line of readFileSync(this.path, 'utf8').split('\n')) {
      const { step, loss, validationLoss, best = false, ...means } = readLine(line);
      const { validationAccuracy: accuracy, validationMse: mse } = means;
      // What comes after was trained beyond the checkpoint, and is trained again.
      if (loss !== undefined && step === losses.length + 1 && step <= steps) losses.push(loss ?? Number.NaN);
      else if (validationLoss !== undefined && step === losses.length)
        validations.push({
          step,
          loss: validationLoss ?? Number.NaN,
          ...(accuracy != null && { accuracy }),
          ...(mse !== undefined && { mse: mse ?? Number.NaN }),
          best,
        });
      else break;
      kept.push(`${line}\n`);
    }
    writeWhole(this.path, kept.join(''));
    this.#size = Buffer.byteLength(kept.join(''));
    return { losses, validations };
  }

  /** @returns false where the disk is full and the lines wait */
  append(lines: string): boolean {
    this.#waiting += lines;
    try {
      this.flush();
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      return false;
    }
  }

  /** Writes what waits. */
  flush(): void {
    const bytes = Buffer.from(this.#waiting);
    const file = openSync(this.path, 'r+');
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, this.#size + at);
    } finally {
      closeSync(file);
    }
    this.#size += bytes.length;
    this.#waiting = '';
  }
}

function readLine(line: string): Line {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return { step: Number.NaN }; // the last line of a run that was killed
  }
}
