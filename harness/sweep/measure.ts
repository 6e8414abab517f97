/**
 * What a sweep costs, for docs/scale-out.md: 200 small trials by two bare processes, by a pool of two children, by two workers on Redis; and
 * empty jobs of one worker. Needs a build and a Redis: node harness/run.mjs harness/sweep/measure.ts redis://… (empty | TRIALS-OF-A-PACK)
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { runPack } from '../../src/search/index.js';
import { processIo } from '../common/io.js';
import { findGpu } from '../common/quiet.js';
import { prepare } from '../search/command.js';
import { objectiveOf } from '../search/spec.js';
import { Coordinator } from './coordinator.js';
import { bullConnection, loadBull } from './redis/connect.js';
import { PREFIX } from './redis/keys.js';
import { checkSweep } from './spec.js';

const WORKERS = 2;
const EMPTY = 10_000;
const SEARCH = [
  'lr=log:1e-3..1',
  '--method',
  'random',
  '--trials',
  '200',
  '--optimizer',
  'sgd',
  '--model',
  '784-32-10',
];
const TRAIN = ['--samples', '1000', '--batch', '32', '--steps', '200'];

interface Line {
  readonly type: string;
  readonly at?: number;
  readonly trials?: unknown;
}

/** Runs a program of this repository; its lines of JSON. */
function lines(words: readonly string[]): Promise<Line[]> {
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code !== 0) reject(new Error(`${words.join(' ')} ended with ${code}: ${out.slice(-500)}`));
      else
        resolve(
          out
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Line),
        );
    });
  });
}

const sweep = (...words: readonly string[]) => lines(['dist/cli/downhill.js', 'sweep', ...words, '--json']);

/** Seconds from the first job's begin, with which a child starts, to the last one's end. */
function span(all: readonly Line[]): number {
  const times = all.filter(({ type }) => type === 'job').map(({ at }) => at!);
  return (Math.max(...times) - Math.min(...times)) / 1000;
}

/** Every `WORKERS`th pack, with nothing round the training: no queue, no checkpoint, no process between. */
async function bare(file: string, which: number): Promise<void> {
  const from = Date.now();
  const spec = checkSweep(JSON.parse(readFileSync(file, 'utf8')));
  const io = processIo();
  const { signal } = new AbortController();
  await findGpu();
  const device = await requestDevice({ label: 'downhill:measure' });
  const prepared = await prepare(spec.search, io, true, signal);
  const objective = objectiveOf(spec.search, prepared, prepared.steps);
  for (const { pack, tasks } of new Coordinator(spec).packs) {
    if (pack % WORKERS !== which) continue;
    await runPack(device, objective, {
      tasks: tasks.map((task) => ({ task })),
      seeds: spec.search.seeds,
      onOutcome: () => {},
    });
  }
  for (const at of [from, Date.now()]) io.stdout.write(`${JSON.stringify({ type: 'job', at })}\n`);
  io.stdout.write(`${JSON.stringify({ type: 'adapter', name: describeAdapter(device).name })}\n`);
  device.destroy();
}

async function emptyJobs(url: string): Promise<{ added: number; done: number }> {
  const { bull } = await loadBull();
  const options = { connection: bullConnection({ url }), prefix: PREFIX, skipVersionCheck: true };
  const queue = new bull.Queue('sweep-empty', options);
  const jobs = Array.from({ length: EMPTY }, (_, i) => ({
    name: 'pack',
    data: {},
    opts: { jobId: `pack-${i}`, removeOnComplete: true },
  }));
  let from = performance.now();
  for (let first = 0; first < EMPTY; first += 1000) await queue.addBulk(jobs.slice(first, first + 1000));
  const added = (1000 * EMPTY) / (performance.now() - from);
  let left = EMPTY;
  from = performance.now();
  await new Promise<void>((resolve) => {
    const worker = new bull.Worker('sweep-empty', async () => {}, { ...options, concurrency: 1 });
    worker.on('completed', () => {
      if (--left === 0) void worker.close().then(resolve);
    });
  });
  const done = (1000 * EMPTY) / (performance.now() - from);
  await queue.obliterate({ force: true });
  await queue.close();
  return { added, done };
}

export async function main([first = '', second = '8']: readonly string[]): Promise<number> {
  if (first === 'bare') {
    const [file = '', which] = second.split('#');
    await bare(file, Number(which));
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), 'downhill-measure-'));
  const say = (what: string, value: string) => process.stdout.write(`${what.padEnd(28)} ${value}\n`);
  try {
    say('cores', String(cpus().length));
    if (second === 'empty') {
      const { added, done } = await emptyJobs(first);
      say('empty jobs', `${Math.round(added)} added, ${Math.round(done)} done by one worker, each second`);
      return 0;
    }
    const words = [...SEARCH, ...TRAIN, '--pack', second];
    await sweep('add', ...words, '--out', join(folder, 'pool'));
    const both = (make: (i: number) => Promise<Line[]>) =>
      Promise.all(Array.from({ length: WORKERS }, (_, i) => make(i))).then((all) => all.flat());
    const program = ['harness/run.mjs', 'harness/sweep/measure.ts', 'bare'];
    const alone = () => both((i) => lines([...program, `${join(folder, 'pool', 'sweep.json')}#${i}`]));
    await alone(); // compiles the kernels, which a driver keeps
    const base = span(await alone());
    say('bare', `${base.toFixed(1)} s`);
    const pool = span(await sweep('work', join(folder, 'pool'), '--workers', String(WORKERS)));
    say('pool', `${pool.toFixed(1)} s, ${(pool / base).toFixed(2)} times`);
    const name = `measure-${process.pid}`;
    const place = ['--redis', first, '--name', name];
    await sweep('add', ...words, ...place);
    const redis = span(await both((i) => sweep('work', ...place, '--checkpoints', join(folder, `redis-${i}`))));
    say('Redis', `${redis.toFixed(1)} s, ${(redis / base).toFixed(2)} times`);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
