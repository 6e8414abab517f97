import type { Dataset } from '../data/dataset.js';
import type { Model } from '../nn/model.js';
import type { Program } from './program.js';

/** What a trainer has, for parts of this package that stand beside it: src/landscape. */
export interface Inside {
  readonly program: Program;
  readonly model: Model;
  /** What it trains on. */
  readonly data: Dataset;
}

const trainers = new WeakMap<object, () => Inside>();

/**
 * A trainer lets the rest of the package look inside.
 *
 * @param look gives what there is now: a trainer that recovers has another program. Throws where it was destroyed.
 */
export const opened = (trainer: object, look: () => Inside): void => void trainers.set(trainer, look);

/** What is inside a trainer, or undefined where it is none of ours. @throws DownhillError RUN-DESTROYED */
export const insideOf = (trainer: object): Inside | undefined => trainers.get(trainer)?.();
