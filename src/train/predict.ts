import type { Scaling } from '../data/dataset.js';
import { unscaleOutputs } from '../data/scaling.js';
import type { Samples } from '../data/upload.js';
import { BufferSet, guarded } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkDevice, checkOptions, checkText } from '../gpu/fields.js';
import { checkNotLost } from '../gpu/lost.js';
import { buffersOf, type Model, tensorsOf } from '../nn/model.js';
import { arenaSpace } from '../space/arena.js';
import type { PlacedVector, TensorShape } from '../space/space.js';
import { writeTensor } from '../space/vectors.js';
import { type ModelTensor, readModel, type SavedModel } from './checkpoint-file.js';
import type { Trained } from './evaluate.js';
import { samplesEvaluator } from './evaluate-stream.js';
import type { KeptTensor } from './objective.js';
import { checkSamples } from './options.js';
import { transposed } from './saved-tensor.js';

/** What a network can be asked about: raw values, row by row, or samples that bring their own scale. */
export type Askable = Float32Array | Uint8Array | Samples;

/**
 * Samples to predict for. Raw values are scaled as the training data.
 *
 * @throws DownhillError OPTION-TYPE, DATA-MISMATCH, SHAPE-MISMATCH
 */
export function samplesOf(
  model: Model,
  { scale, shift }: { readonly scale: Scaling; readonly shift: Scaling },
  x: Askable,
): Samples {
  const { input } = model;
  const raw = x instanceof Float32Array || x instanceof Uint8Array;
  if (!raw && typeof (x as Samples | null)?.samples !== 'number') {
    throw new DownhillError(
      'OPTION-TYPE',
      `predict needs samples, got ${show(x)}.`,
      'Pass a Float32Array or Uint8Array of raw values, or a data set.',
    );
  }
  if (raw && (x.length === 0 || x.length % input !== 0)) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `predict got ${x.length} values; a sample has ${input}.`,
      'Pass whole samples, at least one, row by row.',
    );
  }
  const samples = raw ? { samples: x.length / input, features: input, x, scale, shift } : x;
  checkSamples(model, samples);
  return samples;
}

/** A trained network on a device, ready to be asked. Made by {@link createPredictor}. */
export interface Predictor {
  /** What it was made of: model, scaling, names of classes and columns. */
  readonly saved: SavedModel;
  /**
   * What the network says of samples.
   *
   * @param x raw values as in the training data, row by row (scaled as those were), or samples that bring their own scale
   * @returns [samples, outputs], row-major: probabilities where the loss has them, else the outputs, in the units that the
   *   targets had
   * @throws DownhillError SHAPE-MISMATCH, DATA-MISMATCH, OPTION-TYPE, LIMIT-BINDING, DEVICE-LOST, RUN-DESTROYED
   */
  predict(x: Askable): Promise<Float32Array>;
  /** Frees what it made; the device is the caller's. */
  destroy(): void;
}

/**
 * A saved network, to predict with: no data set, no trainer.
 *
 * @param device adopted, never destroyed
 * @param saved the bytes of a checkpoint or of a model.safetensors, or what {@link readModel} made of them
 * @example
 * const predictor = await createPredictor(device, await readFile('runs/7/model.safetensors'));
 * const probabilities = await predictor.predict(pixels);
 * @throws DownhillError CHECKPOINT-*, as `readModel`; LIMIT-BINDING, GPU-OUT-OF-MEMORY, DEVICE-LOST, OPTION-*
 */
export async function createPredictor(
  device: GPUDevice,
  saved: Uint8Array | SavedModel,
  options: { readonly label?: string } = {},
): Promise<Predictor> {
  checkDevice('createPredictor', device);
  checkOptions('createPredictor', options, ['label']);
  const label = checkText('label', options.label ?? 'predict');
  const read = saved instanceof Uint8Array ? readModel(saved) : saved;
  if (read?.model?.kind !== 'model' || !(read.tensors instanceof Map)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `createPredictor needs a saved model, got ${show(saved)}.`,
      'Pass the bytes of a file, or readModel(bytes).',
    );
  }
  await checkNotLost(device);
  const buffers = new BufferSet(device, label);
  try {
    const trained = await guarded(device, label, () => place(buffers, read));
    return new SavedPredictor(buffers, trained, read);
  } catch (error) {
    buffers.destroy();
    throw error;
  }
}

/** The tensors of a saved model in arenas of their own. */
function place(buffers: BufferSet, { model, tensors, statistics }: SavedModel): Trained {
  const { device, label } = buffers;
  const maxBytes = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const write = (
    name: string,
    list: readonly (TensorShape & Pick<KeptTensor, 'dtype'>)[],
    from: ReadonlyMap<string, ModelTensor>,
  ): PlacedVector => {
    const space = arenaSpace(list, { maxBytes });
    const vector = space.vector(buffers, name);
    for (const { name: tensor, dtype } of list) {
      const { shape, values } = from.get(tensor)!;
      const own = dtype === 'u32' ? new Float32Array(Uint32Array.from(values).buffer) : transposed(values, shape);
      writeTensor(device, space, vector, tensor, own);
    }
    return { space, vector };
  };
  const { space, vector: params } = write('parameters', tensorsOf(model), tensors);
  return { label, model, space, params, statistics: write('statistics', buffersOf(model), statistics) };
}

class SavedPredictor implements Predictor {
  #destroyed = false;

  constructor(
    readonly buffers: BufferSet,
    readonly trained: Trained,
    readonly saved: SavedModel,
  ) {}

  async predict(x: Askable): Promise<Float32Array> {
    this.#checkAlive();
    const { model, scaling, targets } = this.saved;
    const evaluator = await samplesEvaluator(this.buffers.device, this.trained, samplesOf(model, scaling, x));
    try {
      this.#checkAlive();
      const outputs = await evaluator.predict();
      return targets.kind === 'values' ? unscaleOutputs(outputs, targets) : outputs;
    } finally {
      evaluator.destroy();
    }
  }

  destroy(): void {
    this.#destroyed = true;
    this.buffers.destroy();
  }

  #checkAlive(): void {
    if (!this.#destroyed) return;
    throw new DownhillError('RUN-DESTROYED', 'This predictor was destroyed.', 'Make a new one with createPredictor.');
  }
}
