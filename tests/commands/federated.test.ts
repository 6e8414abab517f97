import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { testDevice } from '../support/gpu.js';

const folder = resolve(import.meta.dirname, '../../examples/federated');
const load = (file: string) => import(join(folder, file));

beforeAll(() => ensureBuild());

const tensors = (values: Readonly<Record<string, readonly number[]>>) =>
  new Map(
    Object.entries(values).map(([name, each]) => [name, { shape: [each.length], values: Float32Array.from(each) }]),
  );

describe('the average of updates', () => {
  const start = { a: [1, 2, 3], b: [4] };
  const moved = async (updates: readonly { update: object; samples: number }[], maxNorm = 1e6) => {
    const device = await testDevice();
    const { createAverage } = await load('average.mjs');
    const average = await createAverage(device, tensors(start), { maxNorm });
    average.add(updates);
    const read: Map<string, { values: Float32Array }> = await average.read();
    return [...read.values()].flatMap(({ values }) => [...values]);
  };

  test('is weighted by samples', async () => {
    const one = { update: tensors({ a: [4, 0, -4], b: [8] }), samples: 100 };
    const three = { update: tensors({ a: [0, 4, 0], b: [-8] }), samples: 300 };
    expect(await moved([one, three])).toEqual([2, 5, 2, 0]);
    expect(await moved([])).toEqual([1, 2, 3, 4]);
  });

  test('takes of a long update its direction, and nothing of one that is not finite', async () => {
    const long = { update: tensors({ a: [3e6, 0, 0], b: [4e6] }), samples: 1 };
    const [a, , , b] = await moved([long], 5);
    expect(a).toBeCloseTo(1 + 3, 4);
    expect(b).toBeCloseTo(4 + 4, 4);
    const broken = { update: tensors({ a: [Number.NaN, 0, 0], b: [1] }), samples: 1 };
    expect(await moved([broken])).toEqual([1, 2, 3, 4]);
  });
});

test('clients train together; what is malformed is refused, who is silent is left out', async () => {
  const run = (file: string, ...words: readonly string[]) =>
    spawn(process.execPath, [join(folder, file), ...words], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, PORT: '0', ROUND_MS: '15000' },
    });
  const server = run('server.mjs', '4', '3');
  const said: string[] = [];
  const others: { kill(): unknown }[] = [];
  for await (const line of createInterface({ input: server.stdout })) {
    said.push(line);
    const [address] = /ws:\/\/\S+/.exec(line) ?? [];
    if (!address) continue;
    others.push(run('client.mjs', address, '1'), run('client.mjs', address, '2'));
    const hostile = new WebSocket(address);
    hostile.on('message', () => hostile.send('{"weights": "all mine"}'));
    const silent = new WebSocket(address);
    for (const socket of [hostile, silent]) others.push({ kill: () => socket.terminate() });
  }
  for (const other of others) other.kill();
  const rounds = said.filter((line) => /updates/.test(line));
  expect(rounds).toHaveLength(3);
  expect(rounds[0]).toMatch(/round 1: 2 updates, 1 late/);
  expect(said.filter((line) => /an update is refused: .*CHECKPOINT-CORRUPT/.test(line))).toHaveLength(1);
  const accuracy = rounds.map((line) => Number(/accuracy ([\d.]+)/.exec(line)![1]));
  expect(accuracy.at(-1)!).toBeGreaterThan(accuracy[0]!);
});
