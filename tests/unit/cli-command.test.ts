import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { main } from '../../harness/cli.js';
import { printError } from '../../harness/common/io.js';
import { buildData, checkFit, shapeOf } from '../../harness/train/data.js';
import { loadData, readIdx } from '../../harness/train/node.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { DownhillError, type Targets } from '../../src/index.js';
import { fakeIo, jsonLines, scratch, writeIdx } from '../support/cli.js';
import { seen } from '../support/data.js';

const folder = scratch();
afterAll(folder.remove);

mkdirSync(folder.path('idx'));
writeIdx(folder.path('idx'), 'train', 40);
writeIdx(folder.path('idx'), 't10k', 12);
mkdirSync(folder.path('part'));
writeIdx(folder.path('part'), 't10k', 10);
writeFileSync(folder.path('file'), '');

const configOf = (...args: string[]) => (parseTrain(args) as TrainCommand).config;

async function run(...args: string[]) {
  const io = fakeIo();
  const code = await main(args, io);
  return { code, out: io.out(), err: io.err() };
}

describe('downhill', () => {
  it('tells its version and its commands', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(await run('--version')).toEqual({ code: 0, out: `${version}\n`, err: '' });
    expect((await run('help')).out).toMatch(
      /train .*\n.*predict .*\n.*export .*\n.*inspect .*\n.*gradcheck .*\n[\s\S]*bench .*\n.*doctor/,
    );
    expect((await run()).code).toBe(2);
    expect((await run('train', '--help')).out).toContain('--weight-decay');
  });

  it('prints an error calmly: what, what to do, its code; no stack', async () => {
    const { code, out, err } = await run('trian');
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toBe(
      "\n  error  There is no command 'trian'.\n  fix    Did you mean 'train'?\n  code   COMMAND-UNKNOWN\n\n",
    );
  });

  it('breaks an error to the width of a terminal, and only there', () => {
    const error = new DownhillError('OPTION-RANGE', 'What is wrong takes some words.', 'So does what to do about it.');
    const written: string[] = [];
    const write = (text: string) => written.push(text);
    printError(error, { write, columns: 32 });
    printError(error, { write });
    expect(written[0]).toBe(
      '\n  error  What is wrong takes\n         some words.\n  fix    So does what to do\n         about it.\n  code   OPTION-RANGE\n\n',
    );
    expect(written[1]).toBe(
      '\n  error  What is wrong takes some words.\n  fix    So does what to do about it.\n  code   OPTION-RANGE\n\n',
    );
  });
});

describe('downhill train refuses before it asks for a device', () => {
  const idx = `idx:${folder.path('idx')}`;
  it.each([
    ['a flag', ['--lr', '-1'], 2, 'HYPER-RANGE', /at least 0/],
    ['an absent folder of data', ['--data', `idx:${folder.path('no')}`], 1, 'DATA-NOT-FOUND', /does not exist/],
    ['a folder without IDX files', ['--data', `idx:${folder.path('')}`], 1, 'DATA-NOT-FOUND', /lacks/],
    ['a network that does not fit digits', ['--model', '16-8-10'], 2, 'SHAPE-MISMATCH', /Use --model 784-8-10/],
    ['a network that does not fit files', ['--data', idx, '--model', '9-4'], 2, 'SHAPE-MISMATCH', /Use --model 16-4/],
    ['too few classes', ['--data', idx, '--model', '16-3'], 1, 'DATA-LABEL', /sample 3/],
    [
      'a batch larger than the data',
      ['--data', idx, '--model', '16-4', '--batch', '41'],
      2,
      'OPTION-RANGE',
      /at most 40/,
    ],
    ['a warm-up longer than the epochs', ['--epochs', '1', '--warmup', '125'], 2, 'OPTION-RANGE', /has 125 steps/],
    ['the same for digits', ['--batch', '9000', '--in', 'chrome'], 2, 'OPTION-RANGE', /at most 8000/],
    [
      '--out below a file',
      ['--samples', '200', '--out', folder.path('file', 'x')],
      1,
      'OUTPUT-UNWRITABLE',
      /is a file/,
    ],
    ['--out that is a file', ['--samples', '200', '--out', folder.path('file')], 1, 'OUTPUT-UNWRITABLE', /file/],
  ])('%s', async (_, args, exit, errorCode, text) => {
    const { code, out, err } = await run('train', ...args);
    expect(err).toContain(`code   ${errorCode}`);
    expect(err.replace(/\n\s+fix\s+/, ' ')).toMatch(text);
    expect(err).not.toMatch(/\bat .*\.ts:/);
    expect({ code, out }).toEqual({ code: exit, out: '' });
    expect(existsSync(folder.path('file', 'x'))).toBe(false);
  });

  it('a folder that has a run', async () => {
    mkdirSync(folder.path('run'));
    writeFileSync(folder.path('run', 'metrics.jsonl'), 'precious\n');
    const { code, err } = await run('train', '--samples', '200', '--out', folder.path('run'));
    expect(code).toBe(1);
    expect(err).toMatch(/has metrics\.jsonl in it already[\s\S]*--force[\s\S]*OUTPUT-UNWRITABLE/);
    expect(readFileSync(folder.path('run', 'metrics.jsonl'), 'utf8')).toBe('precious\n');
  });

  it('an HTML page in place of a file, and names the folder', async () => {
    mkdirSync(folder.path('html'));
    writeIdx(folder.path('html'), 't10k', 4);
    writeFileSync(folder.path('html', 't10k-images-idx3-ubyte'), '<!doctype html><title>Sign in</title>');
    const { code, err } = await run('train', '--data', `idx:${folder.path('html')}`, '--model', '16-4');
    expect(code).toBe(1);
    expect(err).toMatch(/DATA-FORMAT/);
    expect(err).toContain(folder.path('html'));
  });

  it('with --json also as a line of JSON', async () => {
    const { code, out, err } = await run('train', '--data', `idx:${folder.path('no')}`, '--json');
    expect(code).toBe(1);
    expect(jsonLines(out)).toMatchObject([{ type: 'error', code: 'DATA-NOT-FOUND' }]);
    expect(err).toContain('DATA-NOT-FOUND');
  });

  it('with --json also where a flag is wrong', async () => {
    const { code, out, err } = await run('train', '--json', '--lrr', '1');
    expect(code).toBe(2);
    expect(jsonLines(out)).toEqual([
      { type: 'error', code: 'OPTION-UNKNOWN', message: 'train has no flag --lrr.', fix: "Did you mean '--lr'?" },
    ]);
    expect(err).toContain('OPTION-UNKNOWN');
  });
});

describe('data of a run', () => {
  it('comes from both parts of a folder, standardised by the training part', async () => {
    const config = configOf('--data', `idx:${folder.path('idx')}`, '--model', '16-4');
    const data = await loadData(config, await readIdx(folder.path('idx')));
    expect(shapeOf(data)).toEqual({ train: 40, test: 12, features: 16, classes: 4 });
    expect([data.test.scale, data.test.shift]).toEqual([data.train.scale, data.train.shift]);
    const values = seen(data.train);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean).toBeCloseTo(0, 6);
    expect(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length).toBeCloseTo(1, 6);
  });

  it('is split where there is one part', async () => {
    const config = configOf('--data', `idx:${folder.path('part')}`, '--model', '16-4', '--scale', 'unit');
    const data = await loadData(config, await readIdx(folder.path('part')));
    expect(shapeOf(data)).toMatchObject({ train: 8, test: 2 });
    expect([data.train.scale, data.train.shift]).toEqual([1 / 255, 0]);
  });

  it('has one-hot targets for the mean squared error', async () => {
    const classes = (targets: Targets) => (targets.kind === 'classes' ? [...targets.labels] : undefined);
    const digits = await buildData(configOf('--samples', '20'));
    const values = await buildData(configOf('--samples', '20', '--loss', 'mse'));
    const { targets } = values.test;
    if (targets.kind !== 'values') throw new Error('no values');
    expect(targets.width).toBe(10);
    const back = Array.from({ length: 4 }, (_, i) => targets.values.subarray(10 * i, 10 * i + 10).indexOf(1));
    expect(back).toEqual(classes(digits.test.targets));
    expect(targets.values.reduce((sum, value) => sum + value, 0)).toBe(4);
    expect([values.test.scale, values.test.shift]).toEqual([digits.test.scale, digits.test.shift]);
    expect(() => checkFit(configOf('--batch', '16'), shapeOf(values))).not.toThrow();
  });
});
