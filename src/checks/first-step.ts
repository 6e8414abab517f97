import type { Dataset } from '../data/dataset.js';
import { scaleRows } from '../data/scaling.js';
import { type DataSource, rowsOf } from '../data/source.js';
import { kindOf } from '../data/targets.js';
import { Uploads } from '../data/upload.js';
import { DownhillError } from '../gpu/errors.js';
import { checkInteger } from '../gpu/fields.js';
import { checkNotLost } from '../gpu/lost.js';
import { checkModel, type Model } from '../nn/model.js';
import { sgd } from '../optim/rules/sgd.js';
import { type ReferenceLossOf, referenceLayers, referenceLosses } from '../reference/index.js';
import { readTensors } from '../space/vectors.js';
import { networkObjective } from '../train/objective.js';
import { checkData, checkTrainerOptions } from '../train/options.js';
import { Program } from '../train/program.js';

/* One batch, the first samples of the data in their order, as the GPU and as the float64 reference see it. */

/** Options that all checks have. */
export interface CheckOptions {
  readonly model: Model;
  /** Of a source the rows are read. */
  readonly data: Dataset;
  /** Of the initial weights, and of what layers draw. Default 0. */
  readonly seed?: number;
}

/**
 * Model and data, checked, and the first samples.
 *
 * @param most rows by default, where there are as many
 * @throws DownhillError OPTION-*, SHAPE-MISMATCH, DATA-*
 */
export async function firstRows(
  where: string,
  options: CheckOptions,
  rows: number | undefined,
  most: number,
): Promise<{ readonly model: Model; readonly data: Dataset }> {
  const model = checkModel(where, options.model);
  checkData(model, options.data);
  const { samples } = options.data;
  const count = checkInteger('rows', rows ?? Math.min(most, samples), 1, samples);
  const indices = Uint32Array.from({ length: count }, (_, i) => i);
  const read = (await rowsOf(options.data, indices)) as Dataset & Partial<DataSource>;
  const { read: _source, ...data } = read; // what a source gave is in memory now
  return { model, data };
}

/** Inputs and targets as the network sees them. */
export function seenBy(data: Dataset): { readonly x: Float64Array; readonly y: Float64Array } {
  const x = new Float32Array(data.x.length);
  scaleRows(data.x, data.features, data, x);
  return { x: Float64Array.from(x), y: Float64Array.from(kindOf(data.targets).upload(data.targets)) };
}

/**
 * The float64 loss of a model: mean over rows of outputs [rows, width].
 *
 * @throws DownhillError OPTION-RANGE for one of the caller's own
 */
export function referenceLossOf(where: string, { loss, output }: Model, { targets }: Dataset) {
  const of = (referenceLosses as Readonly<Record<string, ReferenceLossOf>>)[loss.row.name];
  if (!of) throw unknown(where, `the loss ${loss.row.name}`);
  const { rows } = of(loss.settings, targets.kind);
  return (outputs: Float64Array, y: Float64Array): number => {
    const losses = new Float64Array(outputs.length / output);
    rows(outputs, y, output, losses, new Float64Array(outputs.length));
    return losses.reduce((sum, each) => sum + each, 0) / losses.length;
  };
}

/** @throws DownhillError OPTION-RANGE for a layer of the caller's own */
export function checkKnown(where: string, { layers }: Model): void {
  const own = layers.find(({ row }) => !Object.hasOwn(referenceLayers, row.name));
  if (own) throw unknown(where, `the layer ${own.row.name}`);
}

const unknown = (where: string, what: string) =>
  new DownhillError(
    'OPTION-RANGE',
    `${where}: there is no float64 reference of ${what}.`,
    'Check a network of the layers and losses of the library.',
  );

/**
 * The loss of the first step, and its gradient by each tensor: of the very passes that train, at a rate of 0.
 *
 * @throws DownhillError as createTrainer
 */
export async function firstStep(
  device: GPUDevice,
  label: string,
  model: Model,
  data: Dataset,
  seed?: number,
): Promise<{ readonly loss: number; readonly gradients: ReadonlyMap<string, Float32Array>; readonly seed: number }> {
  // A step whose gradient is not finite is left out, and the gradient stays there to be looked at.
  const still = { rule: sgd({ lr: 0 }), skipNonFinite: true, label, ...(seed !== undefined && { seed }) };
  const batch = { batchSize: data.samples, sampling: 'sequential' } as const;
  const checked = checkTrainerOptions(device, { model, data, ...batch, ...still });
  await checkNotLost(device);
  const uploads = new Uploads(device, label);
  let program: Program | undefined;
  try {
    const objective = networkObjective({ ...checked, uploads });
    const own = { label, objective, validation: undefined, seeds: [checked.seed] };
    program = await Program.create(device, { ...checked, ...own });
    const results = await program.scheduler.submit(1)?.results;
    const { space, updater } = program;
    const [gradients] = await readTensors(device, label, space, [updater.gradient]);
    if (!results || !gradients) throw new DownhillError('INTERNAL', `${label}: no step was done.`, 'Report this.');
    return { loss: results[0]!.loss, gradients, seed: checked.seed };
  } finally {
    program?.destroy();
    uploads.destroy();
  }
}
