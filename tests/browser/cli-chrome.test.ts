import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { runInChrome } from '../../harness/train/chrome.js';
import type { JobEvent } from '../../harness/train/events.js';
import { readIdx } from '../../harness/train/node.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { downhill, jsonLines, readLines, scratch, writeIdx } from '../support/cli.js';
import { prices } from '../support/table.js';

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => {
  ensureBuild();
  mkdirSync(folder.path('idx'));
  writeIdx(folder.path('idx'), 'train', 70);
  writeIdx(folder.path('idx'), 't10k', 20);
});

const tiny = () => {
  const data = ['--data', `idx:${folder.path('idx')}`, '--model', '16-12-4', '--batch', '16', '--lr', '0.02'];
  return ['train', '--in', 'chrome', ...data];
};

describe('downhill train --in chrome', () => {
  it('saves checkpoints on the disk while the page trains, and goes on from them bit for bit', async () => {
    const [whole, parts] = [folder.path('whole'), folder.path('parts')];
    const args = [...tiny(), '--epochs', '12', '--optimizer', 'nadam'];
    for (const more of [
      ['--out', whole],
      ['--save-every', '25', '--out', parts],
    ]) {
      const run = await downhill([...args, ...more]).done;
      expect(run.code, run.err).toBe(0);
    }
    rmSync(folder.path('parts', 'checkpoints', 'step-000060.safetensors'));
    rmSync(folder.path('parts', 'model.safetensors'));
    const run = await downhill(['train', '--resume', parts, '--json']).done;
    expect(run.code, run.err).toBe(0);
    const told = jsonLines(run.out);
    expect(told.find(({ type }) => type === 'step')).toMatchObject({ step: 51 });
    expect(told.at(-1)).toMatchObject({ type: 'result', step: 60, resumedAt: 50 });
    for (const file of ['metrics.jsonl', 'model.safetensors', 'checkpoints/step-000060.safetensors'])
      expect(readFileSync(folder.path('parts', file)).equals(readFileSync(folder.path('whole', file))), file).toBe(
        true,
      );
  });

  it('trains in a headless browser and reports as from Node, to the same bytes each time', async () => {
    const run = await downhill([...tiny(), '--epochs', '12', '--out', folder.path('a')]).done;
    expect(run.code, run.err).toBe(0);
    expect(run.out).toMatch(/adapter +\S+/);
    expect(run.out).toMatch(/60\/60 {2}loss \d/);
    expect(run.out).toMatch(/test +accuracy (9\d|100)\.\d\d %, loss \d/);
    const lines = readLines(folder.path('a', 'metrics.jsonl'));
    expect(lines.slice(0, -1).map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    const config = JSON.parse(readFileSync(folder.path('a', 'config.json'), 'utf8'));
    expect(config).toMatchObject({
      config: { in: 'chrome' },
      plan: { parameters: 256 },
      data: { train: 70, test: 20 },
    });
    expect(Object.keys(config.versions).join()).toMatch(/Chrom|Edge/);
    expect(readFileSync(folder.path('a', 'loss.svg'), 'utf8')).toContain('test accuracy');

    const again = await downhill([...tiny(), '--epochs', '12', '--json', '--out', folder.path('b')]).done;
    expect(again.code, again.err).toBe(0);
    expect(jsonLines(again.out).filter(({ type }) => type === 'step')).toHaveLength(60);
    const bytes = (name: string) => readFileSync(folder.path(name, 'metrics.jsonl'), 'utf8');
    expect(bytes('b')).toBe(bytes('a'));
  });

  it('follows --schedule as Node does', async () => {
    const args = [...tiny(), '--epochs', '4', '--schedule', 'one-cycle', '--warmup', '3'];
    const there = await downhill([...args, '--out', folder.path('there')]).done;
    expect(there.code, there.err).toBe(0);
    const here = await downhill([...args, '--in', 'node', '--out', folder.path('here')]).done;
    expect(here.code, here.err).toBe(0);
    const rates = (name: string) => readLines(folder.path(name, 'metrics.jsonl')).map(({ lr }) => lr as number);
    const [a, b] = [rates('there').slice(0, 20), rates('here').slice(0, 20)];
    // Two versions of V8 may differ in the last digit of a sine.
    for (const [i, rate] of a.entries()) expect(Math.abs(rate / b[i]! - 1)).toBeLessThan(1e-15);
    expect(new Set(a).size).toBe(20);
  });

  it('profiles in the page, to the bytes of a run without', async () => {
    const run = await downhill([...tiny(), '--profile', '--epochs', '12', '--out', folder.path('profile')]).done;
    expect(run.code, run.err).toBe(0);
    expect(run.out).toMatch(/\n {2}\S*update +optim\/adam\w* +1 +\d+\.\d+ +\d+\.\d %/);
    const bytes = (name: string) => readFileSync(folder.path(name, 'metrics.jsonl'), 'utf8');
    expect(bytes('profile')).toBe(bytes('a'));
    const profile = JSON.parse(readFileSync(folder.path('profile', 'profile.json'), 'utf8'));
    expect(profile).toMatchObject({ steps: 15, quantised: false });
    const { traceEvents } = JSON.parse(readFileSync(folder.path('profile', 'trace.json'), 'utf8'));
    expect(traceEvents.length).toBeGreaterThan(15 * profile.dispatches - profile.unknown);
  });

  it('reads a table in the page as Node does', async () => {
    writeFileSync(folder.path('houses.csv'), prices(60));
    const args = ['train', '--data', `csv:${folder.path('houses.csv')}`, '--target', 'price', '--model', '5-4-1'];
    const line = [...args, '--batch', '16', '--steps', '3', '--json'];
    const results: Record<string, number>[] = [];
    for (const place of ['chrome', 'node']) {
      const { code, out, err } = await downhill([...line, '--in', place, '--out', folder.path(`table-${place}`)]).done;
      expect(code, err).toBe(0);
      results.push(jsonLines(out).at(-1) as Record<string, number>);
    }
    // Two adapters may round otherwise.
    for (const key of ['loss', 'r2', 'rmse']) expect(results[0]![key]! / results[1]![key]!).toBeCloseTo(1, 3);
  });

  it('draws its digits in the page', async () => {
    const args = ['train', '--in', 'chrome', '--samples', '200', '--model', '784-10', '--steps', '4', '--json'];
    const run = await downhill([...args, '--out', folder.path('digits')]).done;
    expect(run.code, run.err).toBe(0);
    expect(jsonLines(run.out).at(-1)).toMatchObject({ type: 'result', step: 4 });
  });

  it('ends with a calm error when its folder goes away while it runs', async () => {
    const run = downhill([...tiny(), '--steps', '10000000', '--json', '--out', folder.path('gone')]);
    await run.seen(/"type":"step"/);
    renameSync(folder.path('gone'), folder.path('elsewhere'));
    const { code, out, err } = await run.done;
    expect(err).toMatch(/gone cannot be written: it is no longer there\.\n[\s\S]*OUTPUT-UNWRITABLE\n\n$/);
    expect(code).toBe(1);
    expect(jsonLines(out).at(-1)).toMatchObject({ type: 'error', code: 'OUTPUT-UNWRITABLE' });
  });

  it('keeps what was reached when the browser is killed', async (context) => {
    context.skip(process.platform !== 'linux', 'the browser is found by its parent in /proc, which only Linux has');
    const run = downhill([...tiny(), '--steps', '10000000', '--json', '--out', folder.path('killed')]);
    await run.seen(/"type":"step"/);
    for (const child of childrenOf(run.process.pid!)) process.kill(child, 'SIGKILL');
    const { code, out, err } = await run.done;
    expect(code).toBe(1);
    expect(err).toMatch(/The browser closed before the training was done[\s\S]*BROWSER-LOST/);
    expect(jsonLines(out).at(-1)).toMatchObject({ type: 'error', code: 'BROWSER-LOST', folder: folder.path('killed') });
    expect(readLines(folder.path('killed', 'metrics.jsonl')).length).toBeGreaterThan(0);
    expect(readFileSync(folder.path('killed', 'loss.svg'), 'utf8')).toMatch(/broke off after/);
  });
});

/** A run that a test stops. */
const started = (name: string, ...more: string[]) =>
  watched([...tiny(), '--steps', '10000000', '--json', '--out', folder.path(name), ...more]);

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

/** Until the test has seen the end, where all cores have work: whoever waited for what hangs would wait a minute and more. */
const ENDED_MS = 20_000;

describe.runIf(process.platform === 'linux')(
  'downhill train --in chrome, when it ends and when something hangs',
  () => {
    beforeAll(() => mkdirSync(folder.path('tmp')));
    afterEach(() => vi.unstubAllEnvs());

    it.each([
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const)(
      'ends cleanly at %s: evaluated in the page, saved, exit code %i, nothing left',
      async (signal, expected) => {
        const out = folder.path(`stopped-${signal}`);
        const run = watched([...tiny(), '--steps', '10000000', '--json', '--out', out]);
        await run.seen(/"type":"step"/);
        run.process.kill(signal);
        const { code, out: text, err } = await run.done;
        expect(code, err).toBe(expected);
        const result = jsonLines(text).at(-1)!;
        expect(result).toMatchObject({ type: 'result', interrupted: true });
        expect(readLines(`${out}/metrics.jsonl`)).toHaveLength((result.step as number) + 1);
        expect(readFileSync(`${out}/loss.svg`, 'utf8')).toMatch(/test accuracy/);
        expect(await run.remains()).toEqual([]);
      },
    );

    it('gives up a browser that tells nothing any more, with what was reached', async () => {
      const { config } = parseTrain([...tiny().slice(1), '--steps', '10000000']) as TrainCommand;
      const files = await readIdx(folder.path('idx'));
      let steps = 0;
      let stopped = false;
      const mark = `downhill-${process.pid}-`;
      const emit = (event: JobEvent) => {
        if (event.type !== 'steps') return;
        steps += event.steps.length;
        if (stopped) return;
        stopped = true;
        for (const pid of processesOf((line) => line.includes('--type=gpu-process') && line.includes(mark)))
          process.kill(pid, 'SIGSTOP');
      };
      const run = runInChrome(config, files, emit, new AbortController().signal, { silenceMs: 5000 });
      await expect(run).rejects.toMatchObject({
        code: 'BROWSER-LOST',
        message: expect.stringMatching(/nothing for 5 s/),
      });
      expect(steps).toBeGreaterThan(0);
      // Killed; what the kernel takes a moment to end is no process of a run.
      await expect.poll(() => processesOf((line) => line.includes(mark)), { timeout: 5000 }).toEqual([]);
    });

    it.each([
      ['the graphics process', 'SIGINT', 130, '--type=gpu-process'],
      ['the browser', 'SIGTERM', 143, ''],
    ] as const)('does not wait when %s is stopped and %s comes', async (_, signal, expected, type) => {
      const run = started(signal);
      await run.seen(/"type":"step"/);
      for (const pid of run.processes(type)) process.kill(pid, 'SIGSTOP');
      const start = performance.now();
      run.process.kill(signal);
      const { code, out } = await run.done;
      expect(performance.now() - start).toBeLessThan(ENDED_MS);
      expect(code).toBe(expected);
      expect(jsonLines(out).at(-1)).toMatchObject({ type: 'error', code: 'INTERRUPTED', folder: folder.path(signal) });
      expect(readFileSync(folder.path(signal, 'loss.svg'), 'utf8')).toMatch(/broke off after/);
      expect(readdirSync(folder.path(signal)).sort()).toEqual(['config.json', 'loss.svg', 'metrics.jsonl']);
      expect(await run.remains()).toEqual([]);
    });

    it.each([
      ['SIGINT', 130, ['train', '--in', 'chrome', '--samples', '200', '--out', folder.path('starting')]],
      ['SIGTERM', 143, ['tune', '--in', 'chrome', '--samples', '200']],
      ['SIGHUP', 129, ['compare', 'ravine', '--in', 'chrome', '--out', folder.path('starting-ravine')]],
      ['SIGTERM', 143, ['bench', '--quick', '--in', 'chrome', '--out', folder.path('starting-bench')]],
    ] as const)('%s ends with %i while the browser starts: %j', async (signal, expected, args) => {
      const sleeper = `#!/bin/sh\nexec ${process.execPath} -e 'setTimeout(() => {}, 1e6)' -- "$@"\n`;
      writeFileSync(folder.path('sleeper'), sleeper, { mode: 0o755 });
      vi.stubEnv('DOWNHILL_BROWSER', folder.path('sleeper'));
      const run = watched(args);
      while (run.processes().length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      const start = performance.now();
      run.process.kill(signal);
      expect((await run.done).code).toBe(expected);
      expect(performance.now() - start).toBeLessThan(ENDED_MS);
      expect(await run.remains()).toEqual([]);
      expect(existsSync(folder.path('starting'))).toBe(false);
    });

    it.each(['a second Ctrl+C', 'a closed standard output'])('leaves nothing after %s', async (what) => {
      const run = started(what.replaceAll(' ', '-'));
      await run.seen(/"type":"step"/);
      if (what === 'a second Ctrl+C') {
        for (const pid of run.processes()) process.kill(pid, 'SIGSTOP');
        run.process.kill('SIGINT');
        await run.seen(/"type":"stopping"/);
        await new Promise((resolve) => setTimeout(resolve, 500)); // sooner it would be one that npm hands on
        run.process.kill('SIGINT');
      } else run.process.stdout!.destroy();
      expect((await run.done).code).toBe(what === 'a second Ctrl+C' ? 130 : 141);
      expect(await run.remains()).toEqual([]);
    });

    it('clears away what a killed run left, with its hanging browser', async () => {
      const killed = started('killed-outright');
      await killed.seen(/"type":"step"/);
      for (const pid of killed.processes()) process.kill(pid, 'SIGSTOP');
      killed.process.kill('SIGKILL');
      expect((await killed.done).code).toBe(137);
      expect((await killed.remains()).length).toBeGreaterThan(1);
      const next = watched([...tiny(), '--steps', '5', '--force', '--out', folder.path('killed-outright')]);
      const { code, err } = await next.done;
      expect(code, err).toBe(0);
      expect(await next.remains()).toEqual([]);
      expect(await killed.remains()).toEqual([]);
      expect(readdirSync(folder.path('tmp'))).toEqual([]);
    });
  },
);

/** The running processes whose command line is meant. */
function processesOf(meant: (commandLine: string) => boolean): number[] {
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

function childrenOf(parent: number): number[] {
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
