import { afterAll, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import type { Dataset } from '../../src/data/index.js';
import { type Rows, source } from '../../src/data/source.js';
import { batchNorm, dropout, linear, relu } from '../../src/nn/layers.js';
import { softmaxCrossEntropy } from '../../src/nn/losses.js';
import { sequential } from '../../src/nn/model.js';
import { ema } from '../../src/optim/averages.js';
import type { Rule } from '../../src/optim/rule.js';
import { adamw } from '../../src/optim/rules.gen.js';
import { scale } from '../../src/optim/scale.js';
import { cosine, plateau, warmup } from '../../src/optim/schedules.js';
import type { StepReport } from '../../src/train/report-types.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { noise } from '../support/train.js';

/*
 * Everything that remembers, all at once: whatever the step, a checkpoint goes on bit for bit, whether it was taken while steps
 * were under way or between two runs, right at a validation, at an early stop, or around a `set`.
 */

const [SAMPLES, FEATURES, END] = [26, 16, 70];
const image = [4, 4] as const;
const x = randomFloats(SAMPLES * FEATURES, 41);
x[5] = Number.NaN; // a sample whose batches are skipped
const y = Uint8Array.from({ length: SAMPLES }, (_, i) => (i * 5 + 3) % 3);

const read = async (indices: Uint32Array): Promise<Rows> => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  const rows = new Float32Array(indices.length * FEATURES);
  for (const [i, sample] of indices.entries())
    rows.set(x.subarray(sample * FEATURES, (sample + 1) * FEATURES), i * FEATURES);
  return { x: rows, y: Uint8Array.from(indices, (sample) => y[sample]!) };
};
const DATA: Readonly<Record<string, () => Dataset>> = {
  'in memory': () => arrays({ x, y, classes: 3, features: FEATURES, image }),
  'of a source': () => source({ samples: SAMPLES, features: FEATURES, classes: 3, image, read }),
};

const made: Trainer[] = [];
afterAll(() => {
  for (const trainer of made) trainer.destroy();
});

async function trainerOf(data: Dataset, submitMs: number): Promise<Trainer> {
  const options: Omit<TrainerOptions, 'rule'> & { rule: Rule } = {
    model: sequential({
      input: FEATURES,
      layers: [linear(8), batchNorm(), relu(), dropout({ p: 0.3 }), linear(3)],
      loss: softmaxCrossEntropy({ labelSmoothing: 0.1 }),
    }),
    rule: adamw({
      lr: warmup(plateau(0.02, { factor: 0.5, patience: 0 }), { steps: 4 }),
      weightDecay: cosine(0.1, { steps: 40 }),
    }) as unknown as Rule,
    groups: [{ tensors: '*.bias', weightDecay: 0, lr: cosine(0.01, { steps: 30 }) }],
    data,
    batchSize: 8,
    clip: { globalNorm: 0.7 },
    skipNonFinite: { atMost: 1000 },
    accumulate: { steps: 3, reduce: 'mean' },
    penalty: { l1: 1e-3, l2: 1e-3 },
    augment: { mixup: { alpha: 0.4 }, cutout: { size: 2 } },
    average: ema({ decay: 0.7 }),
    validation: { data: { ...noise(12, FEATURES, 3), image }, every: { batches: 5 } },
    earlyStopping: { patience: 6, minDelta: 0.01, restoreBest: true },
    seed: 3,
    submitMs,
  };
  const trainer = await createTrainer(await testDevice(), options);
  made.push(trainer);
  return trainer;
}

/** What the owner does between two runs, by the step it comes after. */
const EVENTS: Readonly<Record<number, (trainer: Trainer) => void>> = {
  11: (trainer) => trainer.set({ lr: scale(0.5) } as never, ['0.weight', '4.weight', '1.weight']),
  22: (trainer) => trainer.set({ weightDecay: 0.02 } as never, ['0.bias', '1.bias', '4.bias']),
};

interface Saved {
  readonly bytes: Uint8Array;
  /** Taken while a run was going on: what comes after its last step is still to come. */
  readonly within: boolean;
}

/** Trains on to a step, over early stops, with the events; and saves checkpoints on the way. */
async function train(trainer: Trainer, end: number, saved?: Saved[]): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  const pending: Promise<unknown>[] = [];
  for (let runs = 0; trainer.step < end && runs < 12; runs++) {
    const next = Math.min(
      end,
      ...Object.keys(EVENTS)
        .map(Number)
        .filter((step) => step > trainer.step),
    );
    for await (const report of trainer.run({ steps: next - trainer.step })) {
      reports.push(report);
      if (saved && report.step % 3 === 0)
        pending.push(trainer.checkpoint().then((bytes) => saved.push({ bytes, within: true })));
    }
    if (!trainer.stopped) EVENTS[trainer.step]?.(trainer);
    saved?.push({ bytes: await trainer.checkpoint(), within: false });
  }
  await Promise.all(pending);
  return reports;
}

it.each(Object.keys(DATA).flatMap((kind) => [1, 5, 500].map((submitMs) => [kind, submitMs] as const)))(
  'goes on from any checkpoint, data %s, submits of %s ms',
  async (kind, submitMs) => {
    const saved: Saved[] = [];
    const whole = await trainerOf(DATA[kind]!(), submitMs);
    const expected = await train(whole, END, saved);
    expect(expected.length).toBe(END);
    expect(expected.some(({ skipped }) => skipped)).toBe(true);
    expect(saved.length).toBeGreaterThan(20);

    const next = await trainerOf(DATA[kind]!(), submitMs);
    for (const { bytes, within } of saved) {
      const { step } = await next.restore(bytes);
      // It was saved before what came behind the run's last step.
      if (within && !next.stopped) EVENTS[step]?.(next);
      const end = Math.min(step + 8, END);
      expect({ step, within, reports: await train(next, end) }).toEqual({
        step,
        within,
        reports: expected.slice(step, end),
      });
    }
  },
  240_000,
);
