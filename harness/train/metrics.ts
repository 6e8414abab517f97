/** metrics.jsonl of a run: a line for every step, and one for the result. */
import type { ValidationReport } from '../../src/index.js';
import { appendLines, readPlainText } from '../../src/node/index.js';
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

/** Lines are appended as they come. Where the disk is full they wait, and go out with the next ones. */
export class Metrics {
  #waiting = '';

  constructor(readonly path: string) {}

  /** Begins anew. */
  clear(): void {
    writeWhole(this.path, '');
  }

  /** Keeps the lines of the first `steps` steps, those of a run that is gone on with, and of their validations. */
  keep(steps: number): KeptMetrics {
    const kept: string[] = [];
    const [losses, validations]: [number[], ValidationReport[]] = [[], []];
    for (const line of readPlainText(this.path).split('\n')) {
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
    appendLines(this.path, this.#waiting);
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
