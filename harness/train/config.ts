/**
 * What one training run is: plain JSON, made by the command line, read by the job in Node or in a page, kept in the run's
 * config.json. No Node here: a page imports this file.
 */
import type { Missing } from '../../src/csv.js';
import type {
  Activation,
  AugmentOptions,
  ClipOptions,
  DECAY_TYPES,
  EarlyStoppingOptions,
  Gain,
  Init,
  Loss,
  MeasuredPlan,
  Norm,
  Sampling,
  Toy,
} from '../../src/index.js';
import type { NamedDataset } from '../../src/node/index.js';
import type { Place, Scale } from '../common/settings.js';
import type { WrapConfig } from './wrap.js';

export type DataConfig =
  /** The library's own generator. */
  | { readonly kind: 'digits'; readonly samples: number }
  /** Points of the plane, of the library as well. */
  | { readonly kind: Toy; readonly samples: number; readonly noise: number }
  /** Downloaded once, by its name. */
  | { readonly kind: 'named'; readonly name: NamedDataset }
  /** IDX files of a folder, by its absolute path. */
  | { readonly kind: 'idx'; readonly folder: string }
  /** A table, by its absolute path. */
  | {
      readonly kind: 'csv';
      readonly file: string;
      readonly target: readonly string[];
      readonly ignore: readonly string[];
      /** Of all columns but those of `missingIn`. */
      readonly missing: Missing;
      /** By column; absent where none is told apart. */
      readonly missingIn?: Readonly<Record<string, Missing>>;
      /** Absent where it is found out. */
      readonly delimiter?: string;
      readonly decimal?: '.' | ',';
    }
  /** NumPy's files, by their absolute paths: samples and targets, or one archive of x and y. */
  | { readonly kind: 'npy'; readonly files: readonly string[] };

/** Data that the library makes itself. */
export type DrawnConfig = Extract<DataConfig, { readonly samples: number }>;
export const isDrawn = (data: DataConfig): data is DrawnConfig => 'samples' in data;

/** Where data of files lies, in messages and reports; undefined where it has no place. */
export function placeOf(data: DataConfig): string | undefined {
  if (data.kind === 'csv') return data.file;
  return data.kind === 'npy' ? data.files.join(', ') : data.kind === 'idx' ? data.folder : undefined;
}

export type HyperValue = number | boolean | string | readonly number[];

/** Options of the schedules that --schedule offers; which takes which is in schedule.ts. */
export interface ScheduleOptions {
  /** Default: a third of the run. */
  readonly stepSize?: number;
  /** Steps of the run. Default: its half and three quarters. */
  readonly milestones?: readonly number[];
  readonly gamma?: number;
  readonly power?: number;
  readonly minLr?: number;
  /** Default: a tenth of the run. */
  readonly decaySteps?: number;
  readonly decayType?: (typeof DECAY_TYPES)[number];
  readonly dModel?: number;
}

export interface ScheduleConfig extends ScheduleOptions {
  readonly name: string;
  /** Steps of the run in front of the schedule. */
  readonly warmup: number;
  /** Steps of the run that it was made for, where the run goes on to another end: it stays as it was. */
  readonly runSteps?: number;
}

export type StopMetric = NonNullable<EarlyStoppingOptions['metric']>;

export interface ValidationConfig {
  /** Of the training part. */
  readonly share: number;
  readonly every: { readonly epochs: number } | { readonly batches: number };
  /** Where the run may end before its steps are done. */
  readonly stopping?: { readonly patience: number; readonly metric: StopMetric };
}

export interface TrainConfig {
  readonly data: DataConfig;
  /** 'standard': mean 0 and variance 1, by the training part's statistics. 'unit': into [0, 1]. */
  readonly scale: Scale;
  readonly model: {
    readonly sizes: readonly number[];
    readonly activation: Activation;
    /** Absent without. */
    readonly norm?: Norm;
    readonly dropout?: number;
    readonly init: Init;
    /** Absent where it is the initialisation's own. */
    readonly gain?: Gain;
    readonly loss: Loss;
  };
  /** Of the loss; absent where they are its defaults. */
  readonly lossOptions?: { readonly labelSmoothing: number };
  /** Absent where nothing is added to the loss. */
  readonly penalty?: { readonly l1: number; readonly l2: number };
  /** Absent where gradients are as they are. */
  readonly clip?: Pick<ClipOptions, 'globalNorm' | 'value'>;
  /** Absent where batches are as the data is. */
  readonly augment?: AugmentOptions;
  /** What goes round the rule; absent where nothing does. */
  readonly wrappers?: readonly WrapConfig[];
  /** A rule's name with every one of its hyper-parameters. */
  readonly optimizer: { readonly name: string; readonly hyper: Readonly<Record<string, HyperValue>> };
  /** What the learning rate follows; absent where it stays as it is. */
  readonly schedule?: ScheduleConfig;
  /** Absent where nothing is held out. */
  readonly validation?: ValidationConfig;
  /** Absent with sampling 'full', where it is the whole training part. */
  readonly batchSize?: number;
  readonly sampling: Sampling;
  /** There where the last, short batch of an epoch is left out. */
  readonly dropLast?: true;
  /** Either steps or epochs. */
  readonly steps?: number;
  readonly epochs?: number;
  readonly seed: number;
  readonly in: Place;
  /** Steps between two checkpoints; absent where only the end is kept. */
  readonly saveEvery?: number;
  /** Checkpoints that stay; absent for as many as the store keeps. */
  readonly keep?: number;
  /** Who chooses the forms of kernels; absent where the adapter's traits alone do. A file that is read becomes what is in it. */
  readonly plan?: 'auto' | 'measure' | { readonly file: string } | MeasuredPlan;
  /** There where a plan may be measured for so long, in milliseconds. */
  readonly planBudgetMs?: number;
  /** There where the last steps of the run are profiled. */
  readonly profile?: true;
}

/** What is added to the loss, and done to the gradients and the batches, as it is chosen: 0 is off. */
export interface Regularisation {
  readonly penalty: { readonly l1: number; readonly l2: number };
  readonly clip: { readonly norm: number; readonly value: number };
  readonly mixup: number;
  readonly cutout: number;
}

/** The same as a configuration has it, where what is off is absent. */
export function regularised({ penalty, clip, mixup, cutout }: Regularisation) {
  const { norm, value } = clip;
  const clipped = { ...(norm > 0 && { globalNorm: norm }), ...(value > 0 && { value }) };
  const augment = { ...(mixup > 0 && { mixup: { alpha: mixup } }), ...(cutout > 0 && { cutout: { size: cutout } }) };
  return {
    ...((penalty.l1 > 0 || penalty.l2 > 0) && { penalty }),
    ...((norm > 0 || value > 0) && { clip: clipped }),
    ...((mixup > 0 || cutout > 0) && { augment }),
  };
}

/** A hyper-parameter's value as it is typed: 0.001, 0.9,0.999, true. */
export const showHyper = (value: HyperValue): string => (Array.isArray(value) ? value.join(',') : String(value));
