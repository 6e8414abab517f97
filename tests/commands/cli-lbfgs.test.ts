import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, scratch } from '../support/cli.js';

/* `downhill train` with a rule that ends by itself. */

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => ensureBuild());

it('trains with lbfgs until it ends by itself, says why, and refuses mini-batches with the reason', async () => {
  const line = ['train', '--optimizer', 'lbfgs', '--samples', '200', '--model', '784-32-10', '--activation', 'tanh'];
  const { code, out, err } = await downhill([...line, '--out', folder.path('lbfgs')]).done;
  expect(code, err).toBe(0);
  expect(out).toMatch(/L-BFGS: lr 1, history 10, trials 4/);
  expect(out).toMatch(/stopped +(at a gradient as small as was asked for|where steps no longer change)/);
  const { steps, sampling } = JSON.parse(readFileSync(folder.path('lbfgs/config.json'), 'utf8')).config;
  expect({ steps, sampling }).toEqual({ steps: 200, sampling: 'full' });

  const mini = await downhill([...line, '--sampling', 'shuffle', '--out', folder.path('mini')]).done;
  expect(mini.code).not.toBe(0);
  expect(mini.err).toMatch(/mini-batches differ by the batches/);
});
