import { arrays } from '../../src/data/arrays.js';
import { type Dataset, digits } from '../../src/data/index.js';
import { Uploads } from '../../src/data/upload.js';
import type { Sampling } from '../../src/kernels/account.js';
import { type Model, tensorsOf } from '../../src/nn/model.js';
import type { Average } from '../../src/optim/averages.js';
import { makeGroups } from '../../src/optim/groups.js';
import { checkOptimizerOptions, type OptimizerOptions } from '../../src/optim/optimizer-options.js';
import { loadPacked } from '../../src/optim/packed.js';
import type { Rule } from '../../src/optim/rule.js';
import { checkAugment } from '../../src/train/augment.js';
import { Evaluator } from '../../src/train/evaluate.js';
import { groupTensors } from '../../src/train/groups.js';
import { networkObjective } from '../../src/train/objective.js';
import { checkPenalty } from '../../src/train/penalty.js';
import { Program } from '../../src/train/program.js';
import type { StepReport } from '../../src/train/report-types.js';
import type { StepResult } from '../../src/train/step-columns.js';
import type { AugmentOptions, PenaltyOptions, TensorGroup, Trainer } from '../../src/train/types.js';
import type { ValidationSettings } from '../../src/train/validation.js';
import { randomFloats } from './gpu.js';

export async function collect(trainer: Trainer, options: Parameters<Trainer['run']>[0]): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  for await (const report of trainer.run(options)) reports.push(report);
  return reports;
}

export const losses = (reports: readonly StepReport[]) => reports.map(({ loss }) => loss);

let made: Dataset | undefined;
/** The built-in digits, made once per test file. */
export const someDigits = () => {
  made ??= digits({ samples: 1000, seed: 1 });
  return made;
};

/** Random samples with random classes: nothing to learn, everything to compare. */
export const noise = (samples: number, features: number, classes: number) =>
  arrays({
    x: randomFloats(samples * features, 41),
    y: Uint8Array.from({ length: samples }, (_, i) => (i * 5 + 3) % classes),
    classes,
    features,
  });

/** Wraps a device's create* methods to count calls. */
export function countCreations(device: GPUDevice): { counts: Record<string, number>; restore(): void } {
  const counts: Record<string, number> = {};
  const names: string[] = [];
  for (let proto: object | null = device; proto; proto = Object.getPrototypeOf(proto)) {
    names.push(...Object.getOwnPropertyNames(proto).filter((name) => name.startsWith('create')));
  }
  const own = device as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const name of new Set(names)) {
    const original = own[name]!;
    Object.defineProperty(device, name, {
      configurable: true,
      value: (...args: unknown[]) => {
        counts[name] = (counts[name] ?? 0) + 1;
        return original.apply(device, args);
      },
    });
  }
  return {
    counts,
    restore: () => {
      for (const name of new Set(names)) delete own[name];
    },
  };
}

/** Several networks in the same dispatches, as a trainer makes one. */
export async function replicasOf(
  device: GPUDevice,
  options: {
    readonly model: Model;
    readonly data: Dataset;
    readonly rows: number;
    readonly sampling?: Sampling;
    readonly replicas: readonly { readonly seed: number; readonly rule: Rule }[];
    readonly groups?: readonly TensorGroup[];
    readonly optimizer?: OptimizerOptions;
    readonly average?: Average;
    readonly maxArenaBytes?: number;
    readonly validation?: { readonly data: Dataset; readonly settings: ValidationSettings };
    readonly penalty?: PenaltyOptions;
    readonly augment?: AugmentOptions;
    readonly choice?: Readonly<Record<string, string>>;
  },
) {
  const { model, replicas, sampling = 'shuffle', average, maxArenaBytes, validation } = options;
  const settings = checkOptimizerOptions({ label: 'replicas', ...options.optimizer });
  const uploads = new Uploads(device, 'replicas');
  const rules = replicas.map(({ rule }) => rule);
  const seeds = replicas.map(({ seed }) => seed);
  const { row, hyper } = rules[0]!;
  const small = settings.state !== 'f32';
  const packed = small ? await loadPacked(row, row.slots(hyper), settings.state, seeds) : undefined;
  const program = await Program.create(device, {
    label: 'replicas',
    objective: networkObjective({
      ...options,
      augment: checkAugment(options.augment, model, options.data),
      penalty: checkPenalty(options.penalty, tensorsOf(model)),
      sampling,
      dropLast: false,
      uploads,
    }),
    row,
    packed,
    groups: makeGroups(groupTensors(tensorsOf(model), rules, options.groups), settings.clip?.by === 'tensor'),
    settings,
    seeds,
    submitMs: 500,
    average,
    ...(validation && {
      validation: {
        settings: validation.settings,
        evaluator: (weights) => Evaluator.ofDataset(device, { ...weights, model }, validation.data, uploads),
      },
    }),
    ...(maxArenaBytes && { maxArenaBytes }),
    choice: options.choice,
  });
  return {
    program,
    /** Trains on to a step: step by step what came of each replica. */
    async run(end: number): Promise<StepResult[]> {
      const results: StepResult[] = [];
      const { scheduler } = program;
      while (scheduler.step < end && !program.validation?.halted)
        results.push(...(await scheduler.submit(end - scheduler.step)!.results));
      return results;
    },
    destroy() {
      program.destroy();
      uploads.destroy();
    },
  };
}
