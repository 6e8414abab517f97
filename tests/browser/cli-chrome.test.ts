import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runInChrome } from '../../harness/train/chrome.js';
import type { JobEvent } from '../../harness/train/events.js';
import { readIdx } from '../../harness/train/node.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { childrenOf, chromeRuns, ENDED_MS, processesOf } from '../support/chrome-runs.js';
import { downhill, jsonLines, readLines } from '../support/cli.js';

/* More in tests/slow/cli-chrome.test.ts. */

const { folder, tiny, watched, endsCleanly } = chromeRuns();

describe('downhill train --in chrome', () => {
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

describe.runIf(process.platform === 'linux')('downhill --in chrome, when it ends and when something hangs', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('ends cleanly at SIGINT: evaluated in the page, saved, exit code 130, nothing left', () =>
    endsCleanly('SIGINT', 130));

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
});
