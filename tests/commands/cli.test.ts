import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, jsonLines, readLines, scratch, writeIdx } from '../support/cli.js';
import { prices } from '../support/table.js';

const folder = scratch();
afterAll(folder.remove);
afterEach(() => vi.unstubAllEnvs());
beforeAll(() => {
  ensureBuild();
  mkdirSync(folder.path('idx'));
  writeIdx(folder.path('idx'), 'train', 70);
  writeIdx(folder.path('idx'), 't10k', 20);
});

/** A network that learns its 16 pixels in no time; 70 samples in batches of 16 leave a short one. */
const tiny = () => [
  'train',
  '--data',
  `idx:${folder.path('idx')}`,
  '--model',
  '16-12-4',
  '--batch',
  '16',
  '--lr',
  '0.02',
];
/** A line of a JavaScript stack; Dawn's own warnings have lines of C++. */
const STACK = /\bat .*\.[jt]s:/;
const FILES = ['config.json', 'metrics.jsonl', 'loss.svg', 'model.safetensors', 'checkpoints'];

it('answers a mistyped flag before it looks for an adapter or a browser', () => {
  const env = { ...process.env, VK_DRIVER_FILES: '/nowhere', DOWNHILL_BROWSER: '/nowhere' };
  for (const place of ['node', 'chrome']) {
    const args = ['harness/downhill.mjs', 'train', '--in', place, '--optimizr', 'adam'];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
    expect({ status, stderr }).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/Did you mean '--optimizer'/),
    });
  }
});

it('names the adapter once, and keeps what Dawn says of it off the terminal', () => {
  // A pipe of the shell's, which can be set aside as a terminal can; those of Node are sockets.
  const args = ['train', '--samples', '200', '--model', '784-10', '--steps', '2', '--out', folder.path('once')];
  const line = [process.execPath, 'harness/downhill.mjs', ...args].map((word) => `'${word}'`).join(' ');
  const { stdout } = spawnSync('sh', ['-c', `{ ${line}; } 2>&1 | cat`], { encoding: 'utf8' });
  expect(stdout.match(/^ *adapter /gm)).toHaveLength(1);
  expect(stdout).not.toMatch(/artificially reduced/);
  expect(stdout).toMatch(/test +accuracy/);
});

describe('downhill train in Node', () => {
  it('learns a table, and tells R² and RMSE in units', async () => {
    writeFileSync(folder.path('houses.csv'), prices(400));
    const line = [
      'train',
      '--data',
      `csv:${folder.path('houses.csv')}`,
      '--target',
      'price',
      '--json',
      '--model',
      '5-24-1',
    ];
    const { code, out, err } = await downhill([...line, '--lr', '0.01', '--out', folder.path('table')]).done;
    expect(code, err).toBe(0);
    const result = jsonLines(out).at(-1) as { type: string; r2: number; rmse: number; loss: number };
    expect(result.type).toBe('result');
    // 50 steps of a small network; what all defaults reach, tests/slow/csv.test.ts says. The price spreads over 8,800.
    expect(result.r2).toBeGreaterThan(0.8);
    expect(result.rmse).toBeLessThan(4000);
    expect(result.loss).toBeLessThan(0.2);
    const { testR2, testRmse } = readLines(folder.path('table', 'metrics.jsonl')).at(-1)!;
    expect([testR2, testRmse]).toEqual([result.r2, result.rmse]);
    expect(JSON.parse(readFileSync(folder.path('table', 'config.json'), 'utf8')).config).toMatchObject({
      data: { kind: 'csv', target: ['price'] },
      model: { sizes: [5, 24, 1], loss: 'mse' },
    });
  });

  it('trains, says so, and leaves its files; a second run gives the same bytes', async () => {
    const [a, b] = [folder.path('a'), folder.path('b')];
    const first = await downhill([...tiny(), '--epochs', '12', '--seed', '3', '--out', a]).done;
    expect(first.code, first.err).toBe(0);
    expect(first.out).toMatch(/adapter +\S+/);
    expect(first.out).toMatch(/network +16-12-4, 256 parameters, \d+ dispatches per step/);
    expect(first.out).toMatch(/batches +16, \S.*; 5 iterations per epoch; 60 steps, 12 epochs; seed/);
    expect(first.out).toMatch(/60\/60 {2}loss \d/);
    expect(first.out).toMatch(/test +accuracy (9\d|100)\.\d\d %, loss \d/);
    expect(first.out).toContain(a);
    for (const file of FILES) expect(existsSync(folder.path('a', file)), file).toBe(true);

    const lines = readLines(folder.path('a', 'metrics.jsonl'));
    expect(lines.slice(0, -1).map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect(lines.slice(0, -1).map(({ epoch }) => epoch)).toEqual(
      Array.from({ length: 60 }, (_, i) => Math.floor(i / 5)),
    );
    expect(lines[59]!.loss).toBeLessThan(lines[0]!.loss as number);
    expect(lines[60]).toEqual({ step: 60, testLoss: expect.any(Number), testAccuracy: expect.any(Number) });

    const config = JSON.parse(readFileSync(folder.path('a', 'config.json'), 'utf8'));
    expect(config).toMatchObject({
      config: { seed: 3, optimizer: { name: 'adam', hyper: { lr: 0.02 } } },
      adapter: { name: expect.any(String), cpu: expect.any(Boolean) },
      plan: { parameters: 256 },
      data: { train: 70, test: 20 },
      steps: 60,
      result: { step: 60, interrupted: false },
    });
    expect(first.out.includes('CPU adapter')).toBe(config.adapter.cpu);
    expect(readFileSync(folder.path('a', 'loss.svg'), 'utf8')).toContain('test accuracy');

    const second = await downhill([...tiny(), '--epochs', '12', '--seed', '3', '--out', b]).done;
    expect(second.code, second.err).toBe(0);
    const bytes = (run: string) => readFileSync(folder.path(run, 'metrics.jsonl'), 'utf8');
    expect(bytes('b')).toBe(bytes('a'));
  });

  it('says the same as JSON lines with --json, and nothing else', async () => {
    const out = folder.path('json');
    const run = await downhill([
      ...tiny(),
      '--steps',
      '7',
      '--optimizer',
      'sgd',
      '--momentum',
      '0.9',
      '--json',
      '--out',
      out,
    ]).done;
    expect(run.code, run.err).toBe(0);
    const lines = jsonLines(run.out);
    expect(lines.map(({ type }) => type)).toEqual([
      'runtime',
      'adapter',
      'plan',
      ...Array(7).fill('step'),
      'saved',
      'result',
    ]);
    expect(lines.at(-1)).toMatchObject({ step: 7, interrupted: false, folder: out });
    const steps = lines.slice(3, -2).map(({ type: _, ...step }) => step);
    expect(steps).toEqual(readLines(folder.path('json', 'metrics.jsonl')).slice(0, -1));
  });

  it('validates on a part of its own, and stops early with the best weights', async () => {
    const out = folder.path('early');
    const stopping = ['--validate-every', '3', '--patience', '3', '--stop-metric', 'accuracy', '--epochs', '500'];
    const args = [...tiny(), '--validation', '0.2', ...stopping];
    const { code, out: text, err } = await downhill([...args, '--out', out]).done;
    expect(code, err).toBe(0);
    expect(text).toContain('56 to train, 14 to validate, 20 to test');
    expect(text).toMatch(/validation +every 3 steps; stops after 3 validations without a better accuracy/);
    expect(text).toMatch(
      /best +validation loss \S+, accuracy .* % after \d+ steps?\n +stopped +early, after \d+ steps/,
    );
    const { result } = JSON.parse(readFileSync(`${out}/config.json`, 'utf8'));
    expect(result).toMatchObject({ interrupted: false, stopped: { reason: 'early-stopping', step: result.step } });
    expect(result.stopped.best).toEqual({ step: result.best.step, value: result.best.accuracy });
    const lines = readLines(`${out}/metrics.jsonl`) as Record<string, number>[];
    const held = lines.filter(({ validationLoss }) => validationLoss !== undefined);
    expect(held.map(({ step }) => step)).toEqual(held.map((_, i) => 3 * (i + 1)));
    expect(Math.max(...held.map(({ validationAccuracy }) => validationAccuracy!))).toBe(result.best.accuracy);
    expect(held.at(-1)!.step).toBe(result.best.step + 9);
    expect(readFileSync(`${out}/loss.svg`, 'utf8')).toContain('stopped early');
  });

  it('follows --schedule after --warmup, and says so', async () => {
    const schedule = ['--schedule', 'cosine', '--warmup', '4', '--min-lr', '0.001'];
    const run = await downhill([...tiny(), ...schedule, '--epochs', '4', '--out', folder.path('cosine')]).done;
    expect(run.code, run.err).toBe(0);
    expect(run.out).toMatch(/schedule +warmup\(cosine\(0.02, { steps: 16, min: 0.001 }\), { steps: 4 }\)/);
    expect(run.out).toMatch(/20\/20 {2}loss \d\S+ +lr 1\.18e-3/);
    const rates = readLines(folder.path('cosine', 'metrics.jsonl')).map(({ lr }) => lr as number);
    const wave = (count: number) => 0.001 + 0.019 * (1 + Math.cos((Math.PI * count) / 16)) * 0.5;
    for (const [i, rate] of rates.slice(0, 20).entries()) {
      expect(rate, `step ${i + 1}`).toBeCloseTo(i < 4 ? 0.005 + (0.015 * i) / 4 : wave(i - 4), 14);
    }
    const { config, schedule: text } = JSON.parse(readFileSync(folder.path('cosine', 'config.json'), 'utf8'));
    expect(config.schedule).toEqual({ name: 'cosine', warmup: 4, minLr: 0.001 });
    expect(text).toContain('cosine(0.02');
    expect(readFileSync(folder.path('cosine', 'loss.svg'), 'utf8')).toContain('lr 0.02, cosine, warm-up 4');
  });

  it('trains against one-hot targets with --loss mse, on full batches', async () => {
    const out = folder.path('mse');
    const args = [...tiny().filter((arg) => arg !== '--batch' && arg !== '16'), '--sampling', 'full', '--loss', 'mse'];
    const run = await downhill([...args, '--activation', 'tanh', '--steps', '30', '--out', out]).done;
    expect(run.code, run.err).toBe(0);
    const lines = readLines(folder.path('mse', 'metrics.jsonl'));
    expect(lines[29]!.loss).toBeLessThan(0.5 * (lines[0]!.loss as number));
    expect(lines[30]).toEqual({ step: 30, testLoss: expect.any(Number) });
  });

  it('ends cleanly at Ctrl+C: evaluated, saved, exit code 130', async () => {
    const out = folder.path('stopped');
    const run = downhill([...tiny(), '--steps', '10000000', '--json', '--out', out]);
    await run.seen(/"type":"step"/);
    run.process.kill('SIGINT');
    const { code, out: text, err } = await run.done;
    expect(code, err).toBe(130);
    const result = jsonLines(text).at(-1)!;
    expect(result).toMatchObject({ type: 'result', interrupted: true, loss: expect.any(Number) });
    const lines = readLines(folder.path('stopped', 'metrics.jsonl'));
    expect(lines.slice(0, -1).map(({ step }) => step)).toEqual(
      Array.from({ length: result.step as number }, (_, i) => i + 1),
    );
    expect(lines.at(-1)).toMatchObject({ step: result.step, testLoss: result.loss });
    expect(readFileSync(folder.path('stopped', 'loss.svg'), 'utf8')).toMatch(/test accuracy/);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends cleanly at %s, too, with result and picture: exit code %i', async (signal, expected) => {
    const run = downhill([...tiny(), '--steps', '10000000', '--json', '--out', folder.path(signal)]);
    await run.seen(/"type":"step"/);
    run.process.kill(signal);
    const { code, out, err } = await run.done;
    expect(code, err).toBe(expected);
    expect(jsonLines(out).at(-1)).toMatchObject({ type: 'result', interrupted: true });
    expect(readFileSync(folder.path(signal, 'loss.svg'), 'utf8')).toMatch(/test accuracy/);
  });

  it('ends while a large network is drawn, and leaves nothing', async () => {
    const [out, tmp] = [folder.path('large'), folder.path('large-tmp')];
    mkdirSync(tmp);
    // 130 million weights: half a minute at least.
    const large = ['train', '--samples', '200', '--model', '784-11000-11000-10', '--init', 'orthogonal', '--json'];
    const run = downhill([...large, '--steps', '10', '--out', out], { TMPDIR: tmp });
    await run.seen(/"type":"adapter"/);
    run.process.kill('SIGTERM');
    const { code, out: text, err } = await run.done;
    expect(code, err).toBe(143);
    expect(jsonLines(text).map(({ type }) => type)).toEqual(['runtime', 'adapter', 'stopping']);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('ends with 3 when it diverged, unless that is allowed', async () => {
    const args = [...tiny(), '--optimizer', 'sgd', '--lr', '1e6', '--steps', '20'];
    const run = await downhill([...args, '--out', folder.path('diverged')]).done;
    expect(run.code, run.err).toBe(3);
    expect(run.out).toMatch(/The training diverged: its loss .*\n/);
    expect(readdirSync(folder.path('diverged')).sort()).toEqual([...FILES].sort());
    const allowed = await downhill([...args, '--allow-divergence', '--json', '--out', folder.path('allowed')]).done;
    expect(allowed.code, allowed.err).toBe(0);
    expect(jsonLines(allowed.out).at(-1)).toMatchObject({ type: 'result', diverged: expect.stringMatching(/loss/) });
  });

  it('refuses the folder that another run is writing, with --force too', async () => {
    const out = folder.path('shared');
    const first = downhill([...tiny(), '--steps', '10000000', '--json', '--out', out]);
    await first.seen(/"type":"step"/);
    const second = await downhill([...tiny(), '--steps', '5', '--force', '--out', out]).done;
    expect(second.code).toBe(1);
    expect(second.err).toMatch(new RegExp(`in use by another run .*${first.process.pid}[\\s\\S]*OUTPUT-UNWRITABLE`));
    first.process.kill('SIGINT');
    expect((await first.done).code).toBe(130);
    const steps = readLines(folder.path('shared', 'metrics.jsonl')).slice(0, -1);
    expect(steps.map(({ step }) => step)).toEqual(steps.map((_, i) => i + 1));
  });

  it('refuses an --out that cannot be written', async () => {
    writeFileSync(folder.path('file'), '');
    const run = await downhill([...tiny(), '--out', folder.path('file', 'run')]).done;
    expect(run.code).toBe(1);
    expect(run.out).toBe('');
    expect(run.err).toMatch(/is a file[\s\S]*--out[\s\S]*OUTPUT-UNWRITABLE/);
  });

  it('leaves no folder, and a run that is there as it was, where the device binds less than it takes', async () => {
    const args = [
      'train',
      '--samples',
      '1500',
      '--batch',
      '1100',
      '--model',
      '784-1000000-10',
      '--steps',
      '5',
      '--out',
    ];
    const run = await downhill([...args, folder.path('large')]).done;
    expect(run.err).toContain('LIMIT-BINDING');
    expect(run.code).toBe(1);
    expect(existsSync(folder.path('large'))).toBe(false);
    mkdirSync(folder.path('before'));
    for (const name of FILES) writeFileSync(folder.path('before', name), 'old');
    expect((await downhill([...args, folder.path('before'), '--force']).done).err).toContain('LIMIT-BINDING');
    expect(readdirSync(folder.path('before')).sort()).toEqual([...FILES].sort());
    for (const name of FILES) expect(readFileSync(folder.path('before', name), 'utf8')).toBe('old');
  });

  it('ends with an error where stdout takes nothing, and leaves its files', async (context) => {
    context.skip(process.platform !== 'linux', 'there is no /dev/full');
    const line = [process.execPath, 'harness/downhill.mjs', ...tiny(), '--steps', '5', '--out', folder.path('unsaid')];
    const shell = `${line.map((word) => `'${word}'`).join(' ')} > /dev/full`;
    const { status, stderr } = spawnSync('sh', ['-c', shell], { encoding: 'utf8' });
    expect(stderr).toMatch(/error +What is said here cannot be written: the disk is full\.\n[\s\S]*OUTPUT-UNWRITABLE/);
    expect(status).toBe(1);
    expect(readdirSync(folder.path('unsaid')).sort()).toEqual([...FILES].sort());
  });

  it('ends where nobody reads stdout any more, and leaves no temporary folder', async (context) => {
    context.skip(process.platform === 'win32', 'a shell of Unix closes the pipe');
    const [out, temporary] = [folder.path('unread'), folder.path('unread-tmp')];
    mkdirSync(temporary);
    const line = [process.execPath, 'harness/downhill.mjs', ...tiny(), '--steps', '10000000', '--json', '--out', out];
    const words = line.map((word) => `'${word}'`).join(' ');
    const shell = `set -o pipefail; ${words} | head -n 1`;
    const env = { ...process.env, TMPDIR: temporary };
    const { status, stdout } = spawnSync('bash', ['-c', shell], { encoding: 'utf8', env, timeout: 60_000 });
    expect(stdout).toMatch(/^\{.*\}\n$/);
    expect(status).toBe(141);
    expect(readdirSync(temporary).filter((name) => name.startsWith('downhill'))).toEqual([]);
  });

  // Node's own mkdir goes on for ever there, and hears no signal.
  it.each([
    ['train', ['--out', '/proc/nothing']],
    ['train', ['--out', '/proc/nothing/below/it']],
    ['landscape', ['rosenbrock', '--in', 'cpu', '--steps', '3', '--out', '/proc/nothing/below.svg']],
    ['compare', ['ravine', '--quick', '--out', '/proc/nothing']],
  ])('%s ends where nothing can be made: %j', (command, args) => {
    const cli = join(import.meta.dirname, '../../dist/cli/downhill.js');
    const words = [cli, command, ...args];
    const { status, stderr } = spawnSync(process.execPath, words, {
      ...{ encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' },
    });
    expect(stderr).toMatch(/cannot be written: [\s\S]*OUTPUT-UNWRITABLE/);
    expect(status).toBe(1);
  });

  it('says calmly that the folder it was started in is gone', async (context) => {
    context.skip(process.platform === 'win32', 'there no folder goes that a process is in');
    const cli = join(import.meta.dirname, '../../dist/cli/downhill.js');
    const shell = `mkdir '${folder.path('left')}' && cd '${folder.path('left')}' && rmdir '${folder.path('left')}' && exec '${process.execPath}' '${cli}' train`;
    const { status, stderr } = spawnSync('sh', ['-c', shell], { encoding: 'utf8' });
    expect(stderr).toMatch(/error +The folder that this was started in is no longer there\./);
    expect(status).toBe(1);
  });

  it('ends with a calm error when its folder goes away while it runs', async () => {
    const out = folder.path('gone');
    const run = downhill([...tiny(), '--steps', '10000000', '--json', '--out', out]);
    await run.seen(/"type":"step"/);
    renameSync(out, folder.path('elsewhere')); // at once, unlike a removal
    const { code, out: text, err } = await run.done;
    expect(err).toContain(
      `\n  error  The folder ${out} cannot be written: it is no longer there.\n` +
        '  fix    Name another folder with --out.\n  code   OUTPUT-UNWRITABLE\n\n',
    );
    expect(err).not.toMatch(STACK);
    expect(code).toBe(1);
    const last = jsonLines(text).at(-1)!;
    expect(last).toMatchObject({ type: 'error', code: 'OUTPUT-UNWRITABLE' });
    expect(last.folder, 'nothing is saved there').toBeUndefined();
    expect(readLines(folder.path('elsewhere', 'metrics.jsonl')).length).toBeGreaterThan(0);
  });

  it.each([
    ['an adapter', 'VK_DRIVER_FILES', [], 'NO-ADAPTER'],
    ['a browser', 'DOWNHILL_BROWSER', ['--in', 'chrome'], 'NO-BROWSER'],
  ])('says calmly that there is not %s, and leaves no folder', async (_, variable, more, errorCode) => {
    vi.stubEnv(variable, folder.path('nowhere'));
    const run = await downhill([...tiny(), ...more, '--out', folder.path('none', 'run')]).done;
    expect(run.code).toBe(1);
    expect(run.err).toMatch(new RegExp(`\\n  error  .*nowhere.*\\n  fix    .*\\n  code   ${errorCode}\\n\\n$`));
    expect(run.err).not.toMatch(STACK);
    expect(run.out).toBe('');
    expect(existsSync(folder.path('none'))).toBe(false);
  });
});
