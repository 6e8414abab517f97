/**
 * What a chapter of the lecture is: a row with its claim, its flags, and the experiment. No Node here: a page runs the same
 * rows. Chapters are in chapters/, one file each, and listed in chapters/index.ts.
 */
import type { Dataset } from '../../src/index.js';
import type { Flags } from '../common/flags.js';
import type { Scale } from '../common/settings.js';
import type { RunSpec, Trained } from './runs.js';

/** How much is done. */
export interface Amounts {
  /** Images to train on. */
  readonly images: number;
  /** Steps of a run: the notes say iterations. */
  readonly iterations: number;
  /** Runs that differ in their seed alone, 0 and on. */
  readonly seeds: number;
}

export interface Chapter {
  readonly name: string;
  /** Of the picture. */
  readonly title: string;
  /** What the notes claim, in our words. */
  readonly claim: string;
  /** Flags of its own. */
  readonly flags?: Flags;
  /** Of the inputs, where --scale says nothing. Default as in a training. */
  readonly scale?: Scale;
  /** Usually, and with --quick. */
  readonly usual: Amounts;
  readonly quick: Amounts;
  /**
   * Reads its flags.
   *
   * @throws DownhillError OPTION-*
   */
  plan(given: ReadonlyMap<string, string>, amounts: Amounts, quick: boolean): Experiment;
}

export type Experiment = {
  /** How long it takes, where iterations do not say so: '4 epochs'. */
  readonly length?: string;
} & (
  | {
      readonly withoutData?: undefined;
      /** Samples of the largest batch, where it is known: the data must have as many. */
      readonly largestBatch?: number;
      run(lab: Lab): Promise<Outcome>;
    }
  | {
      /** Of an analytic function: there are no images. */
      readonly withoutData: true;
      run(bench: Bench): Promise<Outcome>;
    }
);

/** Where experiments are done: one device. */
export interface Bench {
  readonly device: GPUDevice;
  readonly amounts: Amounts;
  /** Draw on a logarithmic axis. Undefined: as the chapter does. */
  readonly log: boolean | undefined;
  /** Where it is aborted, what was measured so far comes back. */
  readonly signal: AbortSignal;
  /** Says what goes on, where it is no training. */
  phase(text: string): void;
}

/** A bench with data to train on. */
export interface Lab extends Bench {
  readonly train: Dataset;
  readonly test: Dataset;
  /**
   * Trains networks, each once per seed. In the order given; of one that was not reached no runs.
   *
   * @param how fewer seeds than asked for, where it is a try
   */
  runs(specs: readonly RunSpec[], how?: { readonly seeds?: number }): Promise<Trained[]>;
}

/** A line of a panel. */
export interface Curve {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  /** From the least to the greatest, around the line. */
  readonly band?: { readonly low: readonly (number | null)[]; readonly high: readonly (number | null)[] };
  /** Points without a line between them, or a line without its points. Default a line with a few markers. */
  readonly style?: 'points' | 'plain' | 'dashed';
  /** Has the colour and the marker of the curve so called. Default its own. */
  readonly like?: string;
}

/** A plot with its axes. */
export interface Panel {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly curves: readonly Curve[];
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Of the vertical axis. Default: from the curves. */
  readonly range?: readonly [low: number, high: number];
  /** Of the horizontal axis. Default: from 0 to the last. */
  readonly rangeX?: readonly [low: number, high: number];
  /** Lines of equal height, behind the curves. */
  readonly contours?: readonly (readonly (readonly [x: number, y: number])[])[];
  /** Places along the horizontal axis that mean something. */
  readonly marks?: readonly { readonly x: number; readonly text: string }[];
}

/** A heat map: rows from below. */
export interface HeatMap {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly columns: readonly string[];
  readonly rows: readonly string[];
  /** By row, then column; null where there is no number, as of a run that diverged. */
  readonly values: readonly (readonly (number | null)[])[];
  /** What a value is. */
  readonly unit: string;
}

/** What an experiment says of a claim. */
export interface Claim {
  readonly text: string;
  readonly holds: boolean;
  /** The numbers behind it. */
  readonly measured: string;
}

export type Cell = string | number | undefined;

export interface Outcome {
  readonly panels: readonly Panel[];
  readonly heatMaps?: readonly HeatMap[];
  /** The same as numbers: the first row are titles. A number is shown as a loss is. */
  readonly table: readonly (readonly Cell[])[];
  readonly claims: readonly Claim[];
  /** What one should know to read it. */
  readonly notes: readonly string[];
  /** More for the JSON. */
  readonly more?: object;
}
