import { spawn } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, readLines, scratch } from '../support/cli.js';

const { path, remove } = scratch();
afterAll(remove);
beforeAll(() => ensureBuild());

const KILLS = 20;
const WORDS = (
  'lr=log:1e-3..1,momentum=0..0.95 --method asha --eta 2 --trials 24 --optimizer sgd --model 784-8-10 --samples 300 --batch 32 ' +
  '--steps 1024 --pack 1 --parallel 4 --every 64'
).split(' ');

/** Numbers in [0, 1) that are the same in every run of this test. */
function* draws(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

test('killed at 20 random points, workers and children alike, it comes to the same bytes', async () => {
  const whole = path('whole');
  expect((await downhill(['sweep', 'add', ...WORDS, '--out', whole]).done).code).toBe(0);
  const killed = path('killed');
  cpSync(whole, killed, { recursive: true });
  const undisturbed = await downhill(['sweep', 'work', whole, '--workers', '2']).done;
  expect(undisturbed.code).toBe(0);

  const cli = pathToFileURL(join(import.meta.dirname, '../../dist/cli/cli.js')).href;
  const script = `const { main } = await import(${JSON.stringify(cli)}); process.exitCode = await main(process.argv.slice(1));`;
  const random = draws(7);
  let kills = 0;
  for (let done = false; !done; ) {
    const words = ['sweep', 'work', killed, '--workers', '2', '--json'];
    const worker = spawn(process.execPath, ['--input-type=module', '-e', script, '--', ...words], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pids = new Set<number>();
    let out = '';
    let results = 0;
    // After one or two lines about training: every task has two at least, so that there are kills enough on any machine.
    const next = () => 1 + Math.floor(random.next().value * 2);
    let left = next();
    let [spared, ended] = [false, false];
    worker.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (out + text).split('\n');
      out = lines.pop()!;
      for (const line of lines) {
        const { type, pid } = JSON.parse(line);
        if (pid) pids.add(pid);
        if (type === 'result') results++;
        if (ended || !['progress', 'result'].includes(type) || kills >= KILLS || --left !== 0) continue;
        kills++;
        const child = [...pids][Math.floor(random.next().value * pids.size)]!;
        // Now the worker, now one of its children, now both; a child alone once only, or its trials had failed by right.
        const what = spared ? 0 : Math.floor(random.next().value * 3);
        if (what !== 0) process.kill(child, 'SIGKILL');
        if (what !== 1) {
          ended = true; // what it said before it died is still to come
          worker.kill('SIGKILL');
        } else {
          spared = true;
          pids.delete(child);
          left = next();
        }
      }
    });
    const code = await new Promise((resolve) => worker.once('close', resolve));
    done = code === 0;
    expect(results + kills).toBeGreaterThan(0);
  }
  for (const file of ['search.jsonl', 'trials.jsonl', 'best.json', 'parallel.svg']) {
    const read = (folder: string) => readFileSync(join(folder, 'results', file), 'utf8').replaceAll(folder, 'DIR');
    // The sweep's name is its folder's, and stands in the title of the pictures.
    expect(read(killed)).toBe(read(whole));
  }
  expect(kills).toBe(KILLS);
  expect(readLines(join(killed, 'results', 'trials.jsonl')).every(({ state }) => state !== 'running')).toBe(true);
}, 900_000);
