import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { buildData } from '../../harness/train/data.js';
import type { JobEvent } from '../../harness/train/events.js';
import { runJob } from '../../harness/train/job.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import type { Trace } from '../../harness/train/trace.js';
import type { Profile } from '../../src/index.js';
import { requestGpu } from '../../src/node/index.js';
import { downhill, jsonLines, readLines, scratch, writeIdx } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => {
  ensureBuild();
  mkdirSync(folder.path('idx'));
  writeIdx(folder.path('idx'), 'train', 70);
  writeIdx(folder.path('idx'), 't10k', 20);
});

const tiny = () => ['train', '--data', `idx:${folder.path('idx')}`, '--model', '16-12-4', '--batch', '16'];
const readJson = (...names: string[]) => JSON.parse(readFileSync(folder.path(...names), 'utf8'));

describe('downhill train --profile', () => {
  it('prints the table, writes profile and trace, and trains what the run without trains', async () => {
    const run = await downhill([...tiny(), '--profile', '--steps', '100', '--out', folder.path('a')]).done;
    expect(run.code, run.err).toBe(0);
    expect(run.out).toMatch(/100\/100 {2}loss \d/);
    expect(run.out).toMatch(/\n {2}pass +kernel +count +ms +share\n/);
    const { passes, choice } = readJson('a', 'config.json').plan;
    // A whole step in one form, or layer by layer.
    const whole = choice['forward-0'].startsWith('step/');
    const some = whole
      ? ['rows', 'weight-gradients\\+update']
      : ['forward-0', 'loss', 'weight-gradient-1', 'advance', 'update'];
    for (const pass of some)
      expect(run.out).toMatch(new RegExp(`\\n {2}${pass} +(nn|optim)/\\w+ +1 +\\d+\\.\\d+ +\\d+\\.\\d %`));
    if (whole) expect(passes).toHaveLength(2);
    expect(run.out).toMatch(/ms {2}all \d+ passes, \w+ of 16 steps\n.* a step with the profile.*\n.* a step without/);
    expect(run.out).toMatch(/time +68 steps in .*; and 32 for the profile/);
    expect(run.out).toMatch(/profile\.json,\s+trace\.json/);

    const plain = await downhill([...tiny(), '--steps', '100', '--out', folder.path('plain')]).done;
    expect(plain.code, plain.err).toBe(0);
    const bytes = (name: string) => readFileSync(folder.path(name, 'metrics.jsonl'), 'utf8');
    expect(bytes('a')).toBe(bytes('plain'));
    expect(existsSync(folder.path('plain', 'trace.json'))).toBe(false);

    const profile = readJson('a', 'profile.json') as Profile;
    const config = readJson('a', 'config.json');
    expect(config).toMatchObject({
      config: { profile: true },
      result: { step: 100, profiled: 32, interrupted: false },
    });
    expect(profile.labels.map(({ label }) => label)).toEqual(
      config.plan.passes.map(({ label }: { label: string }) => label),
    );
    expectTrace(readJson('a', 'trace.json'), profile, config.adapter.name);
  });

  it('is an event with --json; a run of two steps has one to profile', async () => {
    const run = await downhill([...tiny(), '--profile', '--steps', '2', '--json', '--out', folder.path('json')]).done;
    expect(run.code, run.err).toBe(0);
    const lines = jsonLines(run.out);
    expect(lines.map(({ type }) => type)).toEqual([
      'runtime',
      'adapter',
      'plan',
      'step',
      'step',
      'profile',
      'saved',
      'result',
    ]);
    expect(lines.at(-1)).toMatchObject({ step: 2, profiled: 2, interrupted: false });
    expect(lines.at(-3)!.profile).toEqual(readJson('json', 'profile.json'));
    expect(readLines(folder.path('json', 'metrics.jsonl'))).toHaveLength(3);

    const force = await downhill([...tiny(), '--steps', '2', '--force', '--out', folder.path('json')]).done;
    expect(force.code, force.err).toBe(0);
    for (const file of ['profile.json', 'trace.json']) expect(existsSync(folder.path('json', file))).toBe(false);
  });

  it('needs two steps', async () => {
    const run = await downhill([...tiny(), '--profile', '--steps', '1', '--out', folder.path('one')]).done;
    expect(run.code).toBe(2);
    expect(run.err).toMatch(/--profile needs 2 steps[\s\S]*OPTION-RANGE/);
    expect(existsSync(folder.path('one'))).toBe(false);
  });

  it('gives way to Ctrl+C: evaluated and saved, without a profile', async () => {
    const out = folder.path('stopped');
    const run = downhill([...tiny(), '--profile', '--steps', '10000000', '--json', '--out', out]);
    await run.seen(/"type":"step"/);
    run.process.kill('SIGINT');
    const { code, out: text, err } = await run.done;
    expect(code, err).toBe(130);
    expect(jsonLines(text).map(({ type }) => type)).not.toContain('profile');
    expect(jsonLines(text).at(-1)).toMatchObject({ type: 'result', interrupted: true });
  });

  it('is refused before any training where the device has no timestamps', async () => {
    const { config } = parseTrain([
      '--profile',
      '--samples',
      '50',
      '--model',
      '784-10',
      '--batch',
      '8',
    ]) as TrainCommand;
    const adapter = (await (await requestGpu()).gpu.requestAdapter())!;
    const device = await adapter.requestDevice();
    const events: JobEvent[] = [];
    const emit = (event: JobEvent) => void events.push(event);
    await expect(
      runJob(device, config, await buildData(config), emit, new AbortController().signal),
    ).rejects.toMatchObject({ code: 'FEATURE-MISSING', fix: expect.stringMatching(/requiredFeatures/) });
    expect(events.map(({ type }) => type)).toEqual(['adapter']);
    device.destroy();
  });
});

/** What trace viewers ask for, and what it says of the profile. */
function expectTrace({ traceEvents }: Trace, profile: Profile, adapter: string): void {
  for (const event of traceEvents) {
    expect(event).toEqual(
      expect.objectContaining({
        ph: expect.stringMatching(/^[XM]$/),
        name: expect.stringMatching(/\S/),
        ts: expect.any(Number),
        pid: expect.any(Number),
        tid: expect.any(Number),
      }),
    );
    expect(event.dur).toBeGreaterThanOrEqual(0);
    expect(event.ts).toBeGreaterThanOrEqual(0);
  }
  const times = traceEvents.map(({ ts }) => ts);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(traceEvents[0]!.args.name).toBe(`GPU: ${adapter}`);
  const passes = traceEvents.filter(({ ph, pid, tid }) => ph === 'X' && pid === 1 && tid === 1);
  expect(passes).toHaveLength(profile.passes.length - profile.unknown);
  for (const { args } of passes)
    expect(args).toMatchObject({ kernel: expect.stringMatching(/\//), grid: expect.any(Array) });
}
