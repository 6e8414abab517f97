import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { lockFolder } from '../../harness/common/lock.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { RunFolder } from '../../harness/train/run-folder.js';
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
    expect(() => new RunFolder(folder.path('old'), config)).toThrow(/has config\.json in it already/);
    expect(readdirSync(folder.path('old'))).toEqual(['config.json']);
  });

  it.each([
    ['a process that is dead', JSON.stringify({ pid: dead, host: hostname() })],
    ['a text that is no lock', '{"pid":'],
    [
      'a killed process of another start, with the number of this one',
      JSON.stringify({ pid: process.pid, host: hostname() }),
    ],
    [
      'a killed process whose number another one has since',
      JSON.stringify({ pid: process.ppid, host: hostname(), started: '1' }),
    ],
  ])('is not held by %s', (_, text) => {
    mkdirSync(folder.path('stale'), { recursive: true });
    writeFileSync(lockFile('stale'), text);
    const unlock = lockFolder(folder.path('stale'), 'stale');
    expect(holderOf('stale')).toBe(process.pid);
    unlock();
    expect(readdirSync(folder.path('stale'))).toEqual([]);
  });

  it('is held by a process that lives, and not by one that ended and nobody has asked for', async (context) => {
    context.skip(process.platform !== 'linux', 'the state of a process is read from /proc');
    // The shell becomes a program that never asks for its child, whose number it says.
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
    mkdirSync(folder.path('zombie'));
    writeFileSync(lockFile('zombie'), JSON.stringify({ pid, host: hostname() }));
    expect(() => lockFolder(folder.path('zombie'), 'zombie')).toThrow(new RegExp(`in use by .*process ${pid} `));
    process.kill(pid, 'SIGKILL');
    await vi.waitUntil(() => / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')), { timeout: 60_000 });
    lockFolder(folder.path('zombie'), 'zombie')();
    parent.kill('SIGKILL');
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

  it('is rid of the drafts of killed processes; those of the living stay, and what is being written', () => {
    mkdirSync(folder.path('drafts'));
    const draft = (name: string, text: string, age = 0) => {
      const file = folder.path('drafts', `.downhill-lock-${name}`);
      writeFileSync(file, text);
      utimesSync(file, Date.now() / 1000 - age, Date.now() / 1000 - age);
    };
    draft('dead', JSON.stringify({ pid: dead, host: hostname() }));
    draft('cut', '{"pid":', 3600);
    draft('written', '');
    draft('alive', JSON.stringify({ pid: process.ppid, host: hostname() }));
    draft('far', JSON.stringify({ pid: dead, host: `${hostname()}-2` }), 3600);
    lockFolder(folder.path('drafts'), 'drafts')();
    expect(readdirSync(folder.path('drafts')).sort()).toEqual(
      ['alive', 'far', 'written'].map((name) => `.downhill-lock-${name}`),
    );
  });

  it('is held by a process of another machine, of which nothing can be known', () => {
    mkdirSync(folder.path('far'));
    writeFileSync(lockFile('far'), JSON.stringify({ pid: dead, host: `${hostname()}-2` }));
    expect(() => lockFolder(folder.path('far'), 'far')).toThrow(/in use/);
  });
});
