import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asCode } from '../../app/runs/export/code.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { buildData } from '../../harness/train/data.js';
import { runJob } from '../../harness/train/job.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { runSteps } from '../../harness/train/schedule.js';
import { testDevice } from '../support/gpu.js';

/* A run of the page as a program: run with the built package, it comes to the same as the command line, to the bit. */

// In the package, so that 'downhill' is found as a user's program finds it.
const folder = resolve(import.meta.dirname, '../../dist/page-code');
beforeAll(() => {
  ensureBuild();
  mkdirSync(folder, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SMALL = ['--samples', '300', '--batch', '40', '--epochs', '2', '--model', '784-12-10'];

test.each([
  ['the plain run', SMALL],
  [
    'a schedule, a clip, a penalty',
    [...SMALL, '--schedule', 'cosine', '--warmup', '2', '--clip-norm', '1', '--penalty-l2', '0.001'],
  ],
  [
    'another rule, wrapped, with label smoothing',
    [
      ...SMALL,
      '--optimizer',
      'sgd',
      '--lr',
      '0.1',
      '--momentum',
      '0.9',
      '--nesterov',
      '--wrap',
      'lookahead=3',
      '--label-smoothing',
      '0.1',
    ],
  ],
  [
    'a validation part, and norm',
    [...SMALL, '--validation', '0.2', '--patience', '1', '--norm', 'batch', '--dropout', '0.2', '--seed', '4'],
  ],
  [
    'points of the plane',
    [
      '--data',
      'moons',
      '--points',
      '200',
      '--activation',
      'tanh',
      '--steps',
      '20',
      '--scale',
      'unit',
      '--sampling',
      'full',
      '--model',
      '2-6-2',
    ],
  ],
])('%s', async (name, args) => {
  const { config } = parseTrain(args) as TrainCommand;
  const data = await buildData(config);
  const losses: number[] = [];
  const result = await runJob(
    await testDevice(),
    config,
    data,
    (event) => {
      if (event.type === 'steps') losses.push(...event.steps.map(({ loss }) => loss));
    },
    new AbortController().signal,
  );
  const code = asCode({ config, caption: name, totalSteps: runSteps(config, data.train.samples) })
    .replace(/requestDevice, |, requestDevice\b/, '')
    .replace('\n\n', "\nimport { requestDevice } from 'downhill/node';\n\n")
    .replace('if (step % 100 === 0) console.log(step, loss)', 'console.log(step, loss)')
    .replace(
      /console\.log\(await trainer\.evaluate\(test\)\);/,
      'console.log(JSON.stringify(await trainer.evaluate(test)));\nprocess.exit(0);',
    );
  const file = join(folder, `${name.replace(/\W+/g, '-')}.mjs`);
  writeFileSync(file, code);
  const lines = execFileSync(process.execPath, [file], { encoding: 'utf8' }).trim().split('\n');
  expect(lines.slice(0, -1).map((line) => Number(line.split(' ')[1]))).toEqual(losses);
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ loss: result.loss, accuracy: result.accuracy });
});
