import { DownhillError, jsonOf, show } from '../gpu/errors.js';
import { checkChoice, checkOptions } from '../gpu/fields.js';
import { CONTROL_BYTES, readControls } from '../kernels/judge.js';
import { buffersOf, type Model, tensorsOf } from '../nn/model.js';
import { modelFromJson } from '../nn/model-json.js';
import type { TensorShape } from '../space/space.js';
import type { Json } from '../space/stateful.js';
import { readData, type SavedData } from './data-json.js';
import { type SafeTensor, toFloats, toIntegers } from './dtypes.js';
import type { KeptTensor } from './objective.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';
import { savedShape, transposed } from './saved-tensor.js';
import { VERSION } from './version.js';
import type { Weights } from './weights.js';

/*
 * What a checkpoint is: a safetensors file. Its tensors go by PyTorch's names and lie as PyTorch has them: '0.weight'
 * [out, in], '1.running_mean'; state of the optimizer and of other parts by the part's name in front:
 * 'optimizer.exp_avg.0.weight' [out, in], 'data.stream'. Its metadata are texts, each JSON:
 *
 *   downhill        { format, version, kind: 'model' | 'checkpoint', step }
 *   downhill.model  the model: layers and loss by name, with their settings
 *   downhill.data   scaling, names of classes and columns: what a prediction needs
 *   downhill.state  of a checkpoint: what each part of the training knows beside its tensors; the plan
 */

/** Of this file's form: grows when an older release could not read it. */
const FORMAT = 1;

/** What stands in the metadata. */
export interface SavedTexts {
  readonly model: Json;
  readonly data: Json;
  /** Of a checkpoint that training goes on from. */
  readonly state?: Json;
}

/** A file of ours, taken apart; nothing of it is checked against a model yet. */
export interface SavedFile extends SavedTexts {
  readonly version: string;
  /** Steps done when it was saved. */
  readonly step: number;
  readonly tensors: ReadonlyMap<string, SafeTensor>;
}

export function encodeFile(
  step: number,
  tensors: ReadonlyMap<string, SafeTensor>,
  { model, data, state }: SavedTexts,
): Uint8Array<ArrayBuffer> {
  const kind = state === undefined ? 'model' : 'checkpoint';
  return encodeSafetensors(tensors, {
    // What PyTorch's own reader asks for.
    format: 'pt',
    downhill: JSON.stringify({ format: FORMAT, version: VERSION, kind, step }),
    'downhill.model': JSON.stringify(model),
    'downhill.data': JSON.stringify(data),
    ...(state !== undefined && { 'downhill.state': JSON.stringify(state) }),
  });
}

/** Takes a file apart; undefined for one that another program wrote. @throws DownhillError CHECKPOINT-* */
export function decodeFile(
  bytes: Uint8Array,
): (SavedFile & { readonly foreign?: never }) | { readonly foreign: ReadonlyMap<string, SafeTensor> } {
  const { tensors, metadata } = decodeSafetensors(bytes);
  if (!metadata.has('downhill')) return { foreign: tensors };
  const { format, version, step } = (parse(metadata, 'downhill') ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof format === 'number' && Number.isInteger(format) && format > FORMAT) {
    throw new DownhillError(
      'CHECKPOINT-VERSION',
      `The file has the format ${format}, of downhill ${show(version)}; this release, ${VERSION}, reads ${FORMAT}.`,
      'Update downhill.',
    );
  }
  if (format !== FORMAT || typeof version !== 'string') throw damaged(`the format ${show(format)}`);
  if (!Number.isSafeInteger(step) || (step as number) < 0) throw damaged(`the step ${show(step)}`);
  return {
    version,
    step: step as number,
    tensors,
    model: parse(metadata, 'downhill.model'),
    data: parse(metadata, 'downhill.data'),
    ...(metadata.has('downhill.state') && { state: parse(metadata, 'downhill.state') }),
  };
}

export const damaged = (what: string, cause?: unknown) =>
  new DownhillError('CHECKPOINT-CORRUPT', `The file has ${what}.`, 'Use a file that downhill wrote.', cause);

function parse(metadata: ReadonlyMap<string, string>, key: string): Json {
  let json: Json;
  try {
    json = JSON.parse(metadata.get(key)!) as Json;
  } catch (cause) {
    throw damaged(`no JSON in its metadata ${show(key)}`, cause);
  }
  // What reads it goes down as deep as it goes.
  if (jsonOf(json) === undefined) throw damaged(`lists in lists, thousands deep, in its metadata ${show(key)}`);
  return json;
}

/** In front of the names of other weights than those in training, and of what layers keep with them: parts of a program. */
const PREFIXES: Readonly<Record<Weights, readonly [string, string]>> = {
  current: ['', ''],
  average: ['average.', ''],
  best: ['validation.best.', 'validation.best-statistics.'],
};

/** Options of {@link readModel}. */
export interface ReadOptions {
  readonly weights?: Weights;
}

/** A tensor of a model in host memory. */
export interface ModelTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/** A model with its weights and all that a prediction needs, without a device. Made by {@link readModel}. */
export interface SavedModel extends SavedData {
  readonly model: Model;
  /** Steps of the training when it was saved: the best weights may be of an earlier one. */
  readonly step: number;
  /** The release that wrote the file. */
  readonly version: string;
  /** What was trained, by PyTorch's names ('0.weight', '0.bias' …) and in its layout: weights are [out, in]. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  /** What layers keep beside that: '1.running_mean' … */
  readonly statistics: ReadonlyMap<string, ModelTensor>;
}

/** A tensor of a shape. @throws DownhillError CHECKPOINT-MISMATCH where it is missing or has another one */
function findTensor(tensors: ReadonlyMap<string, SafeTensor>, name: string, shape: readonly number[]): SafeTensor {
  const tensor = tensors.get(name);
  const say = (list: readonly number[]) => `[${list.join(', ')}]`;
  if (!tensor) {
    throw mismatch(
      `The file has no tensor ${show(name)}, of shape ${say(shape)}.`,
      `It has ${[...tensors.keys()].slice(0, 12).map(show).join(', ')}${tensors.size > 12 ? ' …' : ''}: use the model that it is of.`,
    );
  }
  if (say(tensor.shape) === say(shape)) return tensor;
  throw mismatch(
    `Tensor ${show(name)} of the file has the shape ${say(tensor.shape)}, the model needs ${say(shape)}.`,
    'Use the model that the file is of; weights are [out, in] in a file.',
  );
}

/** The values of a tensor of a shape, all of them finite. @throws DownhillError CHECKPOINT-MISMATCH */
function finiteFloats(tensors: ReadonlyMap<string, SafeTensor>, name: string, shape: readonly number[]) {
  const values = toFloats(name, findTensor(tensors, name, shape));
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return values;
  throw mismatch(`Element ${bad} of tensor ${show(name)} in the file is ${values[bad]}.`, 'Use an earlier checkpoint.');
}

/** Counters, which a file has as I64. @throws DownhillError CHECKPOINT-MISMATCH */
function countersIn(tensors: ReadonlyMap<string, SafeTensor>, name: string, shape: readonly number[]) {
  const values = toIntegers(name, findTensor(tensors, name, shape));
  if (values.every((value) => value >= 0 && value < 2 ** 32)) return Uint32Array.from(values);
  throw mismatch(`The counter ${show(name)} in the file is ${show(values)}.`, 'Use an earlier checkpoint.');
}

/**
 * What a tensor of a file has on the GPU: its floats, turned over where it is a matrix, or the bits of its counters.
 *
 * @param shape as it is on the GPU
 * @throws DownhillError CHECKPOINT-MISMATCH where it is missing, has another shape or dtype, or a value that is not finite
 */
export const deviceValues = (
  tensors: ReadonlyMap<string, SafeTensor>,
  name: string,
  shape: readonly number[],
  dtype: KeptTensor['dtype'] = 'f32',
): Float32Array<ArrayBuffer> =>
  dtype === 'u32'
    ? new Float32Array(countersIn(tensors, name, shape).buffer)
    : transposed(finiteFloats(tensors, name, savedShape(shape)), savedShape(shape));

export const mismatch = (message: string, fix: string) => new DownhillError('CHECKPOINT-MISMATCH', message, fix);

/** Before the first validation the best weights are memory that nobody wrote. @throws DownhillError CHECKPOINT-MISMATCH */
function checkBest(tensors: ReadonlyMap<string, SafeTensor>): void {
  const control = tensors.get('validation.control');
  if (control?.bytes.byteLength !== CONTROL_BYTES || readControls(control.bytes.slice().buffer)[0]!.best_step > 0)
    return;
  throw mismatch(
    'The file has no best weights: it was saved before the first validation.',
    'Use other weights, or a later file.',
  );
}

/**
 * The model in a file of ours, with its weights and what it must know of its data: to predict with, or to convert. Needs
 * no device.
 *
 * @param bytes of `trainer.checkpoint()`, or of a run's model.safetensors
 * @param options `weights`: of a checkpoint, default the average where one was kept
 * @example
 * const { model, tensors, scaling, labels } = readModel(await readFile('runs/7/model.safetensors'));
 * @throws DownhillError CHECKPOINT-CORRUPT, with the byte or the tensor; CHECKPOINT-VERSION for a file of a newer release;
 *   CHECKPOINT-MISMATCH where tensors are missing or do not fit the model, and for files of other programs.
 */
export function readModel(bytes: Uint8Array, options: ReadOptions = {}): SavedModel {
  checkOptions('readModel', options, ['weights']);
  const file = decodeFile(bytes);
  if (file.foreign) {
    throw mismatch(
      'The file holds tensors, but no model: another program wrote it.',
      'Make a trainer with its model, and import the weights: trainer.importWeights(bytes).',
    );
  }
  const model = modelFromJson(file.model);
  const read = (list: readonly (TensorShape & Pick<KeptTensor, 'dtype'>)[], prefix = '') =>
    new Map(
      list.map(({ name, shape: own, dtype }): [string, ModelTensor] => {
        const shape = savedShape(own);
        const find = dtype === 'u32' ? countersIn : finiteFloats;
        return [name, { shape, values: Float32Array.from(find(file.tensors, prefix + name, shape)) }];
      }),
    );
  const tensors = tensorsOf(model);
  const averaged = file.tensors.has(PREFIXES.average[0] + tensors[0]!.name);
  const weights = options.weights ?? (averaged ? 'average' : 'current');
  const [own, kept] = PREFIXES[checkChoice('weights', weights, Object.keys(PREFIXES) as Weights[])];
  if (weights === 'best') checkBest(file.tensors);
  const data = readData(file.data);
  if (data.features !== model.input || data.targets.width !== model.output) throw damaged('data of another width');
  const { step, version } = file;
  return {
    ...data,
    model,
    step,
    version,
    tensors: read(tensors, own),
    statistics: read(buffersOf(model), kept),
  };
}
