import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { lossPlane } from '../../harness/plane/command.js';
import { train } from '../../harness/train/command.js';
import { fakeIo, scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);

const net = ['--samples', '200', '--model', '784-8-10', '--batch', '16', '--norm', 'batch'];
const small = ['--grid', '5', '--evaluate', '60'];
const numbers = (file: string) => JSON.parse(readFileSync(folder.path(file), 'utf8'));

it('loss-plane trains, draws every plane, and says what it saw', async () => {
  const io = fakeIo();
  const out = folder.path('own');
  expect(await lossPlane([...net, ...small, '--steps', '12', '--every', '3', '--out', out], io)).toBe(0);
  expect(io.out()).toMatch(/784-8-10 +after 12 steps of adam/);
  expect(io.out()).toMatch(/random plane +25 points, 26 at a time in 1 pass/);
  for (const plane of ['random', 'pca', 'line'])
    expect(readFileSync(`${out}/${plane}.svg`, 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s);
  const pca = numbers('own/pca.json');
  expect(pca).toMatchObject({ plane: 'pca', samples: 60, path: { steps: [0, 3, 6, 9, 12] } });
  expect(pca.loss).toHaveLength(25);
  expect(numbers('own/line.json').x).toHaveLength(51);
  // The same of the run's folder again needs a word.
  await expect(lossPlane([...net, '--steps', '12', '--out', out], fakeIo())).rejects.toMatchObject({
    code: 'OUTPUT-UNWRITABLE',
  });
});

it('loss-plane draws a run of train, with its checkpoints as the path', async () => {
  const run = folder.path('run');
  const saved = ['--save-every', '4', '--keep', '10', '--out', run];
  expect(await train([...net, '--steps', '12', ...saved, '--allow-divergence'], fakeIo())).toBe(0);
  const io = fakeIo();
  const line = ['--run', run, ...small, '--planes', 'pca,random', '--out', folder.path('drawn'), '--json'];
  expect(await lossPlane(line, io)).toBe(0);
  const { planes } = JSON.parse(io.out());
  expect(planes).toMatchObject([
    { plane: 'pca', samples: 60, points: 25, share: [expect.any(Number), expect.any(Number)] },
    { plane: 'random', seed: 0 },
  ]);
  // As the same training, whose checkpoints are its steps.
  const again = folder.path('again');
  await lossPlane([...net, ...small, '--steps', '12', '--every', '4', '--planes', 'random', '--out', again], fakeIo());
  expect(numbers('again/random.json').loss).toEqual(numbers('drawn/random.json').loss);
});

it('loss-plane says how the loss bends at the weights, where the layers have products with the Hessian', async () => {
  const io = fakeIo();
  const out = folder.path('bent');
  const line = [
    '--samples',
    '100',
    '--model',
    '784-4-10',
    '--steps',
    '3',
    '--planes',
    'random',
    '--grid',
    '3',
    '--out',
    out,
  ];
  expect(await lossPlane(line, io)).toBe(0);
  expect(io.out()).toMatch(/eigenvalues of the Hessian at the weights: -?\d\S* to \d\S*\n/);
  expect(readFileSync(`${out}/random.svg`, 'utf8')).toContain('eigenvalues of the Hessian');
  const [least, largest] = numbers('bent/random.json').eigenvalues;
  expect(least).toBeLessThan(largest);
  expect(numbers('own/random.json').eigenvalues).toBeUndefined();
});
