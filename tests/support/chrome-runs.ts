import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, jsonLines, readLines, scratch, writeIdx } from './cli.js';

/* `downhill --in chrome`, which tests stop, kill and look for what is left of. */

/** Until the test has seen the end, where all cores have work: whoever waited for what hangs would wait a minute and more. */
export const ENDED_MS = 20_000;

/** Registers what a test file needs: a folder with a small data set, and the built command line. */
export function chromeRuns() {
  const folder = scratch();
  afterAll(folder.remove);
  beforeAll(() => {
    ensureBuild();
    for (const name of ['idx', 'tmp']) mkdirSync(folder.path(name));
    writeIdx(folder.path('idx'), 'train', 70);
    writeIdx(folder.path('idx'), 't10k', 20);
  });

  const tiny = () => {
    const data = ['--data', `idx:${folder.path('idx')}`, '--model', '16-12-4', '--batch', '16', '--lr', '0.02'];
    return ['train', '--in', 'chrome', ...data];
  };

  /** A command, and what is left of it: processes and temporary folders by the number of its process. */
  function watched(args: readonly string[]) {
    const run = downhill(args, { TMPDIR: folder.path('tmp') });
    const mark = `downhill-${run.process.pid}-`;
    const processes = (type = '') => processesOf((line) => line.includes(mark) && line.includes(type));
    const remains = async () => {
      // A killed process is gone when its parent has noticed.
      for (let i = 0; i < 500 && processes().length > 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
      return [...processes(), ...readdirSync(folder.path('tmp')).filter((file) => file.startsWith(mark))];
    };
    return { ...run, processes, remains };
  }

  /** A run that a test stops. */
  const started = (name: string) => watched([...tiny(), '--steps', '10000000', '--json', '--out', folder.path(name)]);

  /** What is reached is evaluated in the page and saved, and nothing is left. */
  async function endsCleanly(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', expected: number): Promise<void> {
    const out = folder.path(`stopped-${signal}`);
    const run = started(`stopped-${signal}`);
    await run.seen(/"type":"step"/);
    run.process.kill(signal);
    const { code, out: text, err } = await run.done;
    expect(code, err).toBe(expected);
    const result = jsonLines(text).at(-1)!;
    expect(result).toMatchObject({ type: 'result', interrupted: true });
    expect(readLines(`${out}/metrics.jsonl`)).toHaveLength((result.step as number) + 1);
    expect(readFileSync(`${out}/loss.svg`, 'utf8')).toMatch(/test accuracy/);
    expect(await run.remains()).toEqual([]);
  }

  return { folder, tiny, watched, started, endsCleanly };
}

/** The running processes whose command line is meant. */
export function processesOf(meant: (commandLine: string) => boolean): number[] {
  const isMeant = (pid: string) => {
    try {
      return meant(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      return false; // ended meanwhile
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isMeant(name))
    .map(Number);
}

export function childrenOf(parent: number): number[] {
  const isChild = (pid: string) => {
    try {
      // "pid (name) state parent …", and a name may hold anything
      return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1)!.split(' ')[2]) === parent;
    } catch {
      return false; // ended meanwhile
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isChild(name))
    .map(Number);
}
