import type { JobData } from '../../../harness/train/data.js';
import type { StepReport, Trainer, WatchOptions } from '../../../src/index.js';

/** How a run goes. */
export interface Pace {
  readonly perSecond: number | undefined;
  readonly totalSteps: number;
  /** It is trained step by step, or about to be. */
  readonly stepping: boolean;
}

/** One of the looks into a network. It builds its DOM once, and says of itself when it fits. */
export interface Instrument {
  /** In the link. */
  readonly key: string;
  readonly title: string;
  readonly element: HTMLElement;
  /** Whether it has something to say about this data; undefined: before any is known. */
  fits(data: JobData | undefined): boolean;
  /** A run begins; what was of the one before goes. */
  began(data: JobData): void;
  /**
   * Takes its figures of the live trainer and shows them. Called again and again while training goes on, in the share of the
   * time that there is, and once more when it rests.
   */
  refresh?(trainer: Trainer, data: JobData): Promise<void>;
  /** 'test': only behind a test, on the same weights; otherwise as often as the time allows. */
  readonly when?: 'test';
  /** What the trainer is to look at meanwhile; `stepped` gets it. */
  watch?(pace: Pace): WatchOptions;
  stepped?(report: StepReport, seconds: number): void;
  /** It is on the screen from now on. */
  shown?(): void;
  /** The trainer is gone. */
  released?(): void;
}
