import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { layerRows } from '../../src/nn/layers.js';
import { losses } from '../../src/nn/losses.js';
import { toOnnx } from '../../src/onnx/index.js';
import { LAYERS, LOSSES } from '../../src/onnx/rows.js';
import { savedModel } from '../support/saved-model.js';

/* What is in the file; tests/slow/onnx.test.ts runs it in ONNX Runtime. */

const linear = (input: number, output: number) => ({
  name: 'linear',
  settings: { out: output, bias: true },
  input,
  output,
  tensors: { weight: [output, input], bias: [output] },
});

describe('toOnnx', () => {
  it('writes scaling, layers and the loss one after another, with the batch left open', () => {
    const labels = ['ant', 'bee'];
    const saved = savedModel(
      [linear(3, 4), { name: 'relu', input: 4, output: 4 }, { name: 'dropout', input: 4, output: 4 }, linear(4, 2)],
      'softmax-cross-entropy',
      { scaling: { scale: [2, 1, 0.5], shift: [1, 0, 3] }, targets: { kind: 'classes', width: 2 }, labels },
    );
    const { graph, opsetImport, irVersion, producerName, metadataProps } = fromBinary(ModelProtoSchema, toOnnx(saved));
    expect({ irVersion, producerName, opset: opsetImport.map(({ version }) => version) }).toEqual({
      irVersion: 8n,
      producerName: 'downhill',
      opset: [17n],
    });
    const { node, input, output, initializer } = graph!;
    expect(node.map(({ opType }) => opType)).toEqual(['Sub', 'Mul', 'Gemm', 'Relu', 'Gemm', 'Softmax']);
    // Each takes what the one before gives.
    expect(node.map(({ input: [x] }) => x)).toEqual(['input', ...node.slice(0, -1).map(({ output: [y] }) => y)]);
    expect(node.at(-1)!.output).toEqual(['output']);
    const shape = ([value]: typeof input) => {
      const type = value!.type!.value;
      if (type.case !== 'tensorType') throw new Error('no tensor');
      return type.value.shape!.dim.map((dim) => dim.value.value);
    };
    expect(shape(input)).toEqual(['batch', 3n]);
    expect(shape(output)).toEqual(['batch', 2n]);
    const weight = initializer.find(({ name }) => name === '3.weight')!;
    expect(weight.dims).toEqual([2n, 4n]);
    expect([...new Float32Array(weight.rawData.slice().buffer)]).toEqual([...saved.tensors.get('3.weight')!.values]);
    const mean = initializer.find(({ name }) => name === 'input.mean')!;
    expect([...new Float32Array(mean.rawData.slice().buffer)]).toEqual([-0.5, -0, -6]);
    expect(Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]))).toEqual({
      step: '12',
      labels: '["ant","bee"]',
    });
  });

  it('writes nothing where there is nothing to do', () => {
    const saved = savedModel([linear(2, 1), { name: 'identity', input: 1, output: 1 }], 'mse');
    const { graph } = fromBinary(ModelProtoSchema, toOnnx(saved));
    expect(graph!.node.map(({ opType, output }) => [opType, ...output])).toEqual([['Gemm', 'output']]);
  });

  it('knows every layer and loss of the library, and no other', () => {
    expect(Object.keys(LAYERS).sort()).toEqual(Object.keys(layerRows).sort());
    expect(Object.keys(LOSSES).sort()).toEqual(
      Object.values(losses)
        .map(({ row }) => row.name)
        .sort(),
    );
  });

  it('refuses what ONNX has nothing for, by place and name, and what is no model', () => {
    const own = savedModel([linear(2, 1), { name: 'maxout', input: 1, output: 1 }], 'mse');
    expect(() => toOnnx(own)).toThrow(
      expect.objectContaining({
        code: 'EXPORT-UNSUPPORTED',
        message: expect.stringMatching(/layers\[1\] is maxout.*Export a model of linear, identity/),
      }),
    );
    for (const name of ['hinge', 'toString'])
      expect(() => toOnnx(savedModel([linear(2, 1)], name))).toThrow(
        expect.objectContaining({
          code: 'EXPORT-UNSUPPORTED',
          message: expect.stringContaining(`The loss is ${name}`),
        }),
      );
    const large = savedModel([linear(2, 1)], 'mse');
    const tensors = new Map([
      ['0.weight', { shape: [2, 2 ** 28], values: { length: 2 ** 29 } as Float32Array<ArrayBuffer> }],
    ]);
    expect(() => toOnnx({ ...large, tensors })).toThrow(/take 2147483648 bytes; an ONNX file holds/);
    for (const none of [undefined, {}, 'x'])
      expect(() => toOnnx(none as never)).toThrow(expect.objectContaining({ code: 'OPTION-TYPE' }));
    expect(() => toOnnx(new Uint8Array(9))).toThrow(expect.objectContaining({ code: 'CHECKPOINT-CORRUPT' }));
  });
});
