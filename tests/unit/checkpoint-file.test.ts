import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { initialize } from '../../src/nn/init.js';
import { gelu, linear } from '../../src/nn/layers.js';
import { sequential, tensorsOf } from '../../src/nn/model.js';
import { modelToJson } from '../../src/nn/model-json.js';
import type { Json } from '../../src/space/stateful.js';
import { encodeFile, readModel } from '../../src/train/checkpoint-file.js';
import { describeData } from '../../src/train/data-json.js';
import type { SafeTensor } from '../../src/train/dtypes.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/train/safetensors.js';
import { floatTensor, savedShape, transposed } from '../../src/train/saved-tensor.js';
import { VERSION } from '../../src/train/version.js';

const model = sequential({ input: 3, layers: [linear(4), gelu(), linear(2)] });
const data = {
  ...arrays({ x: Float32Array.of(1, 2, 3, 4, 5, 6), y: Uint8Array.of(0, 1), classes: 2, features: 3 }),
  labels: ['yes', 'no'],
  encoding: {
    version: 1,
    columns: ['a', 'b', 'c'].map((name) => ({ name, kind: 'number' }) as const),
    target: { kind: 'classes', name: 'd', labels: ['yes', 'no'] },
  } as const,
};
const initial = initialize(model, 5);
const tensors = () =>
  new Map(
    tensorsOf(model).map(({ name, shape }, i): [string, SafeTensor] => [
      name,
      floatTensor(savedShape(shape), transposed(initial[i]!, shape)),
    ]),
  );
const texts = { model: modelToJson(model) as unknown as Json, data: describeData(data) as unknown as Json };

describe('readModel', () => {
  it('has the model, its weights as PyTorch has them, and what a prediction needs', () => {
    const saved = readModel(encodeFile(70, tensors(), texts));
    expect(saved.model).toEqual(model);
    expect([saved.step, saved.version]).toEqual([70, VERSION]);
    expect(saved.scaling).toEqual({ scale: 1, shift: 0 });
    expect([saved.targets, saved.labels, saved.features]).toEqual([{ kind: 'classes', width: 2 }, ['yes', 'no'], 3]);
    expect(saved.encoding).toEqual(data.encoding);
    expect([...saved.tensors.keys()]).toEqual(['0.weight', '0.bias', '2.weight', '2.bias']);
    const { shape, values } = saved.tensors.get('0.weight')!;
    expect(shape).toEqual([4, 3]);
    for (let i = 0; i < 3; i++) for (let o = 0; o < 4; o++) expect(values[o * 3 + i]).toBe(initial[0]![i * 4 + o]);
  });

  it('names its release', () => {
    expect(VERSION).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
  });

  /** The file with other metadata or tensors, and a checksum that fits. */
  const changed = (change: (metadata: Record<string, string>, own: Map<string, SafeTensor>) => void) => {
    const { tensors: own, metadata } = decodeSafetensors(encodeFile(70, tensors(), texts));
    const [copy, texted] = [new Map(own), Object.fromEntries(metadata)];
    change(texted, copy);
    return encodeSafetensors(copy, texted);
  };
  const header = (parts: object) =>
    changed((metadata) => {
      metadata.downhill = JSON.stringify({ ...JSON.parse(metadata.downhill!), ...parts });
    });
  const weight = (values: readonly number[], shape: readonly number[]) =>
    changed((_, own) => own.set('0.weight', floatTensor(shape, Float32Array.from(values))));

  it.each<[string, () => Uint8Array, string, string]>([
    ['a newer format', () => header({ format: 2, version: '9.0.0' }), 'CHECKPOINT-VERSION', 'downhill "9.0.0"'],
    ['no format', () => header({ format: undefined }), 'CHECKPOINT-CORRUPT', 'format'],
    ['a format of 0.5', () => header({ format: 0.5 }), 'CHECKPOINT-CORRUPT', 'format'],
    ['a negative step', () => header({ step: -1 }), 'CHECKPOINT-CORRUPT', 'step -1'],
    ['a fractional step', () => header({ step: 1.5 }), 'CHECKPOINT-CORRUPT', 'step 1.5'],
    ['no step', () => header({ step: undefined }), 'CHECKPOINT-CORRUPT', 'step undefined'],
    [
      'metadata that is no JSON',
      () => changed((metadata) => (metadata['downhill.model'] = '{')),
      'CHECKPOINT-CORRUPT',
      'downhill.model',
    ],
    [
      'metadata that JSON can be read from and not written',
      () => changed((metadata) => (metadata['downhill.model'] = `{"input":${'['.repeat(1e5)}${']'.repeat(1e5)}}`)),
      'CHECKPOINT-CORRUPT',
      'downhill.model',
    ],
    [
      'deep metadata',
      () => changed((metadata) => (metadata['downhill.data'] = '['.repeat(1e5))),
      'CHECKPOINT-CORRUPT',
      'downhill.data',
    ],
    [
      'no model',
      () => changed((metadata) => delete metadata['downhill.model']),
      'CHECKPOINT-CORRUPT',
      'downhill.model',
    ],
    ['no scaling', () => changed((metadata) => (metadata['downhill.data'] = '{}')), 'CHECKPOINT-CORRUPT', 'data'],
    ['a missing tensor', () => changed((_, own) => own.delete('2.bias')), 'CHECKPOINT-MISMATCH', '"2.bias"'],
    [
      'another rank, same count',
      () => weight(Array(12).fill(0), [12]),
      'CHECKPOINT-MISMATCH',
      'the shape [12], the model needs [4, 3]',
    ],
    ['[in, out]', () => weight(Array(12).fill(0), [3, 4]), 'CHECKPOINT-MISMATCH', 'the shape [3, 4]'],
    [
      'a weight that is NaN',
      () => weight([0, 0, Number.NaN, ...Array(9).fill(0)], [4, 3]),
      'CHECKPOINT-MISMATCH',
      'Element 2 of tensor "0.weight"',
    ],
    ['another program’s file', () => encodeSafetensors(tensors()), 'CHECKPOINT-MISMATCH', 'no model'],
  ])('refuses %s', (_, file, code, words) => {
    expect(() => readModel(file())).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words), fix: expect.stringMatching(/\S/) }),
    );
  });
});
