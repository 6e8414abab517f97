/** Does an experiment on a device, from its data to its outcome. No Node here: a page does the same. */
import { type Dataset, DownhillError, split } from '../../src/index.js';
import { plural } from '../common/format.js';
import type { JobData } from '../train/data.js';
import type { Amounts, Bench, Chapter, Experiment, Outcome } from './chapter.js';
import { trainAll } from './runs.js';

/** Images of the test part that are evaluated: enough for an accuracy to half a per cent; to one, with --quick. */
const TEST_IMAGES = 2000;
const QUICK_IMAGES = 500;

/** What is told of an experiment while it goes on: plain JSON, as it comes from a page. */
export type LabEvent =
  /** What comes next, where it is no training. */
  | { readonly type: 'phase'; readonly text: string }
  /** How long trainings will take, in seconds; told before they begin. */
  | { readonly type: 'plan'; readonly seconds: number; readonly trainings: number }
  | {
      readonly type: 'step';
      readonly name: string;
      readonly seed: number;
      readonly step: number;
      readonly steps: number;
      readonly loss: number;
      /** Of all trainings of the plan. */
      readonly share: number;
    };

export interface Parts {
  readonly train: Dataset;
  readonly test: Dataset;
  readonly amounts: Amounts;
}

/** What is asked of a chapter. */
export interface Asked {
  readonly chapter: Chapter;
  readonly experiment: Experiment;
  readonly amounts: Amounts;
  readonly log: boolean | undefined;
  readonly quick: boolean;
}

/** The images asked for, of those that there are. @throws DownhillError OPTION-RANGE where a batch takes more */
export function partsOf({ amounts, experiment, chapter, quick }: Asked, { train, test }: JobData): Parts {
  const images = Math.min(amounts.images, train.samples);
  const largestBatch = experiment.withoutData ? 1 : (experiment.largestBatch ?? 1);
  if (images < largestBatch) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${chapter.name} has batches of ${largestBatch}, but there are ${plural(images, 'image')} to train on.`,
      'Set a larger --images, or --samples.',
    );
  }
  const tests = quick ? QUICK_IMAGES : TEST_IMAGES;
  return {
    train: images < train.samples ? split(train, images)[0] : train,
    test: test.samples > tests ? split(test, tests)[0] : test,
    amounts: { ...amounts, images },
  };
}

/**
 * @param parts undefined of an experiment without data
 * @returns what was measured until the end, or until the signal
 */
export async function conduct(
  device: GPUDevice,
  { experiment, amounts, log }: Asked,
  parts: Parts | undefined,
  tell: (event: LabEvent) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  const bench: Bench = { device, signal, log, amounts, phase: (text) => tell({ type: 'phase', text }) };
  if (experiment.withoutData) return experiment.run(bench);
  const place = { ...bench, ...parts! };
  return experiment.run({
    ...place,
    runs: (specs, how) =>
      trainAll(
        place,
        specs,
        {
          plan: (seconds, trainings) => tell({ type: 'plan', seconds, trainings }),
          step: (name, seed, step, steps, loss, share) =>
            tell({ type: 'step', ...{ name, seed, step, steps, loss, share } }),
        },
        how,
      ),
  });
}
