import type { Dataset } from '../data/dataset.js';
import type { WeightsOptions } from '../train/types.js';
import type { WeightPath } from './path.js';

/** The tensors of a network in host memory, by name: what `trainer.readParameters()` gives. */
export type NamedWeights = Readonly<Record<string, Float32Array>>;

/** From, to: finite, the first below the second. */
export type Interval = readonly [number, number];

export type PlaneKind = 'random' | 'pca' | 'line';

/** Options of {@link landscape}. */
export interface LandscapeOptions extends WeightsOptions {
  /**
   * Through the trainer's weights θ*:
   *
   * - 'random': θ* + x·δ + y·η, with Gaussian δ and η, filter-normalised (Li et al. 2018): a column of a weight matrix [in, out],
   *   which is what comes into one unit, is scaled to the norm of that column of θ*; biases and the parameters of norms stay.
   * - 'pca': θ* + x·p₁ + y·p₂, with the two directions along which `path` is spread most: unit vectors, so that x and y are
   *   distances between weights.
   * - 'line': (1 - x)·from + x·to: from one network's weights to another's, or from where a path started to θ*.
   */
  readonly plane: PlaneKind;
  /** Points along each axis, 2 to 512. Default 25, of a line 51. With an even number θ* lies between points. */
  readonly grid?: number;
  /**
   * What the axes cover: r for -r to r, or from and to, or such of each axis. Default: 'random' 1; 'pca' the path and θ* with a
   * margin of 20 % on each side; 'line' [0, 1].
   */
  readonly range?: number | Interval | { readonly x: Interval; readonly y: Interval };
  /** Of the random directions. Default 0. */
  readonly seed?: number;
  /** Evaluated at every point: so many of `data`, evenly spread over it. Default 1000, or all where there are fewer. */
  readonly samples?: number;
  /** Default what the trainer trains on. */
  readonly data?: Dataset;
  /** Weights along a training, the first first: of {@link recordPath}, or as `readParameters` gave them. Needed for 'pca'. */
  readonly path?: WeightPath | readonly NamedWeights[];
  /** Where a line begins. Default where `path` does. */
  readonly from?: NamedWeights;
  /** Where a line ends. Default the trainer's weights. */
  readonly to?: NamedWeights;
  /**
   * Points that are evaluated in the same dispatches. Default as many as fit a budget of memory (256 MiB), and of time, so
   * that a submit takes about 0.1 s. The losses are the same, bit for bit.
   */
  readonly members?: number;
  /** Aborting throws the signal's reason after what was submitted, a fraction of a second of work. */
  readonly signal?: AbortSignal;
  /** Points that came back, of all. */
  onProgress?(done: number, total: number): void;
}

/** A point with what the loss is there. */
export interface PlanePoint {
  readonly x: number;
  readonly y: number;
  /** What `trainer.evaluate(landscape.data)` says of these weights, bit for bit. */
  readonly loss: number;
  /** Undefined for losses of values. */
  readonly accuracy: number | undefined;
}

/** A path on a plane. Entry i belongs to the path's i-th snapshot. */
export interface PlanePath {
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** From the snapshot to its place on the plane, in the weights: the contours are those of the plane, not of the snapshot. */
  readonly distance: Float64Array;
  /** Of the trainer; undefined for snapshots that came without. */
  readonly steps: readonly number[] | undefined;
}

/** The loss on a plane or a line through weights. Plain data. */
export interface Landscape {
  readonly plane: PlaneKind;
  /** Where the columns are. */
  readonly x: Float64Array;
  /** Where the rows are; a single 0 for a line. */
  readonly y: Float64Array;
  /** Mean loss over the samples, [rows, columns]: of (x[i], y[j]) at `j * x.length + i`. May be infinite or NaN far off. */
  readonly loss: Float32Array;
  /** Share of samples that are right, as `loss`; undefined for losses of values. */
  readonly accuracy: Float32Array | undefined;
  /** The weights that the plane goes through: evaluated by themselves, whether or not the grid has them. For a line its end, x = 1. */
  readonly centre: PlanePoint;
  /** Euclidean norms of the directions over all parameters: of a line one, the distance between its ends. */
  readonly norms: readonly number[];
  /** Of the angle between the directions; 0 for 'pca', undefined for a line. */
  readonly cosine: number | undefined;
  /** Of a random plane. */
  readonly seed: number | undefined;
  /** Of 'pca': what the axes have of the path's squared distances to θ*, Σ_t |θ_t - θ*|². */
  readonly share: readonly [number, number] | undefined;
  /** Where a path was given: how it runs on the plane, for a line along x. */
  readonly path: PlanePath | undefined;
  /** Of the trainer, when its weights were taken. */
  readonly step: number;
  /** What every point was evaluated on. */
  readonly data: Dataset;
  /** How it was computed: points in the same dispatches, and how often. */
  readonly members: number;
  readonly passes: number;
  /** What it is not. */
  readonly note: string;
}
