import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { unlessAborted } from '../../harness/common/waiting.js';
import { attack } from '../../harness/torture/attack.js';
import type { Campaign, Context } from '../../harness/torture/campaign.js';
import { CAMPAIGNS } from '../../harness/torture/campaigns.js';
import { caseRandom } from '../../harness/torture/case-random.js';
import { main } from '../../harness/torture/main.js';
import { parseTorture, tortureHelp } from '../../harness/torture/options.js';
import { fakeIo, scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);

const campaign = (name: string, run: Campaign['run']): Campaign => ({
  ...{ name, attacks: `attacks ${name}`, unit: 'blows', sizes: { short: 3, full: 10 } },
  run,
});
/** Hits each case; those in `bad` do not hold. */
const hits = (name: string, bad: readonly number[] = []) =>
  campaign(name, async ({ cases, fail }) => {
    for (const { index } of cases()) if (bad.includes(index)) fail(`${index} broke`);
  });
const quiet = { progress: () => {}, signal: new AbortController().signal, ms: 60_000 };
const started = { ...quiet, size: 'short', seed: 7, only: undefined } as const;

describe('the flags', () => {
  const all = [hits('one'), hits('two')];

  it('are those of a short round of all campaigns, where none are given', () => {
    expect(parseTorture([], all)).toEqual({
      ...{ campaigns: all, size: 'short', seed: 0, only: undefined, minutes: 5, out: undefined },
    });
    expect(parseTorture('two --size full --case 4 --seed 9 --out x.json'.split(' '), all)).toEqual({
      ...{ campaigns: [all[1]], size: 'full', seed: 9, only: 4, minutes: 300, out: 'x.json' },
    });
  });

  it.each([
    [['three'], 'OPTION-UNKNOWN', /no campaign 'three'/],
    [['--sizes', 'full'], 'OPTION-UNKNOWN', /no flag --sizes/],
    [['--size', 'huge'], 'OPTION-RANGE', /--size/],
    [['--seed', '-1'], 'OPTION-RANGE', /--seed/],
    [['--seed', '1.5'], 'OPTION-RANGE', /whole|integer/],
    [['--minutes', '0'], 'OPTION-RANGE', /--minutes/],
    [['--case', '1'], 'OPTION-RANGE', /one campaign/],
  ])('%j are refused', (args, code, message) => {
    expect(() => parseTorture(args, all)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it('are in the help, with every campaign', async () => {
    const io = fakeIo();
    expect(await main(['--help'], io)).toBe(0);
    expect(io.out()).toBe(tortureHelp(CAMPAIGNS));
    for (const { name } of CAMPAIGNS) expect(io.out()).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  });
});

describe('a campaign', () => {
  it('has cases of its own draws: the same alone, others for another seed', async () => {
    const draws = async (seed: number, only?: number) => {
      const seen: Record<number, number> = {};
      const draw = campaign('draw', async ({ cases }) => {
        for (const { index, random } of cases()) seen[index] = random();
      });
      await attack(draw, { ...started, seed, only });
      return seen;
    };
    const all = await draws(7);
    expect(Object.keys(all)).toEqual(['0', '1', '2']);
    expect(new Set(Object.values(all)).size).toBe(3);
    expect(await draws(7)).toEqual(all);
    expect(await draws(7, 2)).toEqual({ 2: all[2] });
    expect((await draws(8))[0]).not.toBe(all[0]);
    // Neighbours do not follow each other.
    const firsts = Array.from({ length: 4096 }, (_, i) => caseRandom(0, i)());
    expect(firsts.reduce((sum, value) => sum + value) / firsts.length).toBeCloseTo(0.5, 1);
  });

  it('counts what it tried, and says how each failure is repeated', async () => {
    const outcome = await attack(hits('one', [1]), started);
    expect(outcome).toMatchObject({ name: 'one', tried: 3, size: 3, more: 0, unit: 'blows' });
    expect(outcome).not.toHaveProperty('ended');
    const repeat = 'npm run torture -- one --size short --seed 7 --case 1';
    expect(outcome.failures).toEqual([{ what: '1 broke', repeat }]);
    const own = await attack(
      campaign('own', async ({ tried, fail, figure }) => {
        tried(1000);
        fail('all of it', 'npm test');
        figure('slope', '3 B');
      }),
      started,
    );
    expect(own).toMatchObject({ tried: 1000, failures: [{ what: 'all of it', repeat: 'npm test' }] });
    expect(own.figures).toEqual({ slope: '3 B' });
  });

  it('fails where it throws, and where it tried nothing', async () => {
    const thrown = await attack(
      campaign('throws', () => Promise.reject(new TypeError('oh'))),
      started,
    );
    expect(thrown.failures).toEqual([
      {
        what: expect.stringMatching(/^TypeError: oh/),
        repeat: 'npm run torture -- throws --size short --seed 7',
      },
    ]);
    const idle = await attack(
      campaign('idle', async () => {}),
      started,
    );
    expect(idle.failures.map(({ what }) => what)).toEqual(['It tried nothing.']);
  });

  it('keeps the first 50 failures, and counts the others', async () => {
    const many = campaign('many', async ({ tried, fail }) => {
      for (let i = 0; i < 1000; i++) {
        tried();
        fail(`${i}`);
      }
    });
    const { failures, more } = await attack(many, started);
    expect([failures.length, more]).toEqual([50, 950]);
  });

  it('is told when its time is up, and left where it does not end', async () => {
    const endless = (obeys: boolean) =>
      campaign('endless', async ({ signal, tried }: Context) => {
        tried();
        await setTimeout(1e6, undefined, { ref: false, ...(obeys && { signal }) });
      });
    const grace = 20;
    expect((await attack(endless(false), { ...started, ms: 20 }, grace)).failures[0]!.what).toMatch(
      /did not end within/,
    );
    const stopped = new AbortController();
    const obeys = campaign('obeys', async ({ signal, tried }) => {
      tried(2);
      stopped.abort();
      signal.throwIfAborted();
    });
    const outcome = await attack(obeys, { ...started, signal: stopped.signal }, grace);
    expect(outcome).toMatchObject({ tried: 2, failures: [], ended: 'interrupted' });
  });

  it('has a folder, which goes', async () => {
    let seen = '';
    const writes = campaign('writes', async (context) => {
      seen = context.folder;
      writeFileSync(join(seen, 'file'), '');
      context.tried();
    });
    expect((await attack(writes, started)).failures).toEqual([]);
    expect(seen).not.toBe('');
    expect(existsSync(seen)).toBe(false);
  });
});

describe('all campaigns', () => {
  const given = (...all: Campaign[]) => ({ all, adapter: async () => 'a GPU' });

  it('end with the plain line; each failure has its command; the report has all of it', async () => {
    const io = fakeIo();
    const file = folder.path('report.json');
    expect(await main(['--out', file, '--seed', '3'], io, given(hits('one'), hits('two', [2])))).toBe(1);
    expect(io.out()).toMatch(/^1 passed, 1 failed$/m);
    expect(io.out()).toMatch(/^failed: torture two: 2 broke$/m);
    expect(io.out()).toContain('npm run torture -- two --size short --seed 3 --case 2');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      ...{ size: 'short', seed: 3, skipped: [] },
      campaigns: [
        { name: 'one', tried: 3, failures: [] },
        { name: 'two', tried: 3, failures: [{ what: '2 broke' }] },
      ],
    });
    const good = fakeIo();
    expect(await main([], good, given(hits('one'), hits('two')))).toBe(0);
    expect(good.out()).toMatch(/^2 passed, 0 failed$/m);
  });

  it('keep what was found at Ctrl+C', async () => {
    const io = fakeIo();
    const first = campaign('first', async ({ cases, fail }) => {
      for (const { index } of cases()) {
        fail(`${index} broke`);
        io.interrupt();
      }
    });
    expect(await main([], io, given(first, hits('second')))).toBe(130);
    expect(io.out()).toMatch(/^ {2}first +1 +blows +1 +.*interrupted, of 3/m);
    expect(io.out()).toMatch(/^0 passed, 1 failed, 1 skipped$/m);
  });

  it('keep it also where npm hands the same Ctrl+C on once more', async () => {
    const io = fakeIo();
    const first = campaign('first', async ({ cases }) => {
      for (const _ of cases()) for (let i = 0; i < 2; i++) io.interrupt();
    });
    expect(await main([], io, given(first))).toBe(130);
    expect(io.exits).toEqual([]);
    expect(io.out()).toMatch(/^1 passed, 0 failed$/m);
  });

  it('have not passed where time left room for nothing', async () => {
    const io = fakeIo();
    const waits = campaign('waits', ({ signal }) => unlessAborted(signal, new Promise<void>(() => {})));
    expect(await main(['--minutes', '0.005'], io, given(waits, hits('late')))).toBe(0);
    expect(io.out()).toMatch(/^ {2}waits +0 +blows +0 +.*its time was up, of 3/m);
    expect(io.out()).toMatch(/^[01] passed, 0 failed, [12] skipped$/m);
  });
});
