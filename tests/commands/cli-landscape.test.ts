import { afterAll, expect, it } from 'vitest';
import { landscape } from '../../harness/landscape/command.js';
import { fakeIo, scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);

it('downhill landscape --in node takes the ways with the kernels, and names the adapter', async () => {
  const io = fakeIo();
  const out = folder.path('saddle.svg');
  const flags = [
    'saddle',
    '--in',
    'node',
    '--optimizers',
    'sgd,momentum,adam',
    '--steps',
    '360',
    '--json',
    '--out',
    out,
  ];
  expect(await landscape(flags, io)).toBe(0);
  const told = JSON.parse(io.out());
  expect(told.place).not.toMatch(/float64/);
  const left = told.optimizers.map((each: { left: number }) => each.left);
  for (const [i, steps] of [349, 72, 77].entries()) expect(Math.abs(left[i] - steps)).toBeLessThanOrEqual(1);
});
