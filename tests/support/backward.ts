import type { arrays } from '../../src/data/arrays.js';
import type { Model } from '../../src/nn/model.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam } from '../../src/optim/rules.gen.js';
import type { TensorGroup } from '../../src/train/types.js';
import { testDevice } from './gpu.js';
import { noise, replicasOf } from './train.js';

/* Trainings whose update is inside the weight gradient's tiles, or after them. */

export const FUSED = 'backward+update/tile-64x64';

export interface Trial {
  readonly model: Model;
  readonly data?: ReturnType<typeof arrays>;
  readonly rows?: number;
  readonly rule?: Rule;
  readonly seeds?: readonly number[];
  readonly groups?: readonly TensorGroup[];
  readonly optimizer?: OptimizerOptions;
  readonly device?: GPUDevice;
}

export const layersOf = ({ layers }: Model) => layers.filter(({ row }) => row.name === 'linear').length;
/** The gradients of every layer by themselves; those of inputs as the fused form has them on a CPU adapter. */
export const stored = ({ layers }: Model) =>
  Object.fromEntries(
    layers
      .flatMap(({ row }, place) => (row.name === 'linear' ? [layers[place - 1]?.row.name] : []))
      .flatMap((before, i) => {
        const activates = before !== undefined && before !== 'linear' ? '+activation-gradient' : '';
        return [
          [`weight-gradient-${i}`, 'dense-weight-gradient/tile-64x64'],
          ...(i > 0 ? [[`input-gradient-${i}`, `dense-input-gradient${activates}/tile`]] : []),
        ];
      }),
  );
export const fused = (model: Model) => ({ [`weight-gradient-${layersOf(model) - 1}`]: FUSED });

/** Losses and tensors of every replica after some steps. */
export async function train(
  trial: Trial,
  choiceOf: (model: Model) => Readonly<Record<string, string>> | undefined,
  steps = 3,
) {
  const { model, rows = 20, rule = adam({ lr: 0.01 }) as Rule, seeds = [1, 2], groups, optimizer } = trial;
  const made = await replicasOf(trial.device ?? (await testDevice()), {
    model,
    data: trial.data ?? noise(50, model.input, model.output),
    rows,
    replicas: seeds.map((seed) => ({ seed, rule })),
    choice: choiceOf(model),
    ...(groups && { groups }),
    ...(optimizer && { optimizer }),
  });
  const results = await made.run(steps);
  const tensors = [];
  for (const replica of seeds.keys()) tensors.push(await made.program.readParameters(replica));
  const { passes } = made.program.describe();
  made.destroy();
  return { losses: results.map(({ loss }) => loss), tensors, passes: passes.map(({ label }) => label) };
}
