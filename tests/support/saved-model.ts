import { mlp } from '../../src/index.js';
import type { ModelTensor, SavedModel } from '../../src/train/checkpoint-file.js';
import { randomFloats } from './gpu.js';

/** A layer by its row's name: the row itself need not be there for what only reads names. */
export interface NamedLayer {
  readonly name: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly input: number;
  readonly output: number;
  readonly tensors?: Readonly<Record<string, readonly number[]>>;
  readonly statistics?: Readonly<Record<string, readonly number[]>>;
}

/** A saved model of such layers, its tensors random; variances positive. */
export function savedModel(
  layers: readonly NamedLayer[],
  loss: string,
  data: Partial<Pick<SavedModel, 'scaling' | 'targets' | 'labels' | 'featureNames'>> = {},
): SavedModel {
  const random = (shape: readonly number[], seed: number, positive = false): ModelTensor => {
    const values = randomFloats(
      shape.reduce((a, b) => a * b, 1),
      seed,
    );
    return { shape, values: positive ? values.map((value) => Math.abs(value) + 0.1) : values };
  };
  const named = (part: 'tensors' | 'statistics') =>
    new Map(
      layers.flatMap((layer, i) =>
        Object.entries(layer[part] ?? {}).map(([name, shape], j): [string, ModelTensor] => [
          `${i}.${name}`,
          random(shape, 10 * i + j, name === 'running_var'),
        ]),
      ),
    );
  const [input, output] = [layers[0]!.input, layers.at(-1)!.output];
  const base = mlp({ sizes: [input, output], loss: 'mse' });
  const model = {
    ...base,
    layers: layers.map(({ name, settings = {}, ...widths }) => ({ row: { name }, settings, ...widths })),
    loss: { row: { name: loss }, settings: {} },
  } as unknown as SavedModel['model'];
  return {
    model,
    step: 12,
    version: '0.0.0',
    features: input,
    scaling: { scale: 1, shift: 0 },
    targets: { kind: 'values', width: output },
    tensors: named('tensors'),
    statistics: named('statistics'),
    ...data,
  };
}
