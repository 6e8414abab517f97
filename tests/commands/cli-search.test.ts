import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import type { Task, Trial } from '../../src/search/index.js';
import { downhill, jsonLines, readLines, scratch } from '../support/cli.js';

/* The built command: what it leaves, that a killed search resumes to the same, and that a trial alone has the same bits. */

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => ensureBuild());

const net = ['--samples', '200', '--model', '784-8-10', '--batch', '16', '--optimizer', 'sgd'];
const SPACE = 'lr=log:1e-3..30,momentum=0..0.9';
const searched = (...more: string[]) => [
  'search',
  ...net,
  '--space',
  SPACE,
  '--trials',
  '8',
  ...(more.includes('--steps') ? [] : ['--steps', '32']),
  ...more,
];
const trialsOf = (out: string) => readLines(folder.path(out, 'trials.jsonl')) as unknown as Trial[];
const read = (...names: string[]) => readFileSync(folder.path(...names), 'utf8');

it('search leaves trials, a journal, the best one and pictures, and goes on after kill -9 to the same', async () => {
  const whole = await downhill(searched('--out', folder.path('whole'))).done;
  expect(whole).toMatchObject({ code: 0 });
  expect(whole.out).toMatch(/trial +loss +steps +lr +momentum/);
  expect(whole.out).toMatch(/train it +npx downhill train --samples 200 .*--lr /);
  expect(whole.err).toMatch(/halving: 8 trials of up to 32 steps; 56 steps in all, 22 %/);
  expect(readdirSync(folder.path('whole')).sort()).toEqual(
    [
      ...['best.json', 'heat-map.svg', 'history.svg', 'optuna-journal.log', 'parallel.svg'],
      ...['search.json', 'search.jsonl', 'slices.svg', 'trials.jsonl'],
    ].sort(),
  );
  const trials = trialsOf('whole');
  expect(trials).toHaveLength(8);
  expect(JSON.parse(read('whole', 'best.json')).best).toEqual(
    trials.find(({ trial }) => trial === JSON.parse(read('whole', 'best.json')).best.trial),
  );
  expect(readLines(folder.path('whole', 'optuna-journal.log'))[0]).toMatchObject({ op_code: 0, study_name: 'whole' });

  // Killed twice, with no time to tidy up: after the first results, and later.
  const killed = downhill(searched('--out', folder.path('killed'), '--json'));
  await killed.seen(/(.*"type":"result"[\s\S]*){3}/);
  killed.process.kill('SIGKILL');
  await killed.done;
  writeFileSync(folder.path('killed', 'search.jsonl'), `${read('killed', 'search.jsonl')}{"type":"res`);
  const again = downhill(['search', '--resume', folder.path('killed'), '--json']);
  await again.seen(/(.*"type":"result"[\s\S]*){4}/);
  again.process.kill('SIGKILL');
  await again.done;
  const resumed = await downhill(['search', '--resume', folder.path('killed'), '--json']).done;
  expect(resumed).toMatchObject({ code: 0 });
  expect(jsonLines(resumed.out).at(-1)).toMatchObject({ type: 'end', state: 'done' });
  expect(trialsOf('killed')).toEqual(trials);

  // One stretch of it alone: the same value, bit for bit.
  const tasks = readLines(folder.path('whole', 'search.jsonl')).flatMap((line) => (line.tasks ?? []) as Task[]);
  const { trial, params } = tasks.findLast(({ to }) => to === 32)!;
  const train = Object.fromEntries(
    [...net, '--steps', '32'].flatMap((each, i, all) => (each.startsWith('--') ? [[each.slice(2), all[i + 1]]] : [])),
  );
  const file = { format: 'downhill-trial/1', trial, train, params, seeds: [0], metric: 'loss' };
  writeFileSync(folder.path('trial.json'), JSON.stringify(file));
  const alone = await downhill(['trial', folder.path('trial.json'), '--out', folder.path('alone'), '--json']).done;
  expect(alone).toMatchObject({ code: 0 });
  const result = JSON.parse(read('alone', 'result.json'));
  expect(result).toMatchObject({
    state: 'complete',
    values: trials[trial]!.values,
    checkpoints: ['checkpoint-0.safetensors'],
  });
  expect(jsonLines(alone.out).at(-1)).toEqual({ type: 'result', ...result });
  expect(readLines(folder.path('alone', 'metrics.jsonl'))).toHaveLength(32);

  // In two stretches, by way of a checkpoint.
  writeFileSync(folder.path('first.json'), JSON.stringify({ ...file, to: 12 }));
  expect(await downhill(['trial', folder.path('first.json'), '--out', folder.path('first')]).done).toMatchObject({
    code: 0,
  });
  writeFileSync(
    folder.path('second.json'),
    JSON.stringify({ ...file, checkpoints: ['first/checkpoint-0.safetensors'] }),
  );
  expect(await downhill(['trial', folder.path('second.json'), '--out', folder.path('second')]).done).toMatchObject({
    code: 0,
  });
  expect(JSON.parse(read('second', 'result.json')).values).toEqual(result.values);

  // What diverges says so, and leaves no checkpoint.
  writeFileSync(folder.path('wild.json'), JSON.stringify({ ...file, params: { lr: 1e30, momentum: 0 } }));
  const wild = await downhill(['trial', folder.path('wild.json'), '--out', folder.path('wild')]).done;
  expect(wild).toMatchObject({ code: 3 });
  expect(JSON.parse(read('wild', 'result.json'))).toMatchObject({ state: 'failed', value: null, checkpoints: [null] });
  expect(existsSync(folder.path('wild', 'checkpoint-0.safetensors'))).toBe(false);
});

it('search ends at Ctrl+C with what there is, and says how to go on; other searches are refused', async () => {
  const out = folder.path('ended');
  const running = downhill(searched('--out', out, '--method', 'random', '--trials', '48', '--steps', '200', '--json'));
  await running.seen(/"type":"result"/);
  running.process.kill('SIGINT');
  const { code, out: said } = await running.done;
  expect(code).toBe(130);
  expect(jsonLines(said).at(-1)).toMatchObject({ type: 'end', state: 'interrupted' });
  expect(trialsOf('ended').some(({ state }) => state === 'complete')).toBe(true);
  expect(existsSync(folder.path('ended', 'parallel.svg'))).toBe(true);

  const taken = await downhill(searched('--out', out)).done;
  expect(taken.code).toBe(1);
  expect(taken.err).toMatch(/has search\.json in it already[\s\S]*--resume/);
  // Somebody wrote another search over it: the log is not this one's.
  const spec = JSON.parse(read('ended', 'search.json'));
  writeFileSync(folder.path('ended', 'search.json'), JSON.stringify({ ...spec, trials: 9 }));
  const other = await downhill(['search', '--resume', out]).done;
  expect(other.code).toBe(1);
  expect(other.err).toContain('CHECKPOINT-MISMATCH');
});

it('trial that is told to end leaves checkpoints, and goes on from them to the same', async () => {
  const train = { samples: '200', model: '784-4-10', batch: '16', optimizer: 'sgd', steps: '1500' };
  const file = { format: 'downhill-trial/1', trial: 0, train, params: { lr: 0.05 }, seeds: [0], metric: 'accuracy' };
  writeFileSync(folder.path('long.json'), JSON.stringify(file));
  const args = (out: string) => ['trial', folder.path('long.json'), '--out', folder.path(out), '--json'];
  const ended = downhill(args('a'));
  await ended.seen(/"type":"progress"/);
  ended.process.kill('SIGTERM');
  expect(await ended.done).toMatchObject({ code: 143 });
  expect(readdirSync(folder.path('a')).sort()).toEqual(['checkpoint-0.safetensors', 'metrics.jsonl']);
  expect(await downhill(args('a')).done).toMatchObject({ code: 0 });
  expect(await downhill(args('b')).done).toMatchObject({ code: 0 });
  const [a, b] = ['a', 'b'].map((out) => JSON.parse(read(out, 'result.json')));
  expect(a.values).toEqual(b.values);
  const bytes = ['a', 'b'].map((out) => readFileSync(folder.path(out, 'checkpoint-0.safetensors')));
  expect(bytes[0]!.equals(bytes[1]!)).toBe(true);
});

it('range says a rate, as a sweep and side by side', async () => {
  const sweep = await downhill(['range', ...net, '--steps', '60', '--out', folder.path('range')]).done;
  expect(sweep).toMatchObject({ code: 0 });
  expect(sweep.out).toMatch(/suggestion +--lr \S+ \(a tenth of the lowest\)/);
  expect(read('range', 'range.svg')).toMatch(/^<svg/);
  const side = [
    'range',
    ...net,
    '--parallel',
    '5',
    '--steps',
    '10',
    '--from',
    '1e-3',
    '--out',
    folder.path('side'),
    '--json',
  ];
  const { out } = await downhill(side).done;
  expect(JSON.parse(out)).toMatchObject({ kind: 'parallel', suggestion: expect.any(Number) });
  expect(JSON.parse(read('side', 'range.json')).points).toHaveLength(5);
});
