import { afterAll, expect, it } from 'vitest';
import { scratch } from '../support/cli.js';
import { buildWriter, killWriters } from '../support/store-kills.js';

const folder = scratch();
afterAll(folder.remove);

it('500 kills at random points of a save lose nothing', async () => {
  const writer = await buildWriter(folder.path('writer'));
  const { steps, midway, names } = await killWriters(writer, folder.path('killed'), 500);
  console.log(`${steps} checkpoints; ${midway} of 500 kills left a temporary file`);
  expect(steps).toBeGreaterThan(500);
  expect(midway).toBeGreaterThan(50); // or most kills came between two saves, and showed nothing
  expect(names.length).toBeLessThanOrEqual(4);
});
