import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { errorParts } from '../../harness/common/io.js';
import { checkFit, fitted, shapeOf } from '../../harness/train/data.js';
import { loadData, readPlain } from '../../harness/train/node.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { csv, csvSamples } from '../../src/csv.js';
import { DownhillError, encodeNpy } from '../../src/index.js';
import { scratch } from '../support/cli.js';
import { seen } from '../support/data.js';
import { prices } from '../support/table.js';

const folder = scratch();
afterAll(folder.remove);
const file = folder.path('houses.csv');
writeFileSync(file, prices(50));

const commandOf = (...args: string[]) => parseTrain(args) as TrainCommand;

/** A run's configuration and data, as the command makes them. */
async function load(...args: string[]) {
  const { config, open } = commandOf(...args);
  const { data } = config;
  const paths = data.kind === 'csv' ? [data.file] : data.kind === 'npy' ? data.files : [];
  const parts = await loadData(config, await readPlain(paths), open);
  const fit = fitted(config, open, parts);
  checkFit(fit, shapeOf(parts));
  return { config: fit, ...parts };
}
const refused = (...args: string[]) =>
  load(...args).then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => {
      if (!(error instanceof DownhillError)) throw error;
      return error;
    },
  );

describe('--data csv', () => {
  it('fits network and loss to the data: a regression', async () => {
    const { config, train, test } = await load('--data', `csv:${file}`, '--target', 'price', '--batch', '16');
    expect(config.model).toMatchObject({ sizes: [5, 100, 100, 100, 100, 1], loss: 'mse' });
    expect([train.samples, test.samples]).toEqual([40, 10]);
    expect(train.featureNames).toEqual(['a', 'b', 'c', 'kind=down', 'kind=up']);
    // Features and target of the training part have mean 0 and variance 1; the test part has the same scaling.
    const values = seen(train);
    for (let feature = 0; feature < 5; feature++) {
      const column = Array.from({ length: 40 }, (_, i) => values[5 * i + feature]!);
      expect(column.reduce((sum, value) => sum + value, 0) / 40).toBeCloseTo(0, 6);
      expect(column.reduce((sum, value) => sum + value * value, 0) / 40).toBeCloseTo(1, 5);
    }
    expect([test.scale, test.shift]).toEqual([train.scale, train.shift]);
    if (train.targets.kind !== 'values' || test.targets.kind !== 'values') throw new Error('values');
    expect([test.targets.scale, test.targets.shift]).toEqual([train.targets.scale, train.targets.shift]);
    expect((train.targets.scale as number[])[0]).toBeLessThan(1e-3);
  });

  it('of classes, several targets, and columns left out', async () => {
    const classes = await load('--data', `csv:${file}`, '--target', 'kind', '--ignore', 'price,a', '--batch', '16');
    expect(classes.config.model).toMatchObject({ sizes: [2, 100, 100, 100, 100, 2], loss: 'softmax-cross-entropy' });
    expect(classes.train.labels).toEqual(['down', 'up']);
    const labels = (part: typeof classes.train) => (part.targets.kind === 'classes' ? part.targets.labels : []);
    const ups = [labels(classes.train), labels(classes.test)].map((own) => own.filter(Boolean).length);
    expect(Math.abs(ups[0]! - 4 * ups[1]!)).toBeLessThan(5); // stratified
    const two = await load('--data', `csv:${file}`, '--target', 'price,a', '--model', '4-8-2', '--batch', '16');
    expect(two.config.model).toMatchObject({ sizes: [4, 8, 2], loss: 'mse' });
    expect(two.train.targetNames).toEqual(['price', 'a']);
  });

  it('takes targets as the loss that was chosen wants them', async () => {
    const table = folder.path('ints.csv');
    writeFileSync(table, `a,k\n${Array.from({ length: 20 }, (_, i) => `${i},${i % 3}`).join('\n')}`);
    const line = ['--data', `csv:${table}`, '--target', 'k', '--batch', '4'];
    const classes = await load(...line, '--loss', 'softmax-cross-entropy');
    expect(classes.train.targets).toMatchObject({ kind: 'classes', classes: 3 });
    expect((await load(...line)).config.model.loss).toBe('mse');
    expect((await refused('--data', `csv:${file}`, '--target', 'kind', '--loss', 'mse')).message).toMatch(
      /"(up|down)" in row 2, column 4/,
    );
  });

  it('refuses numbers that are no classes where the loss takes classes', async () => {
    const classes = (target: string) =>
      refused('--data', `csv:${file}`, '--target', target, '--loss', 'softmax-cross-entropy', '--batch', '16');
    expect(await classes('price')).toMatchObject({
      code: 'OPTION-RANGE',
      message: expect.stringMatching(
        /houses\.csv: --loss softmax-cross-entropy takes classes, but price has numbers such/,
      ),
      fix: 'Use --loss mse to predict the number.',
    });
    const table = folder.path('many.csv');
    const rows = (classes: number) => Array.from({ length: 2 * classes }, (_, i) => `${i},${i % classes}`);
    const line = ['--data', `csv:${table}`, '--target', 'k', '--loss', 'softmax-cross-entropy'];
    writeFileSync(table, `a,k\n${rows(101).join('\n')}`);
    expect((await refused(...line)).message).toMatch(/k has 101 different numbers/);
    writeFileSync(table, `a,k\n${rows(100).join('\n')}`);
    expect((await load(...line)).train.targets).toMatchObject({ classes: 100 });
  });

  it('fills missing values as it is told', async () => {
    const table = folder.path('holes.csv');
    writeFileSync(table, `a,y\n${Array.from({ length: 20 }, (_, i) => `${i === 3 ? '' : i},${i}`).join('\n')}`);
    const line = ['--data', `csv:${table}`, '--target', 'y', '--batch', '4'];
    expect(await refused(...line)).toMatchObject({
      code: 'DATA-FORMAT',
      message: expect.stringMatching(/holes\.csv: .*row 5, column 1/),
    });
    expect((await load(...line, '--missing', '7')).train.features).toBe(1);
    expect((await load(...line, '--missing', 'category')).train.features).toBe(2);
  });

  it('is read as its flags say, and its encoding keeps how', async () => {
    const table = folder.path('foreign.csv');
    const rows = Array.from({ length: 20 }, (_, i) => `${i === 3 ? '' : `${i},5`}|${i % 4 ? 'lawn' : ''}|${2 * i},0`);
    writeFileSync(table, `size|garden|price\n${rows.join('\n')}`);
    const line = ['--data', `csv:${table}`, '--target', 'price', '--batch', '4', '--delimiter', '|', '--decimal', ','];
    const { config, train, validation } = await load(
      ...line,
      '--missing',
      'median,garden=category',
      '--validation',
      '0.2',
    );
    expect(config.data).toMatchObject({ delimiter: '|', decimal: ',', missing: 'median' });
    expect(config.data).toMatchObject({ missingIn: { garden: 'category' } });
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
    expect(train.featureNames).toEqual(['size', 'garden=lawn', 'garden (missing)']);
    expect(validation!.encoding).toMatchObject({
      delimiter: '|',
      decimal: ',',
      columns: [{ kind: 'number', fill: 10.5 }, {}],
    });
    const other = await csv('garden|size|price\nlawn|1,5|\n', { encoding: train.encoding! }).catch(errorParts);
    expect(other).toMatchObject({ message: expect.stringMatching(/no value to predict in row 2/) });
    const { x } = await csvSamples('garden|size\nlawn|1,5\n', { encoding: train.encoding! });
    expect([...x]).toEqual([1.5, 1, 0]);
    // Only where they are named.
    expect(errorParts(await refused(...line, '--missing', 'garden=category'))).toMatchObject({
      message: expect.stringMatching(/foreign\.csv: csv has no value in row 5, column 1/),
      fix: 'Fill it in, or add --missing size=median (or mean, category, a number), or --ignore size.',
    });
  });

  it.each<[string, string[], RegExp]>([
    ['a,y\n1,2\n"1,5",3\n', [], /add --decimal ','\.$/],
    ['a;y\n1;2\n1.5;3', ['--decimal', ','], /leave out --decimal ','\.$/],
    ['a,y\n1,2\nx,3\n', [], /empty the cell, or leave the column out with --ignore a\.$/],
    ['a,y\nx,2\n,3\n', [], /add --missing a=category, or --ignore a\.$/],
    ['my a,b,y\n,1,2\n,2,3\n', [], /^Leave it out with --ignore "my a"\.$/],
    ['a,y\n1,2\n1,2,3\n', [], /or name the right one with --delimiter\.$/],
    ['1,2\n3,4\n', [], /^Put a row with the columns' names in front\.$/],
    [`a,y\n${Array.from({ length: 101 }, (_, i) => `x${i},${i}`).join('\n')}`, [], /^Leave it out with --ignore a\.$/],
  ])('says in flags what is to be done about %j', async (text, flags, fix) => {
    const table = folder.path('wrong.csv');
    writeFileSync(table, text);
    const error = await refused('--data', `csv:${table}`, '--target', 'y', '--batch', '1', ...flags);
    expect(errorParts(error)).toMatchObject({
      message: expect.stringMatching(/wrong\.csv: /),
      fix: expect.stringMatching(fix),
    });
  });

  it('names the flags that name columns', async () => {
    const line = ['--data', `csv:${file}`, '--target', 'price'];
    const message = async (...args: string[]) => errorParts(await refused(...args)).message;
    expect(await message(...line, '--ignore', 'id')).toMatch(/: --ignore names "id", but csv has/);
    expect(await message(...line, '--missing', 'mean,id=0')).toMatch(/: --missing names "id", but csv has/);
    expect(await message(...line, '--ignore', 'price')).toMatch(
      /the target price is named twice in --target and --ignore/,
    );
  });

  it('names file, column and network that do not go together', async () => {
    expect(await refused('--data', `csv:${folder.path('no.csv')}`, '--target', 'y')).toMatchObject({
      code: 'DATA-NOT-FOUND',
    });
    expect((await refused('--data', `csv:${file}`, '--target', 'prize')).fix).toBe("Did you mean 'price'?");
    expect(
      (await refused('--data', `csv:${file}`, '--target', 'price', '--model', '3-1', '--batch', '8')).message,
    ).toMatch(/3 inputs and 1 outputs, the data 5 features and 1 targets.*--model 5-1/);
  });
});

describe('--data npy', () => {
  it('reads two files', async () => {
    const [x, y] = [folder.path('x.npy'), folder.path('y.npy')];
    writeFileSync(
      x,
      encodeNpy(
        Float32Array.from({ length: 60 }, (_, i) => i),
        [20, 3],
      ),
    );
    writeFileSync(
      y,
      encodeNpy(
        Uint8Array.from({ length: 20 }, (_, i) => i % 4),
        [20],
      ),
    );
    const { config, train } = await load('--data', `npy:${x},${y}`, '--batch', '8');
    expect(config.model.sizes).toEqual([3, 100, 100, 100, 100, 4]);
    expect(train).toMatchObject({ samples: 16, targets: { kind: 'classes' } });
    expect((await load('--data', `npy:${x},${y}`, '--batch', '8', '--loss', 'mse')).train.targets.kind).toBe('values');
    expect((await refused('--data', `npy:${x},${x}`, '--loss', 'softmax-cross-entropy')).message).toMatch(/x\.npy/);
  });
});

describe('flags of files', () => {
  it.each<[string[], RegExp]>([
    [['--data', 'csv:x.csv'], /needs to know what to predict/],
    [['--data', 'csv:'], /--data must be/],
    [['--data', 'npy:x.npy'], /a file of samples and one of targets/],
    [['--data', 'npy:a,b,c'], /a file of samples and one of targets/],
    [['--target', 'y'], /--target is for --data csv/],
    [['--data', 'npy:x.npz', '--missing', 'mean'], /--missing is for --data csv/],
    [['--data', 'csv:x.csv', '--target', 'y', '--missing', 'zero'], /--missing must be one of/],
    [['--data', 'csv:x.csv', '--target', 'y', '--missing', 'a=zero'], /--missing must be one of/],
    [['--data', 'csv:x.csv', '--target', 'y', '--missing', 'mean,0'], /two things of the same columns/],
    [['--data', 'csv:x.csv', '--target', 'y', '--missing', 'a=0,a=1'], /two things of the same columns/],
    [['--data', 'csv:x.csv', '--target', 'y', '--delimiter', ';;'], /--delimiter must be one character/],
    [['--data', 'csv:x.csv', '--target', 'y', '--decimal', '/'], /--decimal must be one of/],
    [['--data', 'digits', '--decimal', ','], /--decimal is for --data csv/],
    [['--data', 'csv:x.csv', '--target', 'y', '--samples', '5'], /--samples is for --data digits/],
  ])('%s are refused', (args, message) => {
    expect(() => parseTrain(args)).toThrow(message);
  });
});
