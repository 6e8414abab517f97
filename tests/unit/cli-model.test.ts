import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, describe, expect, it } from 'vitest';
import { main, needs } from '../../harness/cli.js';
import { parsePredict } from '../../harness/model/options.js';
import { csvText, npyBytes, type Predictions, tableLines, verdict } from '../../harness/model/predictions.js';
import { loadSamples } from '../../harness/model/samples.js';
import { readSaved } from '../../harness/model/saved.js';
import { csv } from '../../src/csv.js';
import { arrays, type Dataset, decodeSafetensors, encodeNpy, mlp, parseNpy, readModel } from '../../src/index.js';
import { tensorsOf } from '../../src/nn/model.js';
import { modelToJson } from '../../src/nn/model-json.js';
import type { Json } from '../../src/space/stateful.js';
import { encodeFile } from '../../src/train/checkpoint-file.js';
import { describeData } from '../../src/train/data-json.js';
import { floatTensor, savedShape } from '../../src/train/saved-tensor.js';
import { fakeIo, scratch } from '../support/cli.js';
import { randomFloats } from '../support/gpu.js';

const folder = scratch();
afterAll(folder.remove);

async function run(...args: string[]) {
  const io = fakeIo();
  const code = await main(args, io);
  return { code, out: io.out(), err: io.err() };
}

const animals = {
  ...arrays({ x: Float32Array.of(1, 2, 3, 4, 5, 6), y: Uint8Array.of(1, 0), classes: 3, features: 3 }),
  labels: ['ant', 'bee, "wild"', 'cat'],
} as Dataset;
const model = mlp({ sizes: [3, 4, 3] });

/** A checkpoint of a network that learns `data`, with something that only training needs. */
function checkpoint(data: Dataset, of = model): Uint8Array {
  const tensors = new Map(
    tensorsOf(of).map(({ name, shape }, i) => {
      const saved = savedShape(shape);
      const values = randomFloats(
        shape.reduce((a, b) => a * b),
        i,
      );
      return [name, floatTensor(saved, values)] as const;
    }),
  );
  tensors.set('optimizer.exp_avg.0.bias', floatTensor([4], new Float32Array(4)));
  const texts = { model: modelToJson(of) as unknown as Json, data: describeData(data) as unknown as Json };
  return encodeFile(7, tensors, { ...texts, state: { parts: {}, plan: {} } });
}

mkdirSync(folder.path('run'));
writeFileSync(folder.path('run', 'model.safetensors'), checkpoint(animals));

writeFileSync(folder.path('cut.safetensors'), checkpoint(animals).subarray(0, 100));

describe('downhill export', () => {
  const model = folder.path('run');

  it('writes ONNX beside the model, and not over what is there', async () => {
    const { code, out, err } = await run('export', '--model', model);
    expect(code, err).toBe(0);
    const path = folder.path('run', 'model.onnx');
    expect(out).toContain(path);
    expect(out.replace(/\s+/g, ' ')).toMatch(
      /3-4-3, after 7 steps: linear, relu; .* opset 17 input \[batch, 3\]: raw values.*output \[batch, 3\]: probabilities/,
    );
    const { graph } = fromBinary(ModelProtoSchema, readFileSync(path));
    expect(graph!.node.map(({ opType }) => opType)).toEqual(['Gemm', 'Relu', 'Gemm', 'Softmax']);
    expect(await run('export', '--model', model)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/model\.onnx already[\s\S]*--force/),
    });
    expect((await run('export', '--model', model, '--force')).code).toBe(0);
  });

  it('writes a .npy for each tensor, and takes nothing away', async () => {
    const path = folder.path('npy');
    mkdirSync(path);
    for (const name of ['notes.txt', '2.bias.npy']) writeFileSync(folder.path('npy', name), 'precious');
    const args = ['export', '--model', model, '--to', 'npy', '--out', path];
    expect((await run(...args)).code).toBe(1);
    expect(readFileSync(folder.path('npy', '2.bias.npy'), 'utf8')).toBe('precious');
    expect((await run(...args, '--force')).code).toBe(0);
    expect(readdirSync(path).sort()).toEqual(['0.bias.npy', '0.weight.npy', '2.bias.npy', '2.weight.npy', 'notes.txt']);
    const { shape, data } = parseNpy(readFileSync(folder.path('npy', '0.weight.npy')));
    const saved = readModel(readFileSync(folder.path('run', 'model.safetensors')));
    expect(shape).toEqual([4, 3]);
    expect(data).toEqual(saved.tensors.get('0.weight')!.values);
  });

  it('writes the network alone as safetensors', async () => {
    const path = folder.path('alone.safetensors');
    const file = folder.path('run', 'model.safetensors');
    expect((await run('export', '--model', file, '--to', 'safetensors', '--out', path)).code).toBe(0);
    const [before, after] = [readSaved(file).saved, readSaved(path).saved];
    expect(after).toEqual(before);
    const { tensors, metadata } = decodeSafetensors(readFileSync(path));
    expect([...tensors.keys()].sort()).toEqual(['0.bias', '0.weight', '2.bias', '2.weight']);
    expect(metadata.has('downhill.state')).toBe(false);
    expect(JSON.parse(metadata.get('downhill')!)).toMatchObject({ kind: 'model', step: 7 });
  });

  it.each([
    [['--to', 'onnx'], 2, 'OPTION-RANGE', /needs --model/],
    [['--model', 'x', '--to', 'onxx'], 2, 'OPTION-RANGE', /Did you mean 'onnx'/],
    [['--model', folder.path('no.safetensors')], 1, 'DATA-NOT-FOUND', /is not there/],
    [['--model', folder.path()], 1, 'DATA-NOT-FOUND', /Name a run that ended/],
    [['--model', import.meta.filename], 1, 'DATA-FORMAT', /cli-model\.test\.ts is no safetensors file/],
    [['--model', folder.path('cut.safetensors')], 1, 'CHECKPOINT-CORRUPT', /cut\.safetensors: The header/],
    [
      ['--model', folder.path('run'), '--out', folder.path('cut.safetensors/m.onnx')],
      1,
      'OUTPUT-UNWRITABLE',
      /cannot be written/,
    ],
  ])('%j is refused', async (args, code, errorCode, text) => {
    const answer = await run('export', ...args);
    expect(answer.code).toBe(code);
    expect(answer.err).toContain(errorCode);
    expect(answer.err).toMatch(text);
  });
});

describe('predictions', () => {
  const plain = (_: unknown, text: string) => text;
  const marked = (style: unknown, text: string) => (style === 'yellow' ? `[${text.trim()}]` : text);
  const saved = readSaved(folder.path('run')).saved;
  const asked = { ...animals, words: '' };
  const classes: Predictions = { saved, asked, outputs: Float32Array.of(0.25, 0.5, 0.25, 0.125, 0.125, 0.75) };

  it('of classes have their names and probabilities; those that are wrong stand out', () => {
    expect(tableLines(classes, 10, plain, 80)).toEqual([
      '  sample  predicted    probability  label',
      '       1  bee, "wild"      50.00 %  bee, "wild"',
      '       2  cat              75.00 %  ant',
    ]);
    expect(tableLines(classes, 10, marked, 80)[2]).toMatch(/\[cat\] .*\[75\.00 %\] .*\[ant\]/);
    expect(tableLines(classes, 1, plain, 80)).toHaveLength(2);
    expect(verdict(classes)).toBe('accuracy 50.00 %, 1 of 2 wrong');
    expect(csvText(classes)).toBe(
      'sample,predicted,probability,label,ant,"bee, ""wild""",cat\n' +
        '1,"bee, ""wild""",0.5,"bee, ""wild""",0.25,0.5,0.25\n2,cat,0.75,ant,0.125,0.125,0.75\n',
    );
    expect(parseNpy(npyBytes(classes))).toMatchObject({ shape: [2, 3], data: classes.outputs });
    // Without labels there is nothing to be right about.
    const unknown = { ...classes, asked: { ...asked, targets: undefined } } as unknown as Predictions;
    expect(verdict(unknown)).toBeUndefined();
    expect(tableLines(unknown, 1, plain, 80)[0]).toBe('  sample  predicted    probability');
  });

  it('of values have their names and what is true', () => {
    const data = {
      ...arrays({ x: new Float32Array(6), y: Float32Array.of(1, 3), features: 3 }),
      targetNames: ['price'],
    };
    const mse = mlp({ sizes: [3, 1], loss: 'mse' });
    const values: Predictions = {
      saved: readModel(checkpoint(data, mse)),
      asked: { ...data, words: '' },
      outputs: Float32Array.of(1.5, 2.5),
    };
    expect(tableLines(values, 5, plain, 80)).toEqual([
      '  sample  price  price, true',
      '       1    1.5            1',
      '       2    2.5            3',
    ]);
    expect(verdict(values)).toBe('R² 0.7500, RMSE 0.5');
    expect(csvText(values)).toBe('sample,price,"price, true"\n1,1.5,1\n2,2.5,3\n');
  });
});

describe('samples of downhill predict', () => {
  const load = (text: string, saved = readSaved(folder.path('run')).saved) => {
    const command = parsePredict(['--model', 'x', '--data', text]);
    if (command === 'help') throw new Error('help');
    return loadSamples(command.source, saved, fakeIo(), new AbortController().signal);
  };

  it('come from a table in the order it was trained in, with its target or without', async () => {
    const train = await csv('a,b,c\nx,1,10\ny,2,20\nx,3,30\n', { target: 'c' });
    const saved = readModel(checkpoint(train, mlp({ sizes: [3, 1], loss: 'mse' })));
    writeFileSync(folder.path('new.csv'), 'c,extra,b,a\n7,?,5,y\n');
    writeFileSync(folder.path('bare.csv'), 'b,a\n5,y\n');
    const [whole, bare] = [
      await load(`csv:${folder.path('new.csv')}`, saved),
      await load(`csv:${folder.path('bare.csv')}`, saved),
    ];
    expect([...whole.x]).toEqual([...bare.x]);
    expect(whole.targets).toMatchObject({ values: Float32Array.of(7) });
    expect(bare.targets).toBeUndefined();
    writeFileSync(folder.path('bad.csv'), 'b,a\n5,z\n');
    await expect(load(`csv:${folder.path('bad.csv')}`, saved)).rejects.toMatchObject({
      code: 'DATA-FORMAT',
      message: expect.stringMatching(
        /bad\.csv: .*the category "z" in row 2.* which the network was not trained on; it knows "x", "y"/,
      ),
      fix: 'Correct it, or train on a table that has it.',
    });
    await expect(load(`csv:${folder.path('new.csv')}`)).rejects.toMatchObject({
      code: 'DATA-MISMATCH',
      message: expect.stringMatching(/not trained on a table/),
    });
  });

  it("come from NumPy's files, with labels or without", async () => {
    writeFileSync(folder.path('x.npy'), encodeNpy(Float64Array.of(1, 2, 3, 4, 5, 6), [2, 3]));
    writeFileSync(folder.path('y.npy'), encodeNpy(Uint8Array.of(2, 1), [2]));
    const alone = await load(`npy:${folder.path('x.npy')}`);
    expect(alone).toMatchObject({ samples: 2, features: 3, x: Float32Array.of(1, 2, 3, 4, 5, 6) });
    expect(alone.targets).toBeUndefined();
    const both = await load(`npy:${folder.path('x.npy')},${folder.path('y.npy')}`);
    expect(both.targets).toMatchObject({ kind: 'classes', labels: expect.anything() });
    writeFileSync(folder.path('text.npy'), 'a,b');
    await expect(load(`npy:${folder.path('text.npy')}`)).rejects.toMatchObject({
      message: expect.stringMatching(/text\.npy begins with/),
    });
    writeFileSync(folder.path('wide.npy'), encodeNpy(new Float32Array(8), [2, 4]));
    await expect(load(`npy:${folder.path('wide.npy')}`)).rejects.toMatchObject({
      code: 'SHAPE-MISMATCH',
      message: expect.stringMatching(/takes 3 features; .*wide\.npy has 4/),
    });
  });

  it.each([
    [['--data', 'digits'], /needs --model/],
    [['--model', 'x'], /needs --data/],
    [['--model', 'x', '--data', 'csv'], /must be csv:FILE/],
    [['--model', 'x', '--data', 'digits', '--out', 'p.txt'], /must end in \.csv or \.npy/],
    [['--model', 'x', '--data', 'digits', '--show', '-1'], /--show must be/],
  ])('%j is refused before a device is asked for', async (args, text) => {
    const answer = await run('predict', ...args);
    expect(answer.code).toBe(2);
    expect(answer.err).toMatch(text);
  });

  it('has help, and says what a machine must have', async () => {
    expect((await run('predict', '--help')).out).toContain('--show N');
    expect((await run('export', '-h')).out).toContain('--to FORMAT');
    expect((await run()).out).toMatch(/predict .*\n +export /);
    expect(needs(['predict', '--model', 'x', '--data', 'digits'])).toEqual({ adapter: true, browser: false });
    expect(needs(['export', '--model', 'x'])).toEqual({ adapter: false, browser: false });
    expect(existsSync(folder.path('p.txt'))).toBe(false);
  });
});
