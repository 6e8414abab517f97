import type { arrays } from '../../src/data/arrays.js';
import { traitsOf } from '../../src/gpu/traits.js';
import type { Model } from '../../src/nn/model.js';
import type { Rule } from '../../src/optim/rule.js';
import { sgd } from '../../src/optim/rules.gen.js';
import { testDevice } from './gpu.js';
import { noise, replicasOf } from './train.js';

/* Trainings in two dispatches a step, or with the update after them. */

const device = await testDevice();
const { subgroup } = traitsOf(device);
/** Of the adapter's width. */
export const variants = { 8: ['8x4', '8x1'], 4: ['4x4'] }[subgroup as 4] ?? [];

/** Plans: the whole step, its gradient stored, and layer by layer in tiles. */
export const step = (variant: string) => ({ 'forward-0': `step/rows-${variant}` });
export const stored = (variant: string) => ({ 'forward-0': `gradient/rows-${variant}` });
const TILES = ['dense', 'dense-input-gradient', 'dense-weight-gradient'];

export interface Trial {
  readonly model: Model;
  readonly data?: ReturnType<typeof arrays>;
  readonly rows?: number;
  readonly rule?: Rule;
  readonly seeds?: readonly number[];
  readonly sampling?: 'shuffle' | 'replacement' | 'sequential' | 'full';
  readonly maxArenaBytes?: number;
}

/** Tensors and losses after some steps of every replica. */
export async function train(trial: Trial, choice: Readonly<Record<string, string>> | 'layers', steps = 3) {
  const {
    model,
    rows = 20,
    rule = sgd({ lr: 0.05 }) as Rule,
    seeds = [1],
    sampling = 'shuffle',
    maxArenaBytes,
  } = trial;
  const data = trial.data ?? noise(50, model.input, model.output);
  const made = await replicasOf(device, {
    model,
    data,
    rows,
    sampling,
    replicas: seeds.map((seed) => ({ seed, rule })),
    choice: choice === 'layers' ? layerWise(model) : choice,
    ...(maxArenaBytes && { maxArenaBytes }),
  });
  const results = await made.run(steps);
  const tensors = [];
  for (const replica of seeds.keys()) tensors.push(await made.program.readParameters(replica));
  const described = made.program.describe();
  made.destroy();
  return { losses: results.map(({ loss }) => loss), tensors, described };
}

/** Of every dense layer its products in tiles, with the activation beside them where there is one. */
function layerWise(model: Model): Record<string, string> {
  const dense = model.layers.flatMap(({ row }, i) => (row.name === 'linear' ? [i] : []));
  return Object.fromEntries(
    dense.flatMap((layer, n) => {
      const activates = dense.length - 1 !== n && model.layers[layer + 1]!.row.name !== 'linear';
      const before = n > 0 && model.layers[layer - 1]!.row.name !== 'linear';
      const back = `${TILES[1]}${before ? '+activation-gradient' : ''}/tile`;
      return [
        [`forward-${n}`, `${TILES[0]}${activates ? '+activation' : ''}/tile`],
        [`weight-gradient-${n}`, `${TILES[2]}/tile`],
        ...(n > 0 ? [[`input-gradient-${n}`, back]] : []),
      ];
    }),
  );
}
