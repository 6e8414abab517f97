import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { readModel } from '../../src/index.js';
import { downhill, jsonLines, readLines } from '../support/cli.js';
import { done, nameOf, resumable } from '../support/runs.js';

/* Checkpoints of runs: saved while they train, gone on from, kept where the disk is full. More in tests/slow. */

const folder = resumable();
const { bytes, checkpoints, expectSame, tiny } = folder;
afterAll(folder.remove);
beforeAll(() => ensureBuild());

it('--resume goes on bit for bit from the newest checkpoint', async () => {
  const schedule = ['--schedule', 'cosine', '--warmup', '7', '--optimizer', 'nadam'];
  await done(tiny(...schedule, '--epochs', '12', '--out', folder.path('whole')));
  expect(checkpoints('whole')).toEqual([nameOf(60)]);

  const parts = folder.path('parts');
  await done(tiny(...schedule, '--epochs', '12', '--save-every', '13', '--keep', '2', '--out', parts));
  expect(checkpoints('parts')).toEqual([nameOf(52), nameOf(60)]);
  expectSame('parts', 'whole', 60);
  const { model, step } = readModel(bytes('parts', 'model.safetensors'));
  expect({ step, input: model.input, output: model.output }).toEqual({ step: 60, input: 16, output: 4 });

  // As if it had been killed after step 55, in the middle of a line.
  rmSync(folder.path('parts', 'checkpoints', nameOf(60)));
  rmSync(folder.path('parts', 'model.safetensors'));
  const lines = bytes('parts', 'metrics.jsonl').toString().split('\n');
  writeFileSync(folder.path('parts', 'metrics.jsonl'), `${lines.slice(0, 55).join('\n')}\n${lines[55]!.slice(0, 9)}`);
  const resumed = await done(['train', '--resume', parts]);
  expect(resumed.out).toMatch(/goes on +after step 52 of 60, from checkpoints\/step-000052\.safetensors/);
  expect(resumed.out).toMatch(/time +8 steps \(and 52 before\) in/);
  expectSame('parts', 'whole', 60);
  const config = JSON.parse(bytes('parts', 'config.json').toString());
  expect(config).toMatchObject({ config: { epochs: 12, saveEvery: 13 }, resumed: [{ step: 52 }] });
  expect(config.result).toMatchObject({ step: 60, resumedAt: 52 });
  expect(bytes('parts', 'loss.svg').toString()).toContain('60 steps');

  // Done: only a longer run goes on.
  const refused = await done(['train', '--resume', parts], 2);
  expect(refused.err).toMatch(/has done its 60 steps[\s\S]*--steps 120/);
});

it('a full disk is said once, and the training goes on; what waited is written when there is room', async (context) => {
  const disk = folder.path('disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', disk]).status === 0;
  context.skip(!mounted, 'only root can mount a small disk');
  try {
    const out = folder.path('disk', 'run');
    const run = downhill(tiny('--steps', '100000000', '--save-every', '25', '--json', '--out', out));
    await run.seen(/"type":"saved","step":50,/);
    spawnSync('sh', ['-c', `cat /dev/zero > ${disk}/filler`]);
    await run.seen(/"type":"problem"/);
    const before = checkpoints('disk/run');
    // It goes on meanwhile, with no further word of it.
    const said = Number(/"step":(\d+)[^\n]*\n[^\n]*"type":"problem"/.exec(run.text())![1]);
    await run.seen(new RegExp(`"type":"step","step":${said + 200},`));
    expect(run.text().match(/"type":"problem"/g)).toHaveLength(1);
    const text = /\{"type":"problem".*\}/.exec(run.text())![0];
    expect(JSON.parse(text)).toMatchObject({ message: expect.stringMatching(/disk is full/) });
    // One that is tried just now has a name of its own.
    const whole = (names: readonly string[]) => names.filter((name) => !name.endsWith('.tmp'));
    expect(whole(checkpoints('disk/run'))).toEqual(whole(before));
    rmSync(folder.path('disk', 'filler'));
    const seen = run.text().length;
    await expect.poll(() => run.text().slice(seen), { timeout: 30_000 }).toMatch(/"type":"saved"/);
    run.process.kill('SIGINT');
    const { code, err, out: all } = await run.done;
    expect(code, err).toBe(130);
    const { step } = jsonLines(all).at(-1)! as { step: number };
    const steps = readLines(folder.path('disk', 'run', 'metrics.jsonl')).slice(0, -1);
    expect(steps.map((line) => line.step)).toEqual(Array.from({ length: step }, (_, i) => i + 1));
    expect(readModel(bytes('disk', 'run', 'model.safetensors')).step).toBe(step);
  } finally {
    spawnSync('umount', ['-l', disk]);
  }
});

it('the verdict is said where the disk is full at the end; --resume writes the files once there is room', async (context) => {
  const disk = folder.path('end');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=100k', 'tmpfs', disk]).status === 0;
  context.skip(!mounted, 'only root can mount a small disk');
  try {
    const out = folder.path('end', 'run');
    const run = downhill(tiny('--steps', '250', '--save-every', '10', '--keep', '99', '--json', '--out', out));
    const { code, out: said, err } = await run.done;
    expect(code, err).toBe(1);
    expect(err).toMatch(/the disk is full[\s\S]*Make room, then: npx downhill train --resume \S+run\n/);
    const [result, error] = jsonLines(said).slice(-2);
    expect(result).toMatchObject({ type: 'result', step: 250, accuracy: expect.any(Number) });
    expect(error).toMatchObject({ type: 'error', code: 'OUTPUT-UNWRITABLE' });
    spawnSync('mount', ['-o', 'remount,size=4m', disk]);
    const resumed = jsonLines((await done(['train', '--resume', out, '--json'])).out).at(-1)!;
    expect(resumed).toMatchObject({ step: 250, accuracy: result!.accuracy, loss: result!.loss });
    expect(readModel(bytes('end', 'run', 'model.safetensors')).step).toBe(250);
  } finally {
    spawnSync('umount', ['-l', disk]);
  }
});

it('--resume goes on with patience anew after an early stop, where it is told to', async () => {
  const out = folder.path('early');
  const stopping = ['--validation', '0.2', '--validate-every', '1', '--patience', '2', '--lr', '10'];
  await done(tiny(...stopping, '--steps', '60', '--out', out));
  const { step } = JSON.parse(bytes('early', 'config.json').toString()).result.stopped;
  const refused = await done(['train', '--resume', out], 2);
  expect(refused.err).toMatch(new RegExp(`stopped early, after step ${step}\\.[\\s\\S]*--epochs N`));
  const resumed = await done(['train', '--resume', out, '--steps', '80', '--json']);
  const result = jsonLines(resumed.out).at(-1) as { step: number; resumedAt: number };
  expect(result.resumedAt).toBe(step);
  expect(result.step).toBeGreaterThan(step);
});
