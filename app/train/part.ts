import type { Experiment } from '../experiment/config.js';
import type { Settings, Texts } from '../experiment/settings.js';
import type { Run } from '../runs/run.js';
import type { Lab } from '../shell/views.js';
import type { Training } from './training.js';

/* What the Train view and what stands in it (live settings, instruments) know of each other. */

/** What a run was started with: the form may say something else by now. */
export interface Started {
  readonly settings: Settings;
  readonly texts: Texts;
  /** The command line's configuration of it, and its data. */
  readonly experiment: Experiment;
}

/** What a part gets. */
export interface TrainView {
  readonly lab: Lab;
  readonly training: Training;
  /** The run whose figures are shown, also after its end; undefined before the first and after a reset. */
  readonly run: Run | undefined;
  /** What that run was started with. What it trains on is `training.data`. */
  readonly started: Started | undefined;
  /** As the Start button. @param pauseAfter pauses by itself after so many steps */
  start(pauseAfter?: number): void;
}

/** What the view asks of a part; all as in a view. */
export interface Part {
  /** For the link, in the keys of the Train view: a part's begin with its own name. */
  state?(): Texts;
  /** @returns the keys that it knows, each with whether it understands the value */
  take?(state: Texts): ReadonlyMap<string, boolean>;
  shown?(): void;
}

/** What a part's module exports. It builds its DOM itself, in its place in index.html. */
export type Attach = (view: TrainView) => Part | undefined;
