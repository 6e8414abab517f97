import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { needs } from '../../harness/cli.js';
import { configOf, readRun } from '../../harness/train/checkpoints.js';
import { Metrics } from '../../harness/train/metrics.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { RunFolder } from '../../harness/train/run-folder.js';
import { scheduleOf } from '../../harness/train/schedule.js';
import type { DownhillError } from '../../src/index.js';
import { scratch } from '../support/cli.js';

/** A disk that takes so many bytes of a file and then is full. */
const disk = { room: Number.POSITIVE_INFINITY };
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const full = () => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  return {
    ...fs,
    writeSync: (file: number, bytes: Uint8Array, at: number, length: number, position: number) => {
      if (disk.room <= 0) throw full();
      const most = Math.min(length, disk.room);
      disk.room -= most;
      return fs.writeSync(file, bytes, at, most, position);
    },
    writeFileSync: (file: string, data: string, options?: object) => {
      if (disk.room <= 0) throw full();
      return fs.writeFileSync(file, data, options);
    },
  };
});

const folder = scratch();
afterAll(folder.remove);
const parse = (line: string) => parseTrain(line.split(' ')) as TrainCommand;
const errorOf = (line: string) => {
  try {
    parse(line);
  } catch (error) {
    return error as DownhillError;
  }
  throw new Error(`accepted: ${line}`);
};

/** A run's folder with the configuration that these flags make. */
function runOf(name: string, line: string, steps = 100): string {
  mkdirSync(folder.path(name));
  writeFileSync(folder.path(name, 'config.json'), JSON.stringify({ config: parse(line).config, steps }));
  return folder.path(name);
}

describe('--resume', () => {
  it("takes the run's own configuration, and what may be said anew", () => {
    const path = runOf('a', '--lr 0.5 --epochs 7 --save-every 10 --in chrome --schedule cosine');
    const own = readRun(path).run;
    expect(own).toMatchObject({ epochs: 7, saveEvery: 10, optimizer: { hyper: { lr: 0.5 } } });
    const config = (more = '') => configOf(parse(`--resume ${path}${more}`));
    expect(config()).toEqual(own);
    expect(config(' --keep 5 --save-every 3')).toEqual({ ...own, keep: 5, saveEvery: 3 });
    const { epochs: _, schedule, ...rest } = own;
    // To another end: the schedule stays that of the 100 steps.
    const longer = config(' --steps 400');
    expect(longer).toEqual({ ...rest, steps: 400, schedule: { ...schedule, runSteps: 100 } });
    expect(String(scheduleOf(longer, 400))).toBe(String(scheduleOf(own, 100)));
    expect(config(' --epochs 9')).toMatchObject({ epochs: 9, schedule: { runSteps: 100 } });
    expect(needs(['train', '--resume', path])).toEqual({ adapter: false, browser: true });
  });

  it.each([
    ['--resume a --lr 1', 'OPTION-RANGE', /--lr is for a new one/],
    ['--resume a --out b', 'OPTION-RANGE', /--out is for a new one/],
    ['--resume a --steps 2 --epochs 1', 'OPTION-RANGE', /both say how long/],
    ['--save-every 0', 'OPTION-RANGE', /--save-every must be an integer of at least 1, got 0/],
    ['--save-every often', 'OPTION-TYPE', /--save-every must be an integer, got "often"/],
    ['--keep 0', 'OPTION-RANGE', /--keep must be/],
  ])('%s is refused', (line, code, text) => {
    expect(errorOf(line)).toMatchObject({ code, message: expect.stringMatching(text) });
  });

  it.each([
    ['nothing', undefined, 'DATA-NOT-FOUND', /no config\.json/],
    ['half a file', '{"config":', 'DATA-FORMAT', /config\.json is not the configuration of a run/],
    ['nothing in its file', 'null', 'DATA-FORMAT', /run: it does not say what was trained/],
    ['something else', '{"config":{"model":3}}', 'DATA-FORMAT', /does not say what was trained/],
  ])('a folder with %s is refused', (name, text, code, message) => {
    mkdirSync(folder.path(name));
    if (text !== undefined) writeFileSync(folder.path(name, 'config.json'), text);
    expect(() => readRun(folder.path(name))).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
    expect(needs(['train', '--resume', folder.path(name)])).toEqual({ adapter: false, browser: false });
  });
});

const line = (step: number, loss: number | null = 1 / step) => `{"step":${step},"epoch":0,"loss":${loss},"lr":0.1}\n`;

describe('metrics.jsonl', () => {
  it('keeps the steps of a checkpoint, and drops what came after, cut off or not', () => {
    const path = folder.path('metrics.jsonl');
    const result = '{"step":3,"testLoss":0.5}\n';
    writeFileSync(path, line(1) + line(2, null) + line(3) + line(4) + result + line(5).slice(0, 12));
    const metrics = new Metrics(path);
    expect(metrics.keep(3)).toEqual({ losses: [1, Number.NaN, 1 / 3], validations: [] });
    expect(metrics.append(line(4, 9))).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe(line(1) + line(2, null) + line(3) + line(4, 9));
    // A run that ended and goes on has a line of its result, which is no step.
    writeFileSync(path, line(1) + line(2) + line(3) + result);
    expect(metrics.keep(3).losses).toHaveLength(3);
    expect(readFileSync(path, 'utf8')).not.toContain('testLoss');
    // Validations stand behind their steps.
    const held = [
      '{"step":2,"validationLoss":0.5,"validationAccuracy":0.75,"best":true}\n',
      '{"step":3,"validationLoss":null,"validationMse":0.25,"best":false}\n',
    ];
    writeFileSync(path, line(1) + line(2) + held[0] + line(3) + held[1] + line(4) + held[0]);
    expect(metrics.keep(3)).toEqual({
      losses: [1, 1 / 2, 1 / 3],
      validations: [
        { step: 2, loss: 0.5, accuracy: 0.75, best: true },
        { step: 3, loss: Number.NaN, mse: 0.25, best: false },
      ],
    });
    expect(readFileSync(path, 'utf8')).toBe(line(1) + line(2) + held[0] + line(3) + held[1]);
  });

  it('has whole lines alone on a full disk; what waits is written when there is room', () => {
    const path = folder.path('full.jsonl');
    const metrics = new Metrics(path);
    metrics.clear();
    metrics.append(line(1));
    disk.room = 5;
    expect(metrics.append(line(2))).toBe(false);
    expect(readFileSync(path, 'utf8')).toBe(line(1));
    expect(metrics.append(line(3))).toBe(false);
    disk.room = Number.POSITIVE_INFINITY;
    expect(metrics.append(line(4))).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe([1, 2, 3, 4].map((step) => line(step)).join(''));
  });
});

it('a folder whose disk is full tells of it, goes on, and ends whole when there is room', () => {
  const problems: DownhillError[] = [];
  const run = new RunFolder(folder.path('run'), parse('--steps 2').config, 'new', (error) => problems.push(error));
  run.event({ type: 'plan', plan: {}, data: {}, batchSize: 1, steps: 2, stepsPerEpoch: 2 } as never);
  disk.room = 0;
  run.event({ type: 'steps', steps: [{ step: 1, epoch: 0, loss: 1, lr: 1 }] });
  run.model(Uint8Array.of(1, 2, 3));
  expect(problems).toHaveLength(2);
  expect(problems[0]).toMatchObject({
    code: 'OUTPUT-UNWRITABLE',
    message: expect.stringMatching(/the disk is full\. The training goes on/),
  });
  const result = { step: 1, loss: 0.5, trainSeconds: 1, stepsPerSecond: 1, interrupted: false };
  const { unwritten } = run.finish(result);
  expect(unwritten).toMatchObject({
    code: 'OUTPUT-UNWRITABLE',
    message: expect.stringMatching(/the disk is full\. .* Make room, then: npx downhill train --resume \S+run$/),
  });
  expect(readRun(folder.path('run')).result).toBeUndefined();
  disk.room = Number.POSITIVE_INFINITY;
  expect(run.finish(result)).toEqual({});
  expect(readRun(folder.path('run')).result).toMatchObject({ step: 1 });
  expect(readdirSync(folder.path('run')).sort()).toEqual([
    'config.json',
    'loss.svg',
    'metrics.jsonl',
    'model.safetensors',
  ]);
  expect(readFileSync(folder.path('run', 'model.safetensors'))).toEqual(Buffer.of(1, 2, 3));
});
