import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkNumber, checkOptions, checkText } from '../gpu/fields.js';
import { checkWidth, type Layer, type LayerBuffer, type LayerTensor, resolveSettings } from './layer.js';
import type { LossFunction, LossRow } from './loss.js';
import { softmaxCrossEntropy } from './losses.js';

/**
 * Distributions of the initial weights (src/nn/init.ts), and the square of the gain that each has by itself; undefined where
 * there is none to choose.
 */
export const OWN_GAIN_SQUARED = {
  'he-normal': 2,
  'he-uniform': 2,
  'xavier-normal': 1,
  'xavier-uniform': 1,
  'lecun-normal': 1,
  orthogonal: 1,
  pytorch: undefined,
  zeros: undefined,
} as const;
export type Init = keyof typeof OWN_GAIN_SQUARED;
export const INITS = Object.keys(OWN_GAIN_SQUARED) as readonly Init[];

/**
 * Factor of the initial weights: a number, or 'auto' for that of the activation behind each layer, PyTorch's `calculate_gain`:
 * identity and sigmoid 1, relu √2, leaky relu √(2/(1 + slope²)), tanh 5/3; where PyTorch has none the factor for which a standard
 * normal input keeps its mean square, as √2 does for relu: elu 1.25, gelu 1.53, silu 1.68, softplus 1.04.
 */
export type Gain = number | 'auto';

/** Options of {@link sequential}. */
export interface SequentialOptions {
  /** Width of a sample. */
  readonly input: number;
  /** From input to output: `linear(100)`, `relu()` … */
  readonly layers: readonly Layer[];
  /** Default `softmaxCrossEntropy()`. */
  readonly loss?: LossFunction;
  /** Distribution of the initial weights; biases start at 0 ('pytorch': both uniform in ±1/√fan_in). Default 'he-normal'. */
  readonly init?: Init;
  /** Of the initial weights. Default √2 for 'he-normal' and 'he-uniform', 1 for others; 'pytorch' and 'zeros' have none. */
  readonly gain?: Gain;
}

/** A layer in its place. */
export interface ModelLayer extends Layer {
  readonly input: number;
  readonly output: number;
  readonly tensors: readonly TensorSpec[];
  readonly buffers: readonly BufferSpec[];
}

/** One tensor of a network. */
export interface TensorSpec extends LayerTensor {
  /** PyTorch's name in a Sequential: '0.weight', '0.bias', '2.weight' … Weights are [in, out] on the GPU. */
  readonly name: string;
  /** Its layer's place in `layers`. */
  readonly layer: number;
}

/** What one layer keeps beside its tensors. */
export interface BufferSpec extends LayerBuffer {
  /** PyTorch's name in a Sequential: '1.running_mean'. */
  readonly name: string;
}

/** A network, as plain data: what is computed, not where. */
export interface Model {
  readonly kind: 'model';
  readonly input: number;
  /** Width of the last layer. */
  readonly output: number;
  readonly layers: readonly ModelLayer[];
  readonly loss: LossFunction;
  readonly init: Init;
  /** Undefined for the init's own. */
  readonly gain?: Gain;
}

/**
 * Describes a network of layers, one after another, as torch.nn.Sequential.
 *
 * @example sequential({ input: 784, layers: [linear(100), relu(), linear(10)], loss: softmaxCrossEntropy() })
 * @throws DownhillError SHAPE-INVALID for a width that is not a positive integer, for no layers and for none that can be
 *   trained; OPTION-* for the rest, with the place of the layer.
 */
export function sequential(options: SequentialOptions): Model {
  checkOptions('sequential', options, ['input', 'layers', 'loss', 'init', 'gain']);
  const { layers, loss = softmaxCrossEntropy() } = options;
  const input = checkWidth('sequential: input', options.input);
  if (!Array.isArray(layers) || layers.length === 0) {
    throw new DownhillError(
      'SHAPE-INVALID',
      `sequential: layers must be a list of layers, got ${show(layers)}.`,
      'Pass layers such as [linear(100), relu(), linear(10)].',
    );
  }
  let width = input;
  // Not `map` of the list itself, which leaves out its holes.
  const placed = Array.from(layers as readonly Layer[], (layer, i) => {
    const made = place(layer, i, width);
    width = made.output;
    return made;
  });
  if (!placed.some(({ tensors }) => tensors.length > 0)) {
    throw new DownhillError(
      'SHAPE-INVALID',
      `sequential: none of the ${placed.length} layers has anything to train.`,
      'Add a layer with parameters, such as linear(10).',
    );
  }
  checkRow('sequential: loss', loss, ['ops'], 'softmaxCrossEntropy()', 'mse() is a loss, mse makes one');
  const settings = settingsOf('sequential: loss', loss);
  (loss.row as LossRow).check?.(width, settings);
  return Object.freeze({
    kind: 'model',
    input,
    output: width,
    layers: Object.freeze(placed),
    loss: Object.freeze({ row: loss.row, settings }),
    ...checkInit(options),
  });
}

function checkInit({ init = 'he-normal', gain }: Pick<SequentialOptions, 'init' | 'gain'>) {
  checkChoice('init', init, INITS);
  if (gain === undefined) return { init };
  if (OWN_GAIN_SQUARED[init] === undefined) {
    throw new DownhillError(
      'OPTION-RANGE',
      `The init ${init} has no gain.`,
      "Leave gain out, or use 'xavier-uniform'.",
    );
  }
  if (gain !== 'auto') checkNumber('gain', gain, { above: 0 }, { single: true });
  return { init, gain };
}

function place(layer: Layer, index: number, input: number): ModelLayer {
  checkRow(
    `layers[${index}]`,
    layer,
    ['output', 'tensors', 'forward', 'backward'],
    'linear(100)',
    'relu() is a layer, relu makes one',
  );
  const { row } = layer;
  const where = `layers[${index}] (${row.name})`;
  const settings = settingsOf(where, layer);
  const named = <T extends { readonly name: string }>(own: readonly T[]) =>
    Object.freeze(own.map((each) => Object.freeze({ ...each, name: `${index}.${each.name}`, layer: index })));
  return Object.freeze({
    row,
    settings,
    input,
    output: checkWidth(`${where}: its width`, row.output(input, settings, where)),
    tensors: named<LayerTensor>(checkTensors(where, row.tensors(input, settings))),
    buffers: named<LayerBuffer>(checkTensors(where, row.buffers?.(input, settings) ?? [])),
  });
}

/** Tensors a GPU addresses in 32 bits. */
const MAX_ELEMENTS = 2 ** 32 - 1;

/** What a row says of its tensors is taken as it is from here on: one of NaN elements would end the process. */
function checkTensors<T extends LayerTensor | LayerBuffer>(where: string, tensors: readonly T[]): readonly T[] {
  if (!Array.isArray(tensors)) {
    throw new DownhillError('OPTION-TYPE', `${where}: its tensors are ${show(tensors)}.`, 'Let the row give a list.');
  }
  for (const { name, shape } of tensors) {
    checkText(`${where}: the name of a tensor`, name);
    // Holes of a sparse list count as what they read as: undefined.
    const sizes: unknown[] = Array.isArray(shape) ? [...shape] : [undefined];
    const elements = sizes.every((size) => Number.isInteger(size) && (size as number) > 0)
      ? (sizes as number[]).reduce((product, size) => product * size, 1)
      : Number.NaN;
    if (elements <= MAX_ELEMENTS) continue;
    throw new DownhillError(
      'SHAPE-INVALID',
      `${where}: its tensor ${show(name)} has the shape ${show(shape)}.`,
      `Give positive whole sizes, of at most ${MAX_ELEMENTS} elements together.`,
    );
  }
  return tensors;
}

/**
 * A layer or loss may have been made by hand: it must be one, and its settings in their ranges.
 *
 * @param call what a function in its place stands for
 */
function checkRow(where: string, made: unknown, methods: readonly string[], example: string, call: string): void {
  const row = (made as { readonly row?: Readonly<Record<string, unknown>> } | undefined)?.row;
  const whole = methods.every((method) => typeof row?.[method] === 'function');
  if (typeof made === 'object' && whole && typeof row?.fields === 'object' && row.fields !== null) return;
  throw new DownhillError(
    'OPTION-TYPE',
    `${where} is missing or of the wrong kind, got ${show(made)}.`,
    typeof made === 'function' ? `Call it: ${call}.` : `Pass one such as ${example}.`,
  );
}

const settingsOf = (where: string, { row, settings = {} }: Layer | LossFunction) => {
  if (typeof settings !== 'object' || settings === null)
    throw new DownhillError(
      'OPTION-TYPE',
      `${where}: settings must be an object, got ${show(settings)}.`,
      'Leave settings out for the defaults.',
    );
  const own = Object.fromEntries(Object.keys(row.fields).map((key) => [key, settings[key]]));
  return Object.freeze({ ...settings, ...resolveSettings(where, row.fields, own) });
};

/**
 * A model that came from outside: checked again, since it is plain data that anybody can make or change.
 *
 * @throws DownhillError as {@link sequential}, and OPTION-TYPE for what is no model
 */
export function checkModel(where: string, model: Model): Model {
  if (model?.kind !== 'model') throw noModel(where);
  const { input, layers, loss, init, gain } = model;
  return sequential({ input, layers, loss, init, ...(gain !== undefined && { gain }) });
}

const noModel = (where: string) =>
  new DownhillError(
    'OPTION-TYPE',
    `${where}: model is missing or of the wrong kind.`,
    'Pass model: mlp({ sizes: [784, 100, 10] }).',
  );

/** Of what is only looked at. @throws DownhillError OPTION-TYPE for what has no layers */
export function checkLayers(where: string, model: Model): void {
  if (model?.kind !== 'model' || !Array.isArray(model.layers)) throw noModel(where);
}

/** The tensors of a network in PyTorch's order: weight and bias of each layer. @throws DownhillError OPTION-TYPE */
export function tensorsOf(model: Model): TensorSpec[] {
  checkLayers('tensorsOf', model);
  return model.layers.flatMap(({ tensors }) => tensors);
}

/** What its layers keep beside their tensors, in order. */
export const buffersOf = (model: Model): BufferSpec[] => model.layers.flatMap(({ buffers }) => buffers);
