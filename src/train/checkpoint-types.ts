import type { Weights } from './weights.js';

/** Options of `trainer.checkpoint`. */
export interface CheckpointOptions {
  /** Default true. False: the network alone, to use and to share; training does not go on from it. */
  readonly state?: boolean;
  /** Of a network alone: which weights. Default the average, where one is kept; 'best' of the best validation. */
  readonly weights?: Weights;
}

/** What `trainer.restore` tells. */
export interface Restored {
  /** Steps done. */
  readonly step: number;
  /** The release that wrote the file. */
  readonly version: string;
  /**
   * Passes that run in another form here than where the file was written: training goes on, but not to the same bits.
   * Empty on the same kind of adapter.
   */
  readonly otherForms: readonly string[];
}

/** Options of `trainer.importWeights`. */
export interface ImportOptions {
  /** What stands before every name in the file: 'net.' where it has 'net.0.weight' for '0.weight'. */
  readonly prefix?: string;
  /** Names in the file by names here, for those that differ: { '0.weight': 'fc1.weight' }; or a function. */
  readonly map?: Readonly<Record<string, string>> | ((name: string) => string);
  /** Default true: every tensor of the model is in the file, and the file has no other. False: those that are in both. */
  readonly strict?: boolean;
}

/** What `trainer.importWeights` did. */
export interface Imported {
  /** Names here of the tensors that were set. */
  readonly tensors: readonly string[];
  /** Of the model, but not in the file: as they were. */
  readonly missing: readonly string[];
  /** In the file, but not of the model. */
  readonly unused: readonly string[];
}
