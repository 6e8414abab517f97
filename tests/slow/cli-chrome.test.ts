import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chromeRuns, ENDED_MS } from '../support/chrome-runs.js';
import { downhill, jsonLines, readLines } from '../support/cli.js';
import { prices } from '../support/table.js';

/* What tests/browser/cli-chrome.test.ts has no case of. */

const { folder, tiny, watched, started, endsCleanly } = chromeRuns();

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
});

describe.runIf(process.platform === 'linux')(
  'downhill train --in chrome, when it ends and when something hangs',
  () => {
    it.each([
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const)('ends cleanly at %s: evaluated in the page, saved, exit code %i, nothing left', endsCleanly);

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
