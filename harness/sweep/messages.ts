/** What a worker and its child say to each other: one line of JSON each, on the child's standard input and output. */
import type { Outcome } from '../../src/search/index.js';
import type { PackJob } from './spec.js';

export type ToChild =
  | {
      readonly type: 'job';
      readonly job: PackJob;
      /** A word that no other attempt has: part of its checkpoints' names. */
      readonly attempt: string;
      /** Folder of the checkpoints. */
      readonly checkpoints: string;
    }
  /** These trials are not wanted any more. */
  | { readonly type: 'prune'; readonly trials: readonly number[] };

export type FromChild =
  | { readonly type: 'ready'; readonly adapter: string }
  | {
      readonly type: 'progress';
      readonly trial: number;
      readonly seed: number;
      readonly step: number;
      readonly loss: number | null;
    }
  | { readonly type: 'result'; readonly trial: number; readonly to: number; readonly outcome: Outcome }
  /** All that was wanted of the job is done. */
  | { readonly type: 'done' }
  /** The job cannot be done here; the child goes on to the next. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string; readonly fix: string };

/** The exit code of a child that was told to end: its checkpoints are kept. */
export const ENDED = 75;

/** Reads lines of JSON from a stream of text, whatever pieces it comes in. */
export class Lines {
  #rest = '';

  *take(text: string): Generator<unknown> {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) {
      if (line.trim() === '') continue;
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch {
        continue; // what a driver prints
      }
      yield value;
    }
  }
}
