import { checkOptions } from '../gpu/fields.js';
import { Random } from '../kernels/random.js';
import { type CheckOptions, firstRows, firstStep, referenceLossOf, seenBy } from './first-step.js';

/** Options of {@link initLoss}. */
export interface InitLossOptions extends CheckOptions {
  /** The first so many samples. Default 512, or all where there are fewer. */
  readonly rows?: number;
}

/** What {@link initLoss} found. Plain data. */
export interface InitLossReport {
  /** Of the network as it starts, on the GPU, in training mode. */
  readonly loss: number;
  /** Of outputs that are all 0, which say nothing yet, in float64: log(classes) for softmax cross-entropy. */
  readonly expected: number;
  /** Of outputs of deviation 2: a loss above it is that of a network which is sure of what it cannot know. */
  readonly most: number;
  readonly samples: number;
  /** Whether the loss lies from half of `expected` to `most`. */
  readonly ok: boolean;
}

/** Deviation of outputs that are as large as they should be at the most: He-normal layers give √2 for inputs of deviation 1. */
const LARGE = 2;
/** Outputs drawn at the least. */
const DRAWN = 4096;

/**
 * Whether the loss starts where that of a network which knows nothing does: near the loss of outputs that are all 0, which
 * is -log(1 / classes) for softmax cross-entropy, log 2 for the binary one, mean(t²) for mse.
 *
 * Above `most` the outputs start too large: inputs are not scaled, or the initialisation explodes. Below half of `expected` the
 * answer is in the inputs, or the loss is not the one that was meant. Not finite is never ok.
 *
 * @example
 * const { loss, expected, ok } = await initLoss(device, { model: mlp({ sizes: [784, 100, 10] }), data: digits() });
 * @throws DownhillError OPTION-*, SHAPE-MISMATCH, DATA-*, LIMIT-BINDING, DEVICE-LOST, GPU-OUT-OF-MEMORY
 */
export async function initLoss(device: GPUDevice, options: InitLossOptions): Promise<InitLossReport> {
  checkOptions('initLoss', options, ['model', 'data', 'seed', 'rows']);
  const { model, data } = await firstRows('initLoss', options, options.rows, 512);
  const lossOf = referenceLossOf('initLoss', model, data);
  const { loss } = await firstStep(device, 'init-loss', model, data, options.seed);
  const { y } = seenBy(data);
  const outputs = new Float64Array(data.samples * model.output);
  const expected = lossOf(outputs, y);
  const random = new Random(0, 0);
  // Of few samples one draw says little: of three with two classes it may lose no more than zeros do.
  const draws = Math.ceil(DRAWN / outputs.length);
  let sum = 0;
  for (let i = 0; i < draws; i++)
    sum += lossOf(
      outputs.map(() => (random.uniform() < 0.5 ? -LARGE : LARGE)),
      y,
    );
  const most = sum / draws;
  return { loss, expected, most, samples: data.samples, ok: loss >= expected / 2 && loss <= most };
}
