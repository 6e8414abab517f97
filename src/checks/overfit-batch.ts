import { checkInteger, checkOptions } from '../gpu/fields.js';
import type { Rule } from '../optim/rule.js';
import { adam } from '../optim/rules/adam.js';
import { createTrainer } from '../train/trainer.js';
import { type CheckOptions, firstRows } from './first-step.js';

/** Options of {@link overfitBatch}. */
export interface OverfitBatchOptions extends CheckOptions {
  /** Default `adam({ lr: 1e-3 })`. */
  readonly rule?: Rule;
  /** The first so many samples. Default 32, or all where there are fewer. */
  readonly rows?: number;
  /** At most. Default 500. */
  readonly steps?: number;
}

/** What {@link overfitBatch} found. Plain data. */
export interface OverfitBatchReport {
  readonly rows: number;
  /** Done: fewer than asked for where the batch was known before. */
  readonly steps: number;
  /** Loss of the first step. */
  readonly first: number;
  /** Loss of the batch at the end, in evaluation mode. */
  readonly last: number;
  /** Share of the batch that is right at the end; there where the loss counts it. */
  readonly accuracy?: number;
  /** R² on the batch at the end; there where the loss is one of values. */
  readonly r2?: number;
  readonly ok: boolean;
}

/** Of the variance of values, what must be explained. */
const LEAST_R2 = 0.99;
/** Steps between two looks. */
const LOOK = 25;

/**
 * Whether the network learns one batch by heart: the same rows in every step, in training mode (with dropout and batch norm
 * as the model has them), judged in evaluation mode every 25 steps. A network that cannot learn 32 samples has a fault, or
 * too little room, or a rate that does not fit.
 *
 * `ok` when every row is right (accuracy 1) for losses that count that, R² of 0.99 for losses of values, with a loss that is
 * finite; then it ends. Equal samples with other labels can never be learnt by heart.
 *
 * @example
 * const { ok, last } = await overfitBatch(device, { model: mlp({ sizes: [784, 100, 10] }), data: digits() });
 * @throws DownhillError OPTION-*, HYPER-*, SHAPE-MISMATCH, DATA-*, LIMIT-BINDING, DEVICE-LOST, GPU-OUT-OF-MEMORY
 */
export async function overfitBatch(device: GPUDevice, options: OverfitBatchOptions): Promise<OverfitBatchReport> {
  checkOptions('overfitBatch', options, ['model', 'data', 'seed', 'rule', 'rows', 'steps']);
  const { rule = adam({ lr: 1e-3 }), seed = 0 } = options;
  const most = checkInteger('steps', options.steps ?? 500, 1);
  const { model, data } = await firstRows('overfitBatch', options, options.rows, 32);
  const label = 'overfit-batch';
  const trainer = await createTrainer(device, { model, rule, data, seed, sampling: 'full', submitMs: 200, label });
  try {
    const values = data.targets.kind === 'values' && model.loss.row.counts !== 'accuracy';
    let first: number | undefined;
    for (;;) {
      for await (const { loss } of trainer.run({ steps: Math.min(LOOK, most - trainer.step) })) first ??= loss;
      const { loss, accuracy, metrics } = await trainer.evaluate(data, { metrics: values ? ['r2'] : [] });
      const learnt = values ? metrics!.r2! >= LEAST_R2 : accuracy === 1;
      const ok = learnt && Number.isFinite(loss);
      if (!ok && trainer.step < most) continue;
      const how = values ? { r2: metrics!.r2! } : { accuracy: accuracy! };
      return { rows: data.samples, steps: trainer.step, first: first!, last: loss, ...how, ok };
    }
  } finally {
    trainer.destroy();
  }
}
