import { describe, expect, it } from 'vitest';
import { initialize } from '../../src/nn/init.js';
import {
  activations,
  batchNorm,
  dropout,
  elu,
  gelu,
  identity,
  layerNorm,
  layerRows,
  leakyRelu,
  linear,
  relu,
  tanh,
} from '../../src/nn/layers.js';
import type { LossFunction } from '../../src/nn/loss.js';
import { binaryCrossEntropy, huber, l1, losses, mse, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { ACTIVATIONS, LOSSES, mlp } from '../../src/nn/mlp.js';
import { buffersOf, checkModel, sequential, tensorsOf } from '../../src/nn/model.js';
import { checkTargets } from '../../src/nn/targets.js';
import { referenceLayers, referenceLosses } from '../../src/reference/index.js';

const at = (code: string, words = '') =>
  expect.objectContaining({
    name: 'DownhillError',
    code,
    fix: expect.stringMatching(/\S/),
    message: expect.stringContaining(words),
  });

describe('sequential', () => {
  it('widths follow one another, and tensors are named as PyTorch names them in a Sequential', () => {
    const model = sequential({ input: 3, layers: [tanh(), linear(5, { bias: false }), gelu(), relu(), linear(2)] });
    expect(model.layers.map(({ input, output }) => [input, output])).toEqual([
      [3, 3],
      [3, 5],
      [5, 5],
      [5, 5],
      [5, 2],
    ]);
    expect(tensorsOf(model).map(({ name, shape }) => [name, shape])).toEqual([
      ['1.weight', [3, 5]],
      ['4.weight', [5, 2]],
      ['4.bias', [2]],
    ]);
    expect([model.output, model.loss.row.name, model.init]).toEqual([2, 'softmax-cross-entropy', 'he-normal']);
  });

  it('is what mlp is short for', () => {
    const { sizes, activation, ...short } = mlp({
      sizes: [4, 6, 5, 3],
      activation: 'gelu',
      loss: 'mse',
      init: 'pytorch',
    });
    const layers = [linear(6), gelu(), linear(5), gelu(), linear(3)];
    const long = sequential({ input: 4, layers, loss: mse(), init: 'pytorch' });
    expect(short).toEqual(long);
    expect([sizes, activation]).toEqual([[4, 6, 5, 3], 'gelu']);
    expect(initialize(long, 3)).toEqual(initialize(mlp({ sizes: [4, 6, 5, 3], init: 'pytorch' }), 3));
  });

  const good = { input: 4, layers: [linear(3)] };
  it.each<[string, unknown, string, string]>([
    ['nothing', undefined, 'OPTION-TYPE', 'sequential'],
    ['an unknown option', { ...good, inputs: 4 }, 'OPTION-UNKNOWN', 'inputs'],
    ['no input', { layers: [linear(3)] }, 'SHAPE-INVALID', 'input'],
    ['no layers', { input: 4, layers: [] }, 'SHAPE-INVALID', 'layers'],
    ['layers that are no list', { input: 4, layers: linear(3) }, 'SHAPE-INVALID', 'layers'],
    ['layers with nothing to train', { input: 4, layers: [relu(), identity()] }, 'SHAPE-INVALID', '2 layers'],
    ['a factory in the place of a layer', { input: 4, layers: [linear(3), relu] }, 'OPTION-TYPE', 'layers[1]'],
    ['a loss that was not called', { ...good, loss: softmaxCrossEntropy }, 'OPTION-TYPE', 'Call it: mse() is a loss'],
    ['a layer that was not called', { ...good, layers: [relu] }, 'OPTION-TYPE', 'Call it: relu() is a layer'],
    ['a width in the place of a layer', { input: 4, layers: [100] }, 'OPTION-TYPE', 'layers[0]'],
    ['a hole', { input: 4, layers: [linear(3), undefined] }, 'OPTION-TYPE', 'layers[1]'],
    ['a loss in the place of a layer', { input: 4, layers: [mse()] }, 'OPTION-TYPE', 'layers[0]'],
    ['a loss by name', { ...good, loss: 'mse' }, 'OPTION-TYPE', 'loss'],
    ['the factory of a loss', { ...good, loss: mse }, 'OPTION-TYPE', 'loss'],
    ['an unknown init', { ...good, init: 'he' }, 'OPTION-RANGE', 'he'],
    [
      'a layer made by hand with a bad width',
      { input: 4, layers: [relu(), { ...linear(3), settings: { out: -3, bias: true } }] },
      'SHAPE-INVALID',
      'layers[1] (linear)',
    ],
    [
      'a layer made by hand with a bad option',
      { input: 4, layers: [{ ...linear(3), settings: { out: 3, bias: 'no' } }] },
      'OPTION-TYPE',
      'layers[0] (linear): bias',
    ],
    ...[null, -8, '8'].flatMap((settings): [string, unknown, string, string][] => [
      [
        `settings of a layer that are ${settings}`,
        { input: 4, layers: [{ ...relu(), settings }] },
        'OPTION-TYPE',
        'layers[0] (relu): settings',
      ],
      [`settings of a loss that are ${settings}`, { ...good, loss: { ...mse(), settings } }, 'OPTION-TYPE', 'settings'],
    ]),
    ['holes', { input: 4, layers: new Array(2) }, 'OPTION-TYPE', 'layers[0]'],
  ])('refuses %s', (_, options, code, words) => {
    expect(() => sequential(options as never)).toThrow(at(code, words));
  });

  it.each([Number.NaN, -8, '8', 1.5, 0, Number.POSITIVE_INFINITY, undefined, 2 ** 33])(
    'refuses a row made by hand whose width or tensor is of %s',
    (size) => {
      const { row, settings } = linear(3);
      const own = (more: object) => () => sequential({ input: 4, layers: [{ row: { ...row, ...more }, settings }] });
      expect(own({ output: () => size })).toThrow(at('SHAPE-INVALID', 'layers[0] (linear): its width'));
      for (const shape of [[size, 8], [4, size], size]) {
        const tensors = () => [{ name: 'weight', shape, role: 'weight' }];
        expect(own({ tensors })).toThrow(at('SHAPE-INVALID', 'its tensor "weight"'));
        expect(own({ buffers: tensors })).toThrow(at('SHAPE-INVALID', 'its tensor "weight"'));
      }
      expect(own({ tensors: () => size })).toThrow(at('OPTION-TYPE', 'layers[0] (linear)'));
      expect(own({ tensors: () => [{ name: 3, shape: [1], role: 'weight' }] })).toThrow(at('OPTION-TYPE', 'name'));
    },
  );

  it('refuses a layer with a bad width or option where it is made', () => {
    expect(() => linear(0)).toThrow(at('SHAPE-INVALID', 'linear'));
    expect(() => linear('3' as never)).toThrow(at('SHAPE-INVALID', '"3"'));
    expect(() => linear(3, { biases: true } as never)).toThrow(at('OPTION-UNKNOWN', 'biases'));
    expect(() => linear(3, { bias: 1 } as never)).toThrow(at('OPTION-TYPE', 'bias'));
    expect(() => relu({ slope: 1 })).toThrow(at('OPTION-UNKNOWN', 'slope'));
    // PyTorch's momentum=None is a cumulative average, which is not the default.
    expect(() => batchNorm({ momentum: null as never })).toThrow(at('OPTION-TYPE', 'momentum'));
    expect(() => relu(null as never)).toThrow(at('OPTION-TYPE'));
    expect(batchNorm({ momentum: undefined as never })).toEqual(batchNorm());
  });

  it('a model made by hand is checked again', () => {
    const model = mlp({ sizes: [4, 3] });
    expect(checkModel('test', { ...model })).toMatchObject({ input: 4, output: 3 });
    expect(() => checkModel('test', undefined as never)).toThrow(at('OPTION-TYPE', 'test'));
    expect(() => checkModel('test', { kind: 'model' } as never)).toThrow(at('SHAPE-INVALID'));
    expect(() => checkModel('test', { ...model, input: 0 })).toThrow(at('SHAPE-INVALID'));
  });

  it('is frozen', () => {
    const model = sequential({ input: 3, layers: [linear(2)] });
    for (const part of [model, model.layers, model.layers[0], model.layers[0]!.settings, model.layers[0]!.tensors])
      expect(Object.isFrozen(part)).toBe(true);
  });
});

describe('norms', () => {
  it('start at weight 1 and bias 0 whatever the init, and name their tensors and buffers as PyTorch does', () => {
    for (const init of ['pytorch', 'zeros', 'he-normal'] as const) {
      const model = sequential({ input: 3, layers: [linear(4), batchNorm(), relu(), layerNorm(), linear(2)], init });
      const names = tensorsOf(model).map(({ name }) => name);
      expect(names).toEqual('0.weight 0.bias 1.weight 1.bias 3.weight 3.bias 4.weight 4.bias'.split(' '));
      const values = initialize(model, 1);
      for (const layer of ['1', '3']) {
        expect(values[names.indexOf(`${layer}.weight`)]).toEqual(new Float32Array(4).fill(1));
        expect(values[names.indexOf(`${layer}.bias`)]).toEqual(new Float32Array(4));
      }
      expect(buffersOf(model).map(({ name, shape, initial }) => [name, shape, initial])).toEqual([
        ['1.running_mean', [4], 0],
        ['1.running_var', [4], 1],
        ['1.num_batches_tracked', [], 0],
      ]);
    }
    expect(tensorsOf(sequential({ input: 3, layers: [linear(4), batchNorm({ affine: false })] }))).toHaveLength(2);
  });

  it.each<[string, () => unknown, string]>([
    ['an eps of 0', () => batchNorm({ eps: 0 }), 'OPTION-RANGE'],
    ['a momentum above 1', () => batchNorm({ momentum: 1.5 }), 'OPTION-RANGE'],
    ['a word for a flag', () => layerNorm({ affine: 'no' as never }), 'OPTION-TYPE'],
    ['PyTorch’s name for it', () => layerNorm({ elementwiseAffine: false } as never), 'OPTION-UNKNOWN'],
    ['to drop everything', () => dropout({ p: 1 }), 'OPTION-RANGE'],
    ['a share below 0', () => dropout({ p: -0.1 }), 'OPTION-RANGE'],
    ['a slope below 0', () => leakyRelu({ negativeSlope: -1 }), 'OPTION-RANGE'],
    ['an alpha that is no number', () => elu({ alpha: '1' as never }), 'OPTION-TYPE'],
  ])('refuse %s', (_, make, code) => {
    expect(make).toThrow(at(code));
  });
});

describe('rows', () => {
  it('have the names of their tables and of their references', () => {
    expect(Object.keys(activations)).toEqual([...ACTIVATIONS]);
    for (const [name, factory] of Object.entries(activations)) expect(factory.row.name).toBe(name);
    expect(Object.keys(referenceLayers).sort()).toEqual(Object.keys(layerRows).sort());
    for (const [name, factory] of Object.entries(losses)) expect(factory.row.name).toBe(name);
    expect(Object.keys(referenceLosses)).toEqual([...LOSSES]);
  });

  it('softmax cross-entropy predicts probabilities, however large the logits', () => {
    const { predict } = softmaxCrossEntropy.row;
    const logits = Float32Array.from([Math.log(1), Math.log(2), Math.log(5), 1e4, -1e4, 1e4, -3e38, 0, 0]);
    const rounded = [...predict!(logits, 3)].map((p) => Math.round(p * 1e6) / 1e6);
    expect(rounded).toEqual([0.125, 0.25, 0.625, 0.5, 0, 0.5, 0, 0.5, 0.5]);
    expect(mse.row.predict).toBeUndefined();
    const { predict: sigmoid } = binaryCrossEntropy.row;
    expect([...sigmoid!(Float32Array.from([0, 1e4, -1e4, Math.log(3)]), 1)]).toEqual([0.5, 1, 0, 0.75]);
  });

  it('a loss checks the targets that it takes', () => {
    const labels = Uint8Array.from([0, 1, 2]);
    const classes = { kind: 'classes', classes: 3, labels } as const;
    const values = { kind: 'values', width: 3, values: new Float32Array(9) } as const;
    expect(() => checkTargets(softmaxCrossEntropy(), classes, 3, 3)).not.toThrow();
    expect(() => checkTargets(mse(), values, 3, 3)).not.toThrow();
    expect(() => checkTargets(mse(), classes, 3, 3)).toThrow(at('SHAPE-MISMATCH', 'mse'));
    expect(() => checkTargets(softmaxCrossEntropy(), values, 3, 3)).toThrow(at('SHAPE-MISMATCH', 'values'));
    expect(() => checkTargets(softmaxCrossEntropy(), classes, 4, 3)).toThrow(at('SHAPE-MISMATCH', '4 outputs'));
    expect(() => checkTargets(softmaxCrossEntropy(), classes, 3, 4)).toThrow(at('DATA-MISMATCH', '4 samples'));
    expect(() => checkTargets(mse(), values, 3, 4)).toThrow(at('DATA-MISMATCH', '12 targets'));
    const wrong = { ...classes, labels: Uint8Array.from([0, 3, 1]) };
    expect(() => checkTargets(softmaxCrossEntropy(), wrong, 3, 3)).toThrow(at('DATA-LABEL', 'sample 1 is 3'));
  });

  it('probabilities must be some, and sum to 1', () => {
    const check = (values: number[], loss: LossFunction = softmaxCrossEntropy(), outputs = 2) => {
      const targets = { kind: 'probabilities', classes: 2, values: Float32Array.from(values) } as const;
      return () => checkTargets(loss, targets, outputs, values.length / 2);
    };
    expect(check([0.3, 0.7, 1, 0])).not.toThrow();
    expect(check([0.3, 0.7, 0, 0])).toThrow(at('DATA-LABEL', 'sample 1 sum to 0'));
    expect(check([1, 1, 1, 0])).toThrow(at('DATA-LABEL', 'sample 0 sum to 2'));
    expect(check([1, 0, 1.5, -0.5])).toThrow(at('DATA-LABEL', 'sample 1, class 0, is 1.5'));
    expect(check([1, 0, 1, Number.NaN])).toThrow(at('DATA-LABEL', 'sample 1, class 1, is NaN'));
    expect(check([0.3, 0.7], mse())).toThrow(at('SHAPE-MISMATCH', 'mse needs values'));
    expect(check([0.3, 0.7], softmaxCrossEntropy(), 3)).toThrow(at('SHAPE-MISMATCH', '3 outputs'));
  });

  it('binary cross-entropy wants targets from 0 to 1, as the network sees them', () => {
    const targets = { kind: 'values', width: 2, values: Float32Array.from([0, 1, 0.5, 1, 0, 1.5]) } as const;
    const check = (more: object) => () => checkTargets(binaryCrossEntropy(), { ...targets, ...more }, 2, 3);
    expect(check({})).toThrow(at('DATA-LABEL', 'sample 2, column 1, is 1.5'));
    expect(check({ scale: 0.5 })).not.toThrow();
    expect(check({ scale: [1, 0.5], shift: [0, 0.2] })).not.toThrow();
    expect(check({ values: Float32Array.from([0, 1, 0, 1, Number.NaN, 0]) })).toThrow(at('DATA-LABEL', 'sample 2'));
    expect(() => checkTargets(l1(), targets, 2, 3)).not.toThrow();
  });

  it('targets are typed arrays of finite numbers, whoever made them', () => {
    const labelled = (labels: unknown) => () =>
      checkTargets(softmaxCrossEntropy(), { kind: 'classes', classes: 3, labels } as never, 3, 3);
    expect(labelled(Uint16Array.of(0, 1, 2))).not.toThrow();
    expect(labelled(Uint8Array.of(0, 1, 3))).toThrow(at('DATA-LABEL', 'sample 2 is 3'));
    for (const wrong of [
      [0, 1, -1],
      [0, 1, 0.5],
      [0, 1, '1'],
      new Array(3),
      Int8Array.of(0, 1, -1),
      '012',
      { length: 3 },
    ])
      expect(labelled(wrong)).toThrow(at('OPTION-TYPE', 'Uint8Array'));
    expect(labelled(Float32Array.of(0, 1, 0.5))).toThrow(at('OPTION-TYPE', 'Uint8Array'));
    const valued =
      (values: unknown, more: object = {}) =>
      () =>
        checkTargets(mse(), { kind: 'values', width: 1, values, ...more } as never, 1, 3);
    expect(valued(Float32Array.of(1, 3e38, -1e-45))).not.toThrow();
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      expect(valued(Float32Array.of(1, value, 3))).toThrow(at('DATA-LABEL', `sample 1, column 0, is ${value}`));
    expect(valued(Float32Array.of(1, 2, 3), { scale: 1e39 })).toThrow(at('DATA-LABEL', '1e+39 scaled'));
    expect(valued(Float32Array.of(3e38, 2, 3), { scale: 1e-39 })).not.toThrow();
    for (const wrong of [[1, 2, 3], [1, 2, '3'], Float64Array.of(1, 2, 3)])
      expect(valued(wrong)).toThrow(at('OPTION-TYPE', 'Float32Array'));
  });

  it('mlp takes a loss by name or with options', () => {
    const model = mlp({ sizes: [4, 3], loss: softmaxCrossEntropy({ labelSmoothing: 0.1 }) });
    expect(model.loss.settings).toEqual({ labelSmoothing: 0.1, classWeights: [] });
    expect(() => mlp({ sizes: [4, 3], loss: huber as never })).toThrow(at('OPTION-TYPE', 'loss'));
    expect(() => mlp({ sizes: [4, 3], loss: {} as never })).toThrow(at('OPTION-TYPE', 'loss'));
  });

  it('a loss checks its options, and that they fit the model', () => {
    const making = (loss: LossFunction) => () => sequential({ input: 4, layers: [linear(3)], loss });
    expect(making(softmaxCrossEntropy({ classWeights: [1, 0, 2], labelSmoothing: 1 }))).not.toThrow();
    expect(making(softmaxCrossEntropy({ classWeights: [1, 2] }))).toThrow(at('SHAPE-MISMATCH', '2 classWeights'));
    expect(making(binaryCrossEntropy({ posWeight: [1] }))).toThrow(at('SHAPE-MISMATCH', '1 numbers'));
    expect(() => softmaxCrossEntropy({ labelSmoothing: 1.1 })).toThrow(at('OPTION-RANGE', 'labelSmoothing'));
    expect(() => softmaxCrossEntropy({ labelSmoothing: (() => 0.1) as never })).toThrow(at('OPTION-TYPE'));
    expect(() => softmaxCrossEntropy({ classWeights: [1, -1] })).toThrow(at('OPTION-RANGE', 'classWeights[1]'));
    expect(() => softmaxCrossEntropy({ classWeights: 2 as never })).toThrow(at('OPTION-TYPE', 'classWeights'));
    expect(() => huber({ delta: 0 })).toThrow(at('OPTION-RANGE', 'delta'));
    expect(() => huber({ beta: 1 } as never)).toThrow(at('OPTION-UNKNOWN', 'beta'));
  });
});
