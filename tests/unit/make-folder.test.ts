import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { folderPlans, folderStore } from '../../src/node/index.js';
import { makeFolder } from '../../src/node/make-folder.js';
import { scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);

it('makes a folder with those above it, and says which was the first', () => {
  expect(makeFolder(folder.path('a', 'b', 'c'))).toBe(folder.path('a'));
  expect(existsSync(folder.path('a', 'b', 'c'))).toBe(true);
  expect(makeFolder(folder.path('a', 'b', 'd'))).toBe(folder.path('a', 'b', 'd'));
  expect(makeFolder(folder.path('a', 'b', 'd'))).toBeUndefined();
});

it('says what is in its way', () => {
  writeFileSync(folder.path('file'), '');
  expect(() => makeFolder(folder.path('file'))).toThrow(/EEXIST/);
  expect(() => makeFolder(folder.path('file', 'below'))).toThrow(/ENOTDIR/);
});

/* A test that failed here would hang: tests/commands/cli.test.ts, whose commands are killed, comes to the same. */
it.runIf(process.platform === 'linux')('ends below /proc', async () => {
  expect(() => makeFolder(join('/proc', 'nothing', 'below'))).toThrow(/ENOENT/);
  await expect(folderStore('/proc/nothing')).rejects.toMatchObject({ code: 'STORE-UNWRITABLE' });
  await expect(folderPlans('/proc/nothing').save('a', {} as never)).rejects.toThrow();
});
