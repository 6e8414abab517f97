import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, jsonLines, scratch } from '../support/cli.js';
import { expectMnist } from '../support/mnist.js';

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => ensureBuild());
const MNIST = resolve(import.meta.dirname, '../../../shared/data/mnist');

describe('in headless Chrome, the lecture’s net', () => {
  it('reaches 94 % on real MNIST in 10 epochs of Adam (8,000 train, 2,000 test)', async (context) => {
    if (!existsSync(MNIST)) context.skip(`no MNIST files at ${MNIST}`);
    const args = [
      'train',
      '--in',
      'chrome',
      '--data',
      `idx:${MNIST}`,
      '--optimizer',
      'adam',
      '--epochs',
      '10',
      '--json',
    ];
    const run = await downhill([...args, '--out', folder.path('mnist')]).done;
    expect(run.code, run.err).toBe(0);
    const result = jsonLines(run.out).at(-1)!;
    console.log(`MNIST test accuracy in Chrome ${result.accuracy}`);
    expect(result).toMatchObject({ type: 'result', step: 1250 });
    expect(result.accuracy).toBeGreaterThanOrEqual(0.94);
  }, 300_000);
});

describe('in headless Chrome, all of the training system', () => {
  it('reaches 96.5 % on real MNIST', (context) => expectMnist(context, 'chrome', folder.path('all')), 600_000);
});
