import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { lockFolder } from '../../harness/common/lock.js';
import { sweep } from '../../harness/common/scratch.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { RunFolder } from '../../harness/train/run-folder.js';
import { isAlive } from '../../src/node/index.js';
import { scratch } from '../support/cli.js';

/** What happens in between: after a file was made and before its text is in it; instead of a link. */
const meanwhile: { written?: (() => void) | undefined; link?: (() => void) | undefined } = {};
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const writeFile: typeof fs.writeFileSync = (file, data, options) => {
    const { written } = meanwhile;
    meanwhile.written = undefined;
    if (!written) return fs.writeFileSync(file, data, options);
    fs.writeFileSync(file, '', options);
    written();
    fs.writeFileSync(file, data);
  };
  const link: typeof fs.linkSync = (from, to) => (meanwhile.link ? meanwhile.link() : fs.linkSync(from, to));
  return { ...fs, writeFileSync: writeFile, linkSync: link };
});

const folder = scratch();
afterAll(folder.remove);

const { config } = parseTrain([]) as TrainCommand;
/** The number of a process that is no more. */
const dead = spawnSync(process.execPath, ['-e', '']).pid;
const lockFile = (name: string) => folder.path(name, '.downhill-lock');
const holderOf = (name: string) => JSON.parse(readFileSync(lockFile(name), 'utf8')).pid;

describe('the folder of a run', () => {
  it('is refused to a second run at once, with --force too, and given to the next one', () => {
    const first = new RunFolder(folder.path('run'), config);
    const refused = expect.objectContaining({
      code: 'OUTPUT-UNWRITABLE',
      message: expect.stringMatching(new RegExp(`in use by another run .*${process.pid}`)),
    });
    for (const mode of ['new', 'force'] as const)
      expect(() => new RunFolder(folder.path('run'), config, mode)).toThrow(refused);
    first.abandon();
    expect(existsSync(folder.path('run')), 'an empty folder goes again').toBe(false);
    new RunFolder(folder.path('run'), config).abandon();
  });

  it('keeps no lock when it refuses for the run that is there', () => {
    mkdirSync(folder.path('old'));
    writeFileSync(folder.path('old', 'config.json'), '{}');
    expect(() => new RunFolder(folder.path('old'), config)).toThrow(/has a run in it already/);
    expect(readdirSync(folder.path('old'))).toEqual(['config.json']);
  });

  it.each([
    ['a process that is dead', JSON.stringify({ pid: dead, host: hostname() })],
    ['a text that is no lock', '{"pid":'],
    [
      'a killed process of another start, with the number of this one',
      JSON.stringify({ pid: process.pid, host: hostname() }),
    ],
  ])('is not held by %s', (_, text) => {
    mkdirSync(folder.path('stale'), { recursive: true });
    writeFileSync(lockFile('stale'), text);
    const unlock = lockFolder(folder.path('stale'), 'stale');
    expect(holderOf('stale')).toBe(process.pid);
    unlock();
    expect(readdirSync(folder.path('stale'))).toEqual([]);
  });

  it('is given to one of two runs that ask at the same time', () => {
    mkdirSync(folder.path('both'));
    const unlocks: (() => void)[] = [];
    const ask = () => unlocks.push(lockFolder(folder.path('both'), 'both'));
    meanwhile.written = ask;
    expect(ask).toThrow(/in use/);
    expect(unlocks).toHaveLength(1);
    expect(readdirSync(folder.path('both'))).toEqual(['.downhill-lock']);
    unlocks[0]!();
    expect(readdirSync(folder.path('both'))).toEqual([]);
  });

  it('is locked where the file system has no links', () => {
    mkdirSync(folder.path('plain'));
    meanwhile.link = () => {
      throw Object.assign(new Error('operation not permitted'), { code: 'EPERM' });
    };
    try {
      const unlock = lockFolder(folder.path('plain'), 'plain');
      expect(() => lockFolder(folder.path('plain'), 'plain')).toThrow(/in use/);
      unlock();
    } finally {
      meanwhile.link = undefined;
    }
    expect(readdirSync(folder.path('plain'))).toEqual([]);
  });

  it('is held by a process of another machine, of which nothing can be known', () => {
    mkdirSync(folder.path('far'));
    writeFileSync(lockFile('far'), JSON.stringify({ pid: dead, host: `${hostname()}-2` }));
    expect(() => lockFolder(folder.path('far'), 'far')).toThrow(/in use/);
  });
});

describe('what a killed process leaves', () => {
  const tmp = (pid: number) => folder.path('tmp', `downhill-${pid}-x`);
  const leave = (path: string, host = hostname()) => {
    mkdirSync(`${path}/0/profile`, { recursive: true });
    writeFileSync(`${path}/host`, host);
  };

  it('is swept away; what belongs to others and to the living stays', () => {
    for (const pid of [dead, process.pid]) leave(tmp(pid));
    leave(`${tmp(dead)}-far`, `${hostname()}-2`);
    mkdirSync(folder.path('tmp', 'else'));
    sweep(folder.path('tmp'));
    const stay = [`downhill-${process.pid}-x`, `downhill-${dead}-x-far`, 'else'];
    expect(readdirSync(folder.path('tmp')).sort()).toEqual(stay.sort());
  });

  it('its browser too, also a stopped one, but no process that only has its number', async (context) => {
    context.skip(process.platform !== 'linux', 'command lines are read from /proc');
    const start = (...args: string[]) =>
      spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)', '--', ...args], { detached: true, stdio: 'ignore' });
    const browser = start(`${tmp(dead)}/0/profile`);
    const other = start();
    browser.kill('SIGSTOP');
    leave(tmp(dead));
    for (const [name, { pid }] of Object.entries({ profile: browser, reused: other })) {
      mkdirSync(`${tmp(dead)}/0/${name}`, { recursive: true });
      symlinkSync(`${hostname()}-${pid}`, `${tmp(dead)}/0/${name}/SingletonLock`);
    }
    const ended = (child: ChildProcess) => new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
    const end = ended(browser);
    sweep(folder.path('tmp'));
    expect(await end).toBe('SIGKILL');
    expect(isAlive(other.pid!)).toBe(true);
    other.kill('SIGKILL');
    await ended(other);
    expect(existsSync(tmp(dead))).toBe(false);
  });

  it('kills nothing where no command line can be read', () => {
    leave(tmp(dead));
    symlinkSync(`${hostname()}-1234567`, `${tmp(dead)}/0/profile/SingletonLock`);
    const kill = vi.spyOn(process, 'kill');
    const platform = vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
    try {
      sweep(folder.path('tmp'));
      expect(kill.mock.calls.filter(([pid, signal]) => signal !== 0 || pid < 0)).toEqual([]);
      expect(existsSync(tmp(dead))).toBe(false);
    } finally {
      platform.mockRestore();
      kill.mockRestore();
    }
  });
});
