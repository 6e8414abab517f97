import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bench } from '../../harness/bench/command.js';
import type { BenchConfig } from '../../harness/bench/contract.js';
import { ChromeHost } from '../../harness/bench/hosts/chrome.js';
import { Died } from '../../harness/bench/hosts/host.js';
import { planOf } from '../../harness/bench/plan.js';
import { readReport } from '../../harness/bench/report/read.js';
import { findBrowser } from '../../harness/pages/find.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { ensurePeers } from '../../harness/setup/peers.mjs';
import { fakeIo, scratch } from '../support/cli.js';

/* The benchmark command in a headless Chrome: here, dying, and at the far end of a Playwright connection. */

const files = scratch();
beforeAll(() => {
  ensureBuild();
  ensurePeers();
});
afterAll(() => files.remove());

const CONFIG: BenchConfig = { scenarios: ['resolution'], peers: [], quick: true, seed: 0, slow: 0, sessions: 1 };
const spec = planOf(CONFIG, ['chrome'])[0]!.spec!;

const report = (name: string) => {
  const path = files.path(name, 'report.json');
  return readReport(readFileSync(path, 'utf8'), path);
};

describe('bench --in chrome', () => {
  it('runs the same scenarios in a page, beside a peer on WebAssembly', async () => {
    const io = fakeIo();
    const args = ['gemm', '--in', 'chrome', '--quick', '--peers', 'tfjs-wasm', '--out', files.path('gemm')];
    expect(await bench(args, io)).toBe(0);
    const { machines, cases } = report('gemm');
    expect(machines[0]).toMatchObject({ place: 'chrome', browser: { version: expect.stringMatching(/^\d+\./) } });
    expect(machines[0]!.browser!.flags).toContain('--enable-webgpu-developer-features');
    expect(cases).toHaveLength(6);
    for (const { contenders } of cases) {
      expect(contenders.map(({ name, outcome }) => [name, outcome])).toEqual([
        ['downhill', 'measured'],
        ['tfjs-wasm', 'measured'],
      ]);
      expect(contenders[0]!.gpuMs).toBeGreaterThan(0);
    }
    expect(existsSync(files.path('gemm', 'gemm-chrome.png'))).toBe(true);
    expect(io.out()).toMatch(/chrome/);
  });

  it.skipIf(process.platform !== 'linux')('survives a browser that dies, and starts another', async () => {
    const host = new ChromeHost();
    try {
      let killed = false;
      const dying = host.run(spec, CONFIG, () => {
        if (killed) return;
        killed = true;
        // The browser is this process' child; its own children go with it.
        execFileSync('pkill', ['-KILL', '-P', String(process.pid), '-f', 'remote-debugging-pipe']);
      });
      const error = await dying.catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(Died);
      expect((error as Died).how).toBe('the browser closed');
      expect((await host.run(spec, CONFIG, () => {})).contenders).toHaveLength(4);
    } finally {
      await host.close();
    }
  });

  it('times a start from the first moment of a page, and after a reload', async () => {
    const host = new ChromeHost();
    try {
      const { first, again } = await host.start('downhill', CONFIG);
      for (const phases of [first, again]) {
        const { load, device, compile, firstStep, total } = phases;
        for (const ms of [load, device, compile, firstStep]) expect(ms).toBeGreaterThan(0);
        expect(load + device + compile + firstStep).toBeCloseTo(total, 3);
      }
    } finally {
      await host.close();
    }
  });
});

describe('bench --connect', () => {
  it('runs in a browser that Playwright serves elsewhere', async () => {
    const { chromium } = await import('playwright-core');
    const { executablePath, channel } = await findBrowser();
    const server = await chromium.launchServer({
      executablePath,
      channel,
      args: ['--enable-unsafe-webgpu', '--no-sandbox', '--disable-background-networking'],
      host: '127.0.0.1',
    });
    try {
      const io = fakeIo();
      const args = ['resolution', '--quick', '--peers', 'none', '--connect', server.wsEndpoint()];
      expect(await bench([...args, '--out', files.path('far')], io)).toBe(0);
      const { machines, cases } = report('far');
      expect(machines[0]).toMatchObject({ place: 'chrome', cpu: expect.stringMatching(/remote/) });
      expect(machines[0]!.browser!.name).toMatch(/^Chromium at 127\.0\.0\.1:\d+$/);
      expect(machines[0]!.cores).toBeGreaterThan(0);
      expect(cases[0]!.contenders.every(({ outcome }) => outcome === 'measured')).toBe(true);
    } finally {
      await server.close();
    }
  });

  it('says so when nothing answers there', async () => {
    const args = ['resolution', '--connect', 'ws://127.0.0.1:9/none', '--out', files.path('none')];
    await expect(bench(args, fakeIo())).rejects.toMatchObject({
      code: 'NO-BROWSER',
      fix: expect.stringMatching(/launch-server/),
    });
  });
});
