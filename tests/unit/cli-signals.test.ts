/** Signals that reach real processes of the command line, before and without a GPU. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => {
  ensureBuild();
  mkdirSync(folder.path('tmp'));
});

const run = (...args: string[]) => downhill(args, { TMPDIR: folder.path('tmp') });
/** Until its handlers are there, of which Linux tells, and a moment more; what it is to do then takes minutes. */
async function begun({ pid }: ChildProcess): Promise<void> {
  const status = `/proc/${pid}/status`;
  const caught = () => Number.parseInt(/^SigCgt:\s*(\w+)/m.exec(readFileSync(status, 'utf8'))![1]!.slice(-2), 16);
  while (existsSync(status) && !(caught() & HANGUP)) await sleep(50);
  await sleep(1000);
}
/** A second is promised to who has a processor: here others may have all of them. */
const ENDED_MS = 8000;
/** SIGHUP is signal 1. Node itself catches the other two. */
const HANGUP = 1;

describe.skipIf(process.platform === 'win32')('a signal', () => {
  // A million digits take half a minute to draw.
  const drawing = ['--samples', '1000000', '--out', folder.path('run')];
  it.each([
    ['SIGINT', 130, ['train', ...drawing]],
    ['SIGTERM', 143, ['compare', 'batching', ...drawing]],
    ['SIGHUP', 129, ['tune', '--samples', '1000000']],
    ['SIGTERM', 143, ['landscape', 'rosenbrock', '--steps', '100000', '--out', folder.path('way.svg')]],
  ] as const)('%s ends with %i: %j', async (signal, expected, args) => {
    const { process: child, done } = run(...args);
    await begun(child);
    const start = performance.now();
    child.kill(signal);
    const { code, out, err } = await done;
    expect([code, out, err]).toEqual([expected, '', '']);
    expect(performance.now() - start).toBeLessThan(ENDED_MS);
    expect(readdirSync(folder.path())).toEqual(['tmp']);
    expect(readdirSync(folder.path('tmp'))).toEqual([]);
  });

  it('ends a server', async () => {
    const page = run('page', '--port', '0');
    await page.seen(/Open/);
    page.process.kill('SIGHUP');
    expect((await page.done).code).toBe(129);
  });
});
