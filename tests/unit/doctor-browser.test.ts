import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { main } from '../../harness/cli.js';
import { findBrowser } from '../../harness/pages/find.js';
import { fakeIo, scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);
afterEach(() => vi.unstubAllEnvs());

test('DOWNHILL_BROWSER is the browser, by a name that a list of versions can have', async () => {
  writeFileSync(folder.path('my-chrome'), '');
  vi.stubEnv('DOWNHILL_BROWSER', folder.path('my-chrome'));
  expect(await findBrowser()).toEqual({ name: 'Chromium', executablePath: folder.path('my-chrome') });
});

test('DOWNHILL_BROWSER that names nothing is NO-BROWSER', async () => {
  vi.stubEnv('DOWNHILL_BROWSER', folder.path('gone'));
  await expect(findBrowser()).rejects.toMatchObject({ code: 'NO-BROWSER', message: expect.stringMatching(/gone/) });
});

test('doctor --help names the variables that choose driver and browser', async () => {
  const io = fakeIo();
  expect(await main(['doctor', '--help'], io)).toBe(0);
  expect(io.out()).toMatch(/VK_DRIVER_FILES[\s\S]*DOWNHILL_BROWSER/);
});
