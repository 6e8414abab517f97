import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bench } from '../../harness/bench/command.js';
import { loadPeer, PEERS } from '../../harness/bench/peers.js';
import { readReport } from '../../harness/bench/report/read.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { digits, split } from '../../src/data/index.js';
import { mlp } from '../../src/nn/mlp.js';
import { adam } from '../../src/optim/rules.gen.js';
import { createTrainer } from '../../src/train/trainer.js';
import { fakeIo, scratch } from '../support/cli.js';
import { testDevice } from '../support/gpu.js';
import { nodeEnvironment } from '../support/node-environment.js';
import { errors, expectedResults, runPeer, TOLERANCE } from '../support/peer-cases.js';
import { collect } from '../support/train.js';

/* One case of each thing in tests/slow. */

const files = scratch();
beforeAll(() => ensureBuild());
afterAll(() => files.remove());

it('a small network learns the built-in digits', async () => {
  const [train, test] = split(digits({ samples: 2500, seed: 1 }), 2000);
  const trainer = await createTrainer(await testDevice(), {
    model: mlp({ sizes: [784, 32, 10] }),
    rule: adam({ lr: 3e-3 }),
    data: train,
    submitMs: 500,
  });
  await collect(trainer, { epochs: 4 });
  const { accuracy } = await trainer.evaluate(test);
  trainer.destroy();
  expect(accuracy).toBeGreaterThan(0.85);
});

it('bench measures, checks, and leaves a report', async () => {
  const io = fakeIo();
  expect(await bench(['resolution', '--quick', '--peers', 'none', '--out', files.path('report')], io)).toBe(0);
  const path = files.path('report', 'report.json');
  const { cases } = readReport(readFileSync(path, 'utf8'), path);
  expect(cases.map(({ spec }) => spec.id)).toEqual(['resolution/adam-1e5']);
  expect(cases[0]!.contenders[0]).toMatchObject({ name: 'downhill', outcome: 'measured', check: { ok: true } });
});

describe('peers', () => {
  it('plain JavaScript, which is ours, agrees with float64', async () => {
    const environment = await nodeEnvironment();
    const found = errors(
      await runPeer(await loadPeer('js', environment), environment),
      expectedResults(PEERS.js!.tasks),
    );
    expect(Math.max(...Object.values(found)), JSON.stringify(found)).toBeLessThanOrEqual(TOLERANCE);
  });

  // Whether somebody else's library works on this machine is not for these tests to decide; in tests/slow it is.
  it('one of the libraries agrees with float64, where it is built and works', async (context) => {
    const environment = await nodeEnvironment();
    const name = 'jax-wasm';
    let worst: number;
    try {
      const peer = await loadPeer(name, environment);
      worst = Math.max(...Object.values(errors(await runPeer(peer, environment), expectedResults(PEERS[name]!.tasks))));
    } catch (error) {
      const { message, fix } = error as Error & { fix?: string };
      return context.skip(`${name}: ${message}${fix ? ` ${fix}` : ''}`);
    }
    if (!(worst <= TOLERANCE)) context.skip(`${name} is off by ${worst}`);
  });

  it('names the command to run where a library is not built', async () => {
    const environment = await nodeEnvironment();
    await expect(loadPeer('tfjs-wasm', environment, 'file:///nowhere/')).rejects.toMatchObject({
      fix: expect.stringContaining('--peers'),
    });
  });
});
