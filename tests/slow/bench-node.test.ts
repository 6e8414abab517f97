import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bench } from '../../harness/bench/command.js';
import type { BenchConfig, Report } from '../../harness/bench/contract.js';
import { Died } from '../../harness/bench/hosts/host.js';
import { NodeHost } from '../../harness/bench/hosts/node.js';
import { parseBench } from '../../harness/bench/options.js';
import { planOf } from '../../harness/bench/plan.js';
import { readReport } from '../../harness/bench/report/read.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { ensurePeers } from '../../harness/setup/peers.mjs';
import { fakeIo, scratch } from '../support/cli.js';

/* The benchmark command in Node, on what dist/ holds: small real runs, and what goes wrong around them. */

const files = scratch();
beforeAll(() => {
  ensureBuild();
  ensurePeers();
});
afterAll(() => files.remove());

const config = (...args: string[]): BenchConfig => {
  const command = parseBench(args);
  if (command === 'help') throw new Error('help');
  return command.config;
};
const specOf = (id: string, of: BenchConfig) => planOf(of, ['node']).find(({ spec }) => spec?.id === id)!.spec!;
const load = (...names: string[]): Report => {
  const path = files.path(...names, 'report.json');
  return readReport(readFileSync(path, 'utf8'), path);
};

describe('bench --in node', () => {
  it('measures, checks, and leaves a report with charts', async () => {
    const io = fakeIo();
    const args = ['step', 'resolution', '--quick', '--peers', 'js,jax-wasm', '--out', files.path('first')];
    expect(await bench(args, io)).toBe(0);

    const report = load('first');
    expect(report.machines).toHaveLength(1);
    expect(report.machines[0]).toMatchObject({ place: 'node', browser: null, cores: expect.any(Number) });
    expect(report.machines[0]!.adapter!.name).not.toBe('');
    expect(report.versions['@jax-js/jax']).toMatch(/^\d/);
    expect(report.cases.map(({ spec }) => spec.id)).toEqual([
      'step/lecture-64-sgd',
      'step/lecture-64-adam',
      'step/xor-4-sgd',
      'resolution/adam-1e5',
    ]);
    const [lecture] = report.cases;
    expect(lecture!.contenders.map(({ name, outcome }) => [name, outcome])).toEqual([
      ['downhill', 'measured'],
      ['jax-wasm', 'measured'],
      ['js', 'measured'],
    ]);
    const ours = lecture!.contenders[0]!;
    expect(ours.samples.length).toBeGreaterThanOrEqual(5);
    expect(ours.samples.every((ms) => ms !== null && ms > 0)).toBe(true);
    expect(ours.check).toMatchObject({ ok: true, detail: expect.stringMatching(/losses of 5 steps within/) });
    // The lecture's net in two on lavapipe; never more than one for each op.
    const { name } = report.machines[0]!.adapter!;
    expect(ours.counts!.dispatches).toBeLessThanOrEqual(/llvmpipe/.test(name) ? 2 : 18);
    expect(ours.counts!.buffers).toBeLessThan(1); // a step creates nothing
    expect(ours.gpuMs).toBeGreaterThan(0);
    expect(ours.hostMs).toBeGreaterThan(0);

    for (const name of ['report.md', 'step-node.svg', 'resolution-node.png']) {
      expect(existsSync(files.path('first', name))).toBe(true);
    }
    expect(io.out()).toMatch(/step\/lecture-64-sgd/);
    if (report.machines[0]!.adapter!.cpu) expect(io.out()).toMatch(/CPU adapter/);
    expect(io.err()).toMatch(/4 parts, about/);
  });

  it('measures downhill beside itself, by cases of their own names, and says what they come to', async () => {
    const io = fakeIo();
    const args = ['population/xor-4', 'scaling/submit-xor-4-sgd', 'update/adam-1e4', '--quick', '--peers', 'none'];
    expect(await bench([...args, '--out', files.path('itself')], io)).toBe(0);
    const [submits, together, update] = load('itself').cases;
    for (const { contenders } of [submits!, together!, update!]) {
      for (const { outcome, check } of contenders) expect([outcome, check!.ok]).toEqual(['measured', true]);
    }
    expect(update!.contenders.map(({ name }) => name)).toEqual([
      'downhill',
      'downhill createOptimizer',
      'copy',
      'naive',
    ]);
    // Steps of a submit are what was asked for, about: a trainer goes by time.
    const perBlock = submits!.contenders.map(({ counts }) => counts!.submits);
    expect(perBlock[0]).toBeGreaterThanOrEqual(100);
    expect(perBlock[2]).toBeLessThan(perBlock[0]! / 3);
    // Together they are as many dispatches as one network alone.
    const calls = Object.fromEntries(together!.contenders.map(({ name, counts }) => [name, counts!.dispatches]));
    expect(calls['downhill, 64 together']).toBe(calls['downhill, 1 together']);
    expect(calls['downhill, 64 one by one']).toBe(64 * calls['downhill, 1 together']!);
    expect(together!.contenders[0]!.check!.detail).toMatch(/^networks? 1.*: losses of 5 steps within/);

    expect(io.out()).toMatch(/→ 1, 10, 100 steps a submit: /);
    expect(io.out()).toMatch(/→ 64 networks [\d.]+ ms, [\d.]+× one: /);
    expect(io.out()).toMatch(/→ downhill [\d.]+ ms, \d+ % of the copy kernel \(createOptimizer \d+ %\)/);
    expect(readFileSync(files.path('itself', 'report.md'), 'utf8')).toMatch(/## Verdicts\n\n- \*\*/);
  });

  it('compares with an older report, here and of another machine', async () => {
    const again = fakeIo();
    const args = ['resolution', '--quick', '--peers', 'none', '--json', '--out', files.path('second')];
    const old = load('first');
    /** The old report, had downhill taken so many times as long. */
    const past = (factor: number) => {
      const path = files.path(`past-${factor}.json`);
      const scaled = (samples: readonly (number | null)[]) => samples.map((ms) => ms && ms * factor);
      const cases = old.cases.map((each) => ({
        ...each,
        contenders: each.contenders.map((one) => ({ ...one, samples: scaled(one.samples) })),
      }));
      writeFileSync(path, JSON.stringify({ ...old, cases }));
      return path;
    };
    expect(await bench([...args, '--compare', past(10)], again)).toBe(0);
    expect(readReport(again.out(), 'stdout').cases).toHaveLength(1);
    expect(again.err()).toMatch(/faster +resolution/);
    expect(readFileSync(files.path('second', 'compare.md'), 'utf8')).toMatch(/resolution/);

    const slower = fakeIo();
    expect(await bench([...args, '--compare', past(0.1)], slower)).toBe(1);
    expect(slower.err()).toMatch(/slower +resolution/);
    const elsewhere = { ...old, machines: old.machines.map((machine) => ({ ...machine, cpu: 'a slide rule' })) };
    writeFileSync(files.path('elsewhere.json'), JSON.stringify(elsewhere));
    const other = fakeIo();
    await bench([...args, '--compare', files.path('elsewhere.json')], other);
    expect(other.err()).toMatch(/another machine|absolute times do not compare/i);
    expect(other.err()).toMatch(/a slide rule/);
  });

  it.each([
    [['--compare', 'nowhere.json'], 'DATA-NOT-FOUND'],
    [['--compare', 'package.json'], 'DATA-FORMAT'],
    [['--out', 'package.json/in'], 'OUTPUT-UNWRITABLE'],
    [['nothing'], 'OPTION-UNKNOWN'],
  ])('refuses %j before anything is measured', async (args, code) => {
    const io = fakeIo();
    const all = ['resolution', '--quick', ...args, ...(args.includes('--out') ? [] : ['--out', files.path('no')])];
    await expect(bench(all, io)).rejects.toMatchObject({ code });
    expect(io.out()).toBe('');
    expect(existsSync(files.path('no', 'report.json'))).toBe(false);
  });

  it('shows its help', async () => {
    const io = fakeIo();
    expect(await bench(['--help'], io)).toBe(0);
    expect(io.out()).toMatch(/npx downhill bench \[scenario…\]/);
  });

  it('writes down what was measured when it is interrupted', async () => {
    const io = fakeIo();
    const running = bench(['resolution', 'step', '--quick', '--peers', 'js,jax-wasm', '--out', files.path('cut')], io);
    while (!io.err().includes('✓ step')) await new Promise((resolve) => setTimeout(resolve, 50));
    io.interrupt();
    expect(await running).toBe(130);
    expect(load('cut').cases.length).toBeGreaterThan(0);
    expect(load('cut').cases.length).toBeLessThan(4);

    // A part does not take the place of what is there.
    const before = load('cut');
    const over = fakeIo();
    const again = bench(['step', 'resolution', '--quick', '--peers', 'none', '--out', files.path('cut')], over);
    while (!over.err().includes('✓ step')) await new Promise((resolve) => setTimeout(resolve, 50));
    over.interrupt();
    expect(await again).toBe(130);
    expect(over.err()).toContain('the report that is there stays');
    expect(load('cut')).toEqual(before);
  });
});

describe('a process of cases', () => {
  it('skips sizes above the limits of the adapter, with the reason', async () => {
    const host = new NodeHost();
    const full = config('update', '--peers', 'tfjs-webgpu');
    try {
      const { adapter } = await host.machine();
      const result = await host.run(specOf('update/sgd-1e8', full), { ...full, quick: true }, () => {});
      const fits = adapter!.limits.maxStorageBufferBindingSize >= 4e8;
      expect(result.contenders.map(({ name }) => name)).toEqual([
        'downhill',
        'downhill createOptimizer',
        'copy',
        'naive',
        'tfjs-webgpu',
      ]);
      for (const { outcome, note } of result.contenders) {
        expect(outcome).toBe(fits ? 'measured' : 'skipped');
        if (!fits) expect(note).toMatch(/400000000 bytes, but this adapter binds at most \d+/);
      }
    } finally {
      await host.close();
    }
  });

  it('tells whose turn it was when it dies, and the next case gets another', async () => {
    const host = new NodeHost();
    const quick = config('resolution', '--quick', '--peers', 'none');
    const spec = specOf('resolution/adam-1e5', quick);
    try {
      const dying = host.run(spec, quick, () => {
        execFileSync('pkill', ['-KILL', '-P', String(process.pid), '-f', 'bench-worker']);
      });
      const error = await dying.catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(Died);
      expect(error).toMatchObject({ how: expect.stringMatching(/SIGKILL/), contender: 'downhill' });
      expect((await host.run(spec, quick, () => {})).contenders).toHaveLength(4);
    } finally {
      await host.close();
    }
  });
});
