/** metrics.jsonl of a run: a line for every step, and one for the result. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { isFull, writeWhole } from '../common/whole-file.js';

/** What a line of a step begins with. */
interface StepLine {
  readonly step: number;
  readonly loss: number;
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

  /** Keeps the lines of the first `steps` steps, those of a run that is gone on with. @returns their losses */
  keep(steps: number): number[] {
    const kept: string[] = [];
    const losses: number[] = [];
    for (const line of readFileSync(this.path, 'utf8').split('\n')) {
      const read = readStep(line);
      // What comes after was trained beyond the checkpoint, and is trained again.
      if (read?.step !== losses.length + 1 || read.step > steps) break;
      kept.push(`${line}\n`);
      losses.push(read.loss);
    }
    writeWhole(this.path, kept.join(''));
    this.#size = Buffer.byteLength(kept.join(''));
    return losses;
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

/** A line of a step; a loss that is not finite is null in JSON. */
function readStep(line: string): StepLine | undefined {
  try {
    const { step, loss } = JSON.parse(line) as { step: number; loss?: number | null };
    return loss === undefined ? undefined : { step, loss: loss ?? Number.NaN };
  } catch {
    return undefined; // the last line of a run that was killed
  }
}
