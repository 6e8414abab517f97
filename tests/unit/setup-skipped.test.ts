import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);

const root = resolve(import.meta.dirname, '../..');
const vitest = (...args: string[]) =>
  spawnSync(
    process.execPath,
    [
      resolve(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--globals',
      '--root',
      folder.path(''),
      '--reporter',
      resolve(root, 'harness/skipped.ts'),
      ...args,
    ],
    { cwd: folder.path(''), encoding: 'utf8' },
  );

test('npm test names what was skipped, and why', () => {
  writeFileSync(
    folder.path('a.test.js'),
    `describe('group', () => {
      it('runs', () => {});
      it('has a reason', (context) => context.skip('no such file here'));
      it.skip('has none', () => {});
    });`,
  );
  const all = vitest();
  expect(all.stdout, all.stderr).toBe(
    '\nSkipped:\n  a.test.js > group > has a reason: no such file here\n  a.test.js > group > has none: no reason given\n',
  );
  // What -t leaves out was left out by whoever typed it.
  expect(vitest('-t', 'runs').stdout).toBe('');
});
