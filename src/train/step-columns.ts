import { LEFT_OUT } from '../kernels/account.js';
import { type Clock, FAULT } from '../kernels/advance.js';
import type { Rates } from '../optim/scalars.js';
import type { ValidationResult } from './validation.js';
import type { WatchReport } from './watch-report.js';

/* What came of steps, as the GPU has it and step by step. */

/** What came of one step of one replica. */
export interface StepResult {
  readonly loss: number;
  /** Learning rate of its update. */
  readonly lr: number;
  /** Its update was left out, for its gradient. */
  readonly skipped: boolean;
  /** There where the step was looked at (src/train/watch.ts). */
  readonly watch?: WatchReport;
  /** There where one followed the step. */
  readonly validation?: ValidationResult | undefined;
  /** The replica's training was stopped before: nothing was done, and the rest means nothing. */
  readonly halted?: true;
}

/** What came of some steps, those that some replica did: row by row, as the GPU has it. */
export interface StepColumns {
  /** Index of the first, from 0. */
  readonly first: number;
  readonly steps: number;
  readonly replicas: number;
  /** [steps, replicas] of a loss and a note. */
  readonly words: Uint32Array<ArrayBuffer>;
  readonly losses: Float32Array<ArrayBuffer>;
  /** By replica: the steps it has done in all, where it was stopped; infinite where it was not. */
  readonly done: readonly number[];
  /** Learning rate of the update of a step, counted from the first of these. */
  rate(step: number, replica: number): number;
  /** By replica, of the last of them, where one followed it. */
  readonly validations: readonly (ValidationResult | undefined)[] | undefined;
}

/** Of those steps that some replica did. */
export function columnsOf(
  words: Uint32Array<ArrayBuffer>,
  first: number,
  clocks: readonly Clock[],
  rates: Rates,
  validations: StepColumns['validations'],
): StepColumns {
  const replicas = clocks.length;
  const done = clocks.map(({ step, fault }) => ((fault & FAULT.halted) === 0 ? Number.POSITIVE_INFINITY : step));
  const steps = Math.max(Math.min(words.length / 2 / replicas, Math.max(...done) - first), 0);
  return {
    ...{ first, steps, replicas, words, done, validations },
    losses: new Float32Array(words.buffer),
    // Of the first group: its records come first, one per replica.
    rate: (step, replica) => rates(replica, (words[2 * (step * replicas + replica) + 1]! & ~LEFT_OUT) >>> 0),
  };
}

/** The same by step and replica. */
export function readSteps({
  first,
  steps,
  replicas,
  words,
  losses,
  done,
  rate,
  validations,
}: StepColumns): StepResult[] {
  return Array.from({ length: steps * replicas }, (_, i) => {
    const [step, replica] = [Math.floor(i / replicas), i % replicas];
    if (first + step >= done[replica]!) return { loss: Number.NaN, lr: Number.NaN, skipped: false, halted: true };
    const result = { loss: losses[2 * i]!, lr: rate(step, replica), skipped: words[2 * i + 1]! >= LEFT_OUT };
    const validation = validations?.[replica];
    return validation?.step === first + step + 1 ? { ...result, validation } : result;
  });
}
