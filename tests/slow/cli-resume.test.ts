import { copyFileSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { readModel } from '../../src/index.js';
import { downhill, jsonLines, readLines } from '../support/cli.js';
import { done, nameOf, resumable } from '../support/runs.js';

/* `downhill train --resume`, after whatever ended a run before; tests/gpu has the first case. */

const folder = resumable();
const { bytes, checkpoints, expectSame, tiny } = folder;
afterAll(folder.remove);
beforeAll(() => ensureBuild());

it('goes on to another end, where that is asked for; the schedule stays', async () => {
  await done(tiny('--steps', '31', '--out', folder.path('long')));
  const part = folder.path('longer');
  await done(tiny('--steps', '11', '--out', part));
  const run = await done(['train', '--resume', part, '--steps', '31', '--json']);
  const told = jsonLines(run.out);
  expect(told.find(({ type }) => type === 'resume')).toEqual({
    type: 'resume',
    step: 11,
    file: `checkpoints/${nameOf(11)}`,
  });
  expect(told.filter(({ type }) => type === 'step').map(({ step }) => step)).toEqual(
    Array.from({ length: 20 }, (_, i) => 12 + i),
  );
  expectSame('longer', 'long', 31);

  const cosine = folder.path('cosine');
  await done(tiny('--epochs', '2', '--schedule', 'cosine', '--out', cosine));
  await done(['train', '--resume', cosine, '--epochs', '3']);
  const rates = readLines(folder.path('cosine', 'metrics.jsonl')).map(({ lr }) => lr);
  expect(rates.slice(0, 15).map((lr) => (lr as number) > 0)).toEqual([
    ...Array(10).fill(true),
    ...Array(5).fill(false),
  ]);
});

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGKILL', 137],
] as const)('goes on after %s', async (signal, code) => {
  const out = folder.path(signal);
  const run = downhill(tiny('--steps', '1000000', '--save-every', '40', '--out', out, '--json'));
  await run.seen(/"type":"saved","step":80,/);
  run.process.kill(signal);
  const ended = await run.done;
  expect(ended.code, ended.err).toBe(code);
  // The last line may be cut off by the kill.
  const steps = ended.out.match(/^\{"type":"step","step":(\d+)/gm)!.map((line) => Number(/\d+$/.exec(line)));
  const newest = Number(/\d+/.exec(checkpoints(signal).at(-1)!));
  if (signal === 'SIGKILL') expect(newest % 40).toBe(0);
  else {
    expect(newest).toBe(steps.at(-1)); // saved first
    expect(jsonLines(ended.out).at(-1)).toMatchObject({ type: 'result', step: newest, interrupted: true });
    expect(readModel(bytes(signal, 'model.safetensors')).step).toBe(newest);
  }
  const end = Math.max(steps.at(-1)!, newest) + 5;
  await done(['train', '--resume', out, '--steps', String(end)]);
  await done(tiny('--steps', String(end), '--out', folder.path(`${signal}-whole`)));
  expectSame(signal, `${signal}-whole`, end);
});

it('passes over a damaged checkpoint and says so; refuses where all are damaged', async () => {
  const out = folder.path('damaged');
  await done(tiny('--steps', '30', '--save-every', '10', '--out', out));
  cpSync(out, folder.path('sound'), { recursive: true });
  const damage = (step: number) => {
    const file = bytes('damaged', 'checkpoints', nameOf(step));
    file[file.length - 9]! ^= 4;
    writeFileSync(folder.path('damaged', 'checkpoints', nameOf(step)), file);
  };
  damage(30);
  const run = await done(['train', '--resume', out]);
  expect(run.out.replace(/\s+/g, ' ')).toMatch(
    /step-000030\.safetensors is damaged: The checksum .* goes on after step 20 of 30/,
  );
  expectSame('damaged', 'sound', 30);
  for (const step of [10, 20, 30]) damage(step);
  const metrics = bytes('damaged', 'metrics.jsonl');
  const refused = await done(['train', '--resume', out, '--steps', '40', '--json'], 1);
  expect(jsonLines(refused.out)).toMatchObject([{ type: 'error', code: 'CHECKPOINT-CORRUPT' }]);
  expect(bytes('damaged', 'metrics.jsonl').equals(metrics)).toBe(true);
});

it('begins anew where there is no checkpoint; refuses what is no run, and flags of another', async () => {
  const out = folder.path('early');
  await done(tiny('--steps', '10', '--out', out));
  const metrics = bytes('early', 'metrics.jsonl');
  rmSync(folder.path('early', 'checkpoints'), { recursive: true });
  const run = await done(['train', '--resume', out]);
  expect(run.out).toMatch(/goes on +from the beginning: there is no checkpoint yet/);
  expect(bytes('early', 'metrics.jsonl').equals(metrics)).toBe(true);
  expect((await done(['train', '--resume', folder.path('idx')], 1)).err).toMatch(
    /no config\.json[\s\S]*DATA-NOT-FOUND/,
  );
  // A checkpoint of another network.
  await done(tiny('--model', '16-9-4', '--steps', '5', '--out', folder.path('else')));
  copyFileSync(folder.path('else', 'checkpoints', nameOf(5)), folder.path('early', 'checkpoints', nameOf(5)));
  rmSync(folder.path('early', 'checkpoints', nameOf(10)));
  const other = await done(['train', '--resume', out], 1);
  expect(other.err).toMatch(/CHECKPOINT-MISMATCH/);
  expect(bytes('early', 'metrics.jsonl').equals(metrics)).toBe(true);
});

it('a run in the same folder with --force leaves none of the old checkpoints', async () => {
  const out = folder.path('force');
  await done(tiny('--steps', '30', '--save-every', '10', '--out', out));
  await done(tiny('--steps', '4', '--force', '--out', out));
  expect(checkpoints('force')).toEqual([nameOf(4)]);
});
