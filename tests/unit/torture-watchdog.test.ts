import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { scratch } from '../support/cli.js';

/* The thread that watches the one of the campaigns, in a process that it may end. */

const folder = scratch();
afterAll(folder.remove);

describe('the watchdog', () => {
  /** @param stderr what the lines of the watchdog go into */
  const watched = (body: string, seconds = 2, stderr: 'pipe' | number = 'pipe') => {
    const file = folder.path('watched.mts');
    const watch = JSON.stringify(join(import.meta.dirname, '../../harness/torture/watch.ts'));
    writeFileSync(
      file,
      `import { watchThread } from ${watch};
       export async function main() {
         const watch = watchThread(${seconds});
         watch.at('npm run torture -- one --case 7');
         ${body}
         await watch.end();
         console.log('ended');
       }`,
    );
    const run = join(import.meta.dirname, '../../harness/run.mjs');
    return spawnSync(process.execPath, [run, file], {
      encoding: 'utf8',
      timeout: 60_000,
      stdio: ['ignore', 'pipe', stderr],
    });
  };

  it.each([
    ['a loop', 'await (async function around() { for (;;); })();'],
    [
      'microtasks, of many cases',
      "await (async function around() { for (;;) { await undefined; if (performance.now() % 1 < 0.01) watch.at('npm run torture -- one --case 7'); } })();",
    ],
  ])('ends what goes on for ever by %s, and says where', (_, body) => {
    const { signal, stdout, stderr } = watched(body);
    expect(stderr).toContain('npm run torture -- one --case 7');
    expect(stderr).toMatch(/ at around \(.*watched\.mts:\d+\)/);
    expect([signal, stdout]).toEqual(['SIGKILL', '']);
  });

  it('ends it where nobody hears why', () => {
    const full = openSync('/dev/full', 'w');
    expect(watched('for (;;);', 2, full).signal).toBe('SIGKILL');
    closeSync(full);
  });

  it('leaves what gives way', () => {
    const { status, stdout } = watched('await new Promise((done) => setTimeout(done, 6000));', 4);
    expect([status, stdout]).toEqual([0, 'ended\n']);
  });
});
