import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { endProcesses, sweep } from '../../harness/common/scratch.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, scratch } from '../support/cli.js';

const own = scratch();
afterAll(own.remove);
beforeAll(() => void ensureBuild());
let tmp = '';
beforeEach(() => {
  tmp = mkdtempSync(own.path('tmp-'));
});

/** A number that no process has: beyond what Linux gives out. */
const DEAD = 2 ** 22 + 1;

/** What a process of that number has left. */
function left(pid: number, owner?: object, file = 'owner.json'): string {
  const folder = join(tmp, `downhill-${pid}-abcdef`);
  mkdirSync(join(folder, '0'), { recursive: true });
  if (owner) writeFileSync(join(folder, file), JSON.stringify(owner));
  return folder;
}

describe('what killed processes left in the temporary folder', () => {
  it('goes where it is ours, of this machine, and of a process that is no more', () => {
    left(DEAD, { host: hostname() });
    sweep(tmp);
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('goes when a command begins, also one that is refused', async () => {
    left(DEAD, { host: hostname() });
    expect((await downhill(['train', '--resume', own.path('nowhere')], { TMPDIR: tmp }).done).code).not.toBe(0);
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('stays where the process lives, or is one of another machine, or of nobody knows whom', () => {
    left(process.pid, { host: hostname() });
    left(DEAD, { host: `not-${hostname()}` });
    left(DEAD + 1);
    mkdirSync(join(tmp, 'downhill-pages-5f83efb63f60d2a4'));
    mkdirSync(join(tmp, `downhill-${DEAD}-longer-name`));
    writeFileSync(join(tmp, `downhill-${DEAD}-abcdeg`), 'a file');
    const before = readdirSync(tmp);
    sweep(tmp);
    expect(readdirSync(tmp)).toEqual(before);
  });

  it('is not followed where it is a link', () => {
    const target = own.path('precious');
    mkdirSync(target);
    writeFileSync(join(target, 'owner.json'), JSON.stringify({ host: hostname() }));
    symlinkSync(target, join(tmp, `downhill-${DEAD}-abcdef`));
    sweep(tmp);
    expect(readdirSync(target)).toEqual(['owner.json']);
    expect(readdirSync(tmp)).toHaveLength(1);
  });

  it('goes where the process was killed before it said whose it is, a minute later', () => {
    const folder = join(tmp, `downhill-${DEAD}-abcdef`);
    mkdirSync(folder);
    sweep(tmp);
    expect(existsSync(folder)).toBe(true);
    const past = Date.now() / 1000 - 120;
    utimesSync(folder, past, past);
    sweep(tmp);
    expect(existsSync(folder)).toBe(false);
  });

  it('is no reason to fail where the folder cannot be read', () => {
    expect(() => sweep(join(tmp, 'nowhere'))).not.toThrow();
  });
});

it('kills nothing where no command line can be read', () => {
  const folder = left(DEAD, { host: hostname() });
  symlinkSync(`${hostname()}-1234567`, join(folder, '0', 'SingletonLock'));
  const kill = vi.spyOn(process, 'kill');
  vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
  try {
    sweep(tmp);
    expect(kill.mock.calls.filter(([, signal]) => signal !== 0)).toEqual([]);
    expect(readdirSync(tmp)).toEqual([]);
  } finally {
    vi.restoreAllMocks();
  }
});

describe.runIf(process.platform === 'linux')('on Linux', () => {
  it('it goes where the number is another process by now, as in a container that starts again', () => {
    left(process.pid, { host: hostname(), born: '1' });
    sweep(tmp);
    expect(readdirSync(tmp)).toEqual([]);
  });

  const sleeper = async (env: object) => {
    const child = spawn('sleep', ['1000'], { env: { ...process.env, ...env }, stdio: 'ignore' });
    await new Promise((resolve) => child.once('spawn', resolve));
    return { child, ended: new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal))) };
  };

  it('a process that hangs in it ends with it, and no other', async () => {
    const folder = left(DEAD, { host: hostname() });
    const [inside, outside] = [await sleeper({ TMPDIR: join(folder, '0') }), await sleeper({ TMPDIR: tmp })];
    // As a lock of Chrome's that a dead browser left, whose number is another process by now.
    symlinkSync(`${hostname()}-${outside.child.pid}`, join(folder, '0', 'SingletonLock'));
    inside.child.kill('SIGSTOP');
    sweep(tmp);
    expect(await inside.ended).toBe('SIGKILL');
    outside.child.kill('SIGTERM');
    expect(await outside.ended).toBe('SIGTERM');
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('what ends in part 1 is not what is in part 10', async () => {
    const [inside, beside] = [await sleeper({ TMPDIR: join(tmp, '1') }), await sleeper({ TMPDIR: join(tmp, '10') })];
    endProcesses(join(tmp, '1'));
    expect(await inside.ended).toBe('SIGKILL');
    beside.child.kill('SIGTERM');
    expect(await beside.ended).toBe('SIGTERM');
  });
});
