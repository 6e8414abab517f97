import type { Dataset } from '../data/index.js';
import { DownhillError } from '../gpu/errors.js';
import { checkInteger, checkOptions } from '../gpu/fields.js';
import type { Model } from '../nn/model.js';
import { sgd } from '../optim/rules/sgd.js';
import type { Curvature } from './curvature-types.js';
import { createTrainer } from './trainer.js';
import type { CurvatureOptions } from './types.js';
import type { LayerWatch, OutputWatch, WatchReport } from './watch-report.js';

/** Options of {@link inspect}. */
export interface InspectOptions {
  readonly model: Model;
  readonly data: Dataset;
  /** Of the initial weights, and of the samples shown. Default 0. */
  readonly seed?: number;
  /** Samples shown, all in one batch. Default 512, or as many as there are if fewer. */
  readonly batchSize?: number;
  /** Also the curvature of the loss there, of a sample of the data: see `trainer.curvature`. Default false. */
  readonly curvature?: boolean | CurvatureOptions;
  /** Also counts how weights, gradients and outputs are spread. Default true. */
  readonly histograms?: boolean;
}

/** What an initialisation makes of a signal. */
export type Verdict = 'vanishing' | 'healthy' | 'exploding';

/**
 * Where a signal counts as lost, for inputs with a deviation of about 1: outputs of a layer whose units vary over the batch
 * by less than `vanishing` (their `unitStd`), or that deviate by more than `exploding` (their `std`).
 */
export const SIGNAL_LIMITS = { vanishing: 0.1, exploding: 10 } as const;

/** A layer of which an output is kept. */
export interface InspectedLayer extends LayerWatch {
  readonly output: OutputWatch;
  readonly verdict: Verdict;
}

/** A network at its start. Plain data. */
export interface Inspection {
  /** Those of which an output is kept: activations, and the last layer. */
  readonly layers: readonly InspectedLayer[];
  readonly tensors: WatchReport['tensors'];
  /** Mean over the samples shown. */
  readonly loss: number;
  readonly samples: number;
  /** Where it was asked for. */
  readonly curvature?: Curvature;
  /** Of the last layer in front of the outputs: what reaches them. */
  readonly verdict: Verdict;
}

/** By {@link SIGNAL_LIMITS}; what is not finite has exploded. */
export function verdictOf({ unitStd, std, nonFinite }: OutputWatch): Verdict {
  if (nonFinite > 0 || std > SIGNAL_LIMITS.exploding) return 'exploding';
  return unitStd < SIGNAL_LIMITS.vanishing ? 'vanishing' : 'healthy';
}

/**
 * Shows a network its first batch, as its initialisation left it, and tells what each layer makes of it: mean, deviation,
 * dead units, and the gradients that come back. Nothing is trained.
 *
 * @example
 * const { layers } = await inspect(device, { model: mlp({ sizes: [784, 100, 100, 10], init: 'pytorch' }), data: digits() });
 * for (const { name, output, verdict } of layers) console.log(name, output.mean, output.std, output.dead, verdict);
 * @throws DownhillError OPTION-*, SHAPE-MISMATCH, DATA-*, LIMIT-BINDING, DEVICE-LOST, GPU-OUT-OF-MEMORY
 */
export async function inspect(device: GPUDevice, options: InspectOptions): Promise<Inspection> {
  checkOptions('inspect', options, ['model', 'data', 'seed', 'batchSize', 'histograms', 'curvature']);
  const { model, data, seed = 0, histograms = true } = options;
  const most = (data as Dataset | undefined)?.samples ?? 1;
  const batchSize = checkInteger('batchSize', options.batchSize ?? Math.min(512, most), 1, most);
  // One step that changes nothing: with a rate of 0, and left out where a gradient is not finite.
  const still = { rule: sgd({ lr: 0 }), skipNonFinite: true, label: 'inspect' };
  const trainer = await createTrainer(device, { model, data, seed, batchSize, ...still });
  try {
    for await (const { loss, watch } of trainer.run({ steps: 1, watch: { every: 1, histograms } })) {
      const { layers, tensors } = watch!;
      const kept = layers.flatMap((layer): InspectedLayer[] =>
        layer.output ? [{ ...layer, output: layer.output, verdict: verdictOf(layer.output) }] : [],
      );
      const { curvature = false } = options;
      // The step was none: the weights are as they were drawn.
      const bent = curvature && (await trainer.curvature({ seed, ...(curvature !== true && curvature) }));
      return {
        ...(bent && { curvature: bent }),
        layers: kept,
        tensors,
        loss,
        samples: batchSize,
        verdict: (kept.at(-2) ?? kept.at(-1)!).verdict,
      };
    }
    throw new DownhillError('INTERNAL', 'The step to inspect gave no report.', 'Report this.');
  } finally {
    trainer.destroy();
  }
}
