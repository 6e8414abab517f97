import type { BufferRange } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkField, checkNumber, checkOptions, type Field, type Fields, type ListField } from '../gpu/fields.js';
import type { Piece } from '../kernels/dense.js';
import type { DenseBatch } from '../kernels/matrix.js';
import type { Op } from '../kernels/op.js';

/*
 * What a layer is: one row per layer (src/nn/layers), from which everything that reads layers is derived. A layer of a
 * model is its row with its settings: plain data.
 */

export type Settings = Readonly<Record<string, unknown>>;
/** Options of a layer or loss; a number is never a schedule. */
export type SettingFields = Readonly<Record<string, Field | ListField>>;

/** A tensor that a layer trains. */
export interface LayerTensor {
  /** 'weight', 'bias': PyTorch's name within the module. */
  readonly name: string;
  readonly shape: readonly number[];
  /** How it is filled: by the model's `init`, as weights or as biases. */
  readonly role: 'weight' | 'bias';
  /** What all its elements start at instead, whatever the model's `init`: the weight of a norm is 1, its bias 0. */
  readonly initial?: number;
}

/** A tensor that a layer keeps and does not train, such as a running mean: PyTorch's buffer, saved with the model. */
export interface LayerBuffer {
  /** 'running_mean': PyTorch's name within the module. */
  readonly name: string;
  readonly shape: readonly number[];
  /** What its elements start at. */
  readonly initial: number;
  /** What its 32 bits are. Default 'f32'. */
  readonly dtype?: 'f32' | 'u32';
}

/** What a layer computes with, for one batch; every range holds all replicas, one after another. */
export interface LayerBinding<S = Settings> {
  readonly settings: S;
  /** Its place among the model's layers: keeps random numbers of one layer apart from another's. */
  readonly place: number;
  /** Layers such as batch norm and dropout compute otherwise in training. */
  readonly mode: 'train' | 'evaluate';
  /** Width of its input. */
  readonly input: number;
  /** Width of its output. */
  readonly output: number;
  readonly rows: number;
  readonly replicas: number;
  /** Whether `backward` comes after. */
  readonly train: boolean;
  /** The label of one of its passes. */
  label(pass: string): string;
  /** [rows, rowStride(input)], or the data set when `batch` is given. */
  readonly x: BufferRange;
  readonly batch?: DenseBatch | undefined;
  /** [rows, rowStride(output)], written. */
  readonly y: BufferRange;
  /** Per replica step, valid rows, epoch and seed (shaders/data/account.wgsl). */
  readonly stream: BufferRange;
  /** Where one of its tensors lies. */
  param(name: string): readonly Piece[];
  /** Where one of its buffers lies. */
  buffer(name: string): readonly Piece[];
  /** Memory of its own for the batch, from `forward` to `commit`: the same for the same name. */
  scratch(name: string, bytes: number): BufferRange;
}

export interface LayerGradients<S = Settings> extends LayerBinding<S> {
  /** The gradient at y. */
  readonly dy: BufferRange;
  /** The gradient at x, written; absent where nothing below is trained. */
  readonly dx?: BufferRange | undefined;
  /** Where the gradient of one of its tensors goes. */
  grad(name: string): readonly Piece[];
}

/** What a layer has once the step is decided. */
export interface LayerCommit<S = Settings> extends LayerBinding<S> {
  /** The optimizer's clocks, after `advance`: `fate` says whether the step counts. */
  readonly clock: BufferRange;
}

/**
 * What a layer has for the product of the Hessian with a vector: R M is the derivative of a matrix M of the batch along the
 * vector, a direction of the parameters. Of the batch, every x, y and dy is there.
 */
export interface LayerProduct<S = Settings> extends LayerGradients<S> {
  /** R x; absent where that is 0, below the first layer that is trained. */
  readonly rx?: BufferRange | undefined;
  /** R y, which `tangent` writes. */
  readonly ry: BufferRange;
  /** R dy. */
  readonly rdy: BufferRange;
  /** R dx, which `product` writes; absent where nothing below is trained. */
  readonly rdx?: BufferRange | undefined;
  /** The direction's share of one of its tensors. */
  direction(name: string): readonly Piece[];
  /** R of the gradient of one of its tensors is the sum of what goes to `grad` and what goes here; this starts at 0. */
  part(name: string): readonly Piece[];
  /** The Gauss-Newton matrix instead of the Hessian: without all terms that have dy. */
  readonly gaussNewton: boolean;
}

/** Pearlmutter's R-operator: what the passes of a layer are when the parameters move along a direction. */
export interface LayerCurvature<S = Settings> {
  /** R y. */
  tangent(binding: LayerProduct<S>): readonly Op[];
  /** R of the gradients of its tensors, and R dx. */
  product(binding: LayerProduct<S>): readonly Op[];
}

/** One kind of layer. */
export interface LayerRow<S = Settings> {
  readonly name: string;
  /** For pages and tables: 'Batch normalisation'. */
  readonly title: string;
  /** Its options, but those that have no default. */
  readonly fields: Fields;
  /** The names of those. */
  readonly given?: readonly string[];
  /**
   * The width of its output.
   *
   * @param where what to call the layer in messages
   * @throws DownhillError SHAPE-* where the input does not fit the settings, or these make no layer.
   */
  output(input: number, settings: S, where: string): number;
  tensors(input: number, settings: S): readonly LayerTensor[];
  /** Draws random numbers anew in each step of training. Default false. */
  readonly random?: boolean;
  /** Fewest rows that a batch must have in training. Default 1. */
  readonly fewestRows?: number;
  /**
   * Of an activation: the factor by which initial weights in front of it are larger, to make up for what it does to the size
   * of numbers. PyTorch's `calculate_gain` where that has one.
   */
  gain?(settings: S): number;
  /** What it keeps beside them. */
  buffers?(input: number, settings: S): readonly LayerBuffer[];
  forward(binding: LayerBinding<S>): readonly Op[];
  /** The gradients of its tensors, and at its input. */
  backward(binding: LayerGradients<S>): readonly Op[];
  /** Products with second derivatives; or why there are none ('it draws random numbers'). */
  readonly curvature?: LayerCurvature<S> | string;
  /** Changes its buffers, after the update: only here, so that a step which does not count leaves nothing behind. */
  commit?(binding: LayerCommit<S>): readonly Op[];
}

/** A layer as a model lists it. Made by `linear(100)`, `relu()` …; plain data. */
export interface Layer {
  readonly row: LayerRow;
  readonly settings: Settings;
}

/** A factory of layers or losses whose options all have defaults: `relu()`. */
export interface Factory<R, O = Settings> {
  (options?: O): { readonly row: R; readonly settings: Settings };
  readonly row: R;
}

/** Every field of a row with its checked value. @throws DownhillError OPTION-* */
export function resolveSettings(where: string, fields: SettingFields, options: unknown): Settings {
  checkOptions(where, options, Object.keys(fields));
  const given = options as Settings;
  return Object.fromEntries(
    Object.entries(fields).map(([key, field]) => {
      // Only undefined means the default: PyTorch's momentum=None, say, is not 0.1.
      const [name, value] = [`${where}: ${key}`, given[key] === undefined ? field.default : given[key]];
      if (field.kind === 'number') return [key, checkNumber(name, value, field, { single: true })];
      return [key, checkField(name, field, value, 'OPTION')];
    }),
  );
}

/** The factory of a row without options that must be given. */
export function factoryOf<R extends { readonly name: string; readonly fields: SettingFields }, O = Settings>(
  row: R,
): Factory<R, O> {
  const make = (options?: O) =>
    Object.freeze({
      row,
      settings: Object.freeze(resolveSettings(row.name, row.fields, options === undefined ? {} : options)),
    });
  return Object.assign(make, { row });
}

/** Widest layer: a row of weights stays addressable in 32 bits. */
const MAX_WIDTH = 2 ** 24;

/** Checks the width of a layer or an input. */
export function checkWidth(where: string, width: unknown): number {
  if (typeof width === 'number' && Number.isInteger(width) && width >= 1 && width <= MAX_WIDTH) return width;
  throw new DownhillError(
    'SHAPE-INVALID',
    `${where} must be an integer from 1 to ${MAX_WIDTH}, got ${show(width)}.`,
    'Give every layer a positive whole width.',
  );
}
