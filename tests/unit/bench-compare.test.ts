import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { CaseResult, ContenderResult, Report } from '../../harness/bench/contract.js';
import { type Change, compare } from '../../harness/bench/report/compare.js';
import { comparisonLines, comparisonMarkdown, conclusion } from '../../harness/bench/report/compare-text.js';
import { readReport } from '../../harness/bench/report/read.js';
import { generator } from '../../harness/common/random.js';

const report = readReport(readFileSync('tests/fixtures/bench-report.json', 'utf8'), 'bench-report.json');
const plainPaint = (_: unknown, words: string) => words;

/** The same report, run again: each contender's times scaled by `factor`, with fresh noise of 3 %. */
function again(factor: (name: string, id: string) => number, seed = 1): Report {
  const next = generator(seed);
  const noise = () => Math.exp(0.03 * (next() + next() + next() + next() - 2) * Math.sqrt(3));
  const scale = (each: ContenderResult, { spec }: CaseResult): ContenderResult => {
    const sorted = each.samples.filter((value) => value !== null).sort((a, b) => a - b);
    const middle = sorted[sorted.length >> 1] ?? 0;
    const samples = each.samples.map((value) =>
      value === null ? null : middle * factor(each.name, spec.id) * noise(),
    );
    return { ...each, samples };
  };
  return {
    ...report,
    commit: 'fedcba9',
    cases: report.cases.map((result) => ({
      ...result,
      contenders: result.contenders.map((each) => scale(each, result)),
    })),
  };
}
const ours = ({ changes }: { changes: readonly Change[] }) => changes.filter((each) => each.ours);
const tooFew = (each: Change) => each.id === 'startup/lecture'; // three rounds have no interval
const lines = (now: Report, old: Report, room = 99) => comparisonLines(compare(now, old), plainPaint, room).join('\n');

describe('two reports of one machine', () => {
  it('invents nothing at 0 %', () => {
    for (const seed of [1, 2, 3]) {
      const comparison = compare(
        again(() => 1, seed),
        again(() => 1, seed + 10),
      );
      expect(comparison.regressions).toBe(0);
      expect(comparison.otherMachine).toEqual([]);
      for (const each of ours(comparison)) expect(['same', 'unclear'], each.id).toContain(each.verdict);
    }
    expect(
      compare(report, report).changes.every(({ verdict, change }) => verdict === 'same' && change.value === 1),
    ).toBe(true);
  });

  it('sees a fifth that downhill became slower, or faster, with its interval', () => {
    const old = again(() => 1, 1);
    const slower = compare(
      again((name) => (name.startsWith('downhill') ? 1.25 : 1), 2),
      old,
    );
    const judged = ours(slower).filter((each) => !tooFew(each));
    expect(judged.length).toBeGreaterThan(15);
    const seen = judged.filter(({ verdict }) => verdict === 'slower');
    expect(seen.length / judged.length).toBeGreaterThan(0.8);
    expect(slower.regressions).toBe(seen.length);
    for (const { change } of seen) expect(change.low).toBeGreaterThan(1);
    const faster = compare(
      again((name) => (name.startsWith('downhill') ? 0.75 : 1), 2),
      old,
    );
    expect(ours(faster).filter(({ verdict }) => verdict === 'faster').length).toBeGreaterThan(0.8 * judged.length);
    expect(faster.regressions).toBe(0);
  });

  it('does not report 2 %', () => {
    expect(
      compare(
        again((name) => (name === 'downhill' ? 1.02 : 1), 2),
        again(() => 1, 1),
      ).regressions,
    ).toBe(0);
  });

  it("takes the machine's own drift out: all slower by half is no regression", () => {
    const comparison = compare(
      again(() => 1.5, 2),
      again(() => 1, 1),
    );
    expect(comparison.regressions).toBe(0);
    const step = comparison.changes.find(
      ({ id, contender }) => id === 'step/lecture-64-sgd' && contender === 'downhill',
    )!;
    expect(step.drift).toBeCloseTo(1.5, 0);
    expect(step.raw.value).toBeGreaterThan(1.35);
    expect(step.change.value).toBeCloseTo(1, 0);
    // No contender of this case tells of the machine: those of other cases do.
    const readback = comparison.changes.find(({ id }) => id === 'readback/lecture-64')!;
    expect(readback.drift).toBeGreaterThan(1.4);
    expect(
      lines(
        again(() => 1.5, 2),
        again(() => 1, 1),
      ),
    ).toContain('The machine itself changed by +');
  });

  it('finds a regression under a drift of the machine', () => {
    const step = (machine: number) =>
      compare(
        again((name) => (name.startsWith('downhill') ? 1.35 * machine : machine), 2),
        again(() => 1, 1),
      ).changes.find(
        ({ id, contender, place }) => id === 'step/lecture-1024-adam' && contender === 'downhill' && place === 'chrome',
      )!;
    expect(step(1.2).verdict).toBe('slower');
    expect(step(1.2).raw.value).toBeGreaterThan(1.5);
    // Told by the drift alone: not enough to speak of a regression.
    expect(step(0.78).raw.value).toBeLessThan(1.12);
    expect(step(0.78).verdict).toBe('unclear');
  });

  it('asks for more where one run was quick, with one session a case', () => {
    const quick = (each: Report): Report => ({ ...each, config: { ...each.config, quick: true, sessions: 1 } });
    const now = again((name) => (name.startsWith('downhill') ? 1.13 : 1), 2);
    const old = again(() => 1, 1);
    expect(compare(now, old).regressions).toBeGreaterThan(5);
    expect(compare(quick(now), old).regressions).toBeLessThan(compare(now, old).regressions / 2);
  });

  it('has no verdict on too few rounds', () => {
    const comparison = compare(
      again((name) => (name === 'downhill' ? 1.5 : 1), 2),
      again(() => 1, 1),
    );
    const start = comparison.changes.find(({ id, contender }) => id === 'startup/lecture' && contender === 'downhill')!;
    expect(start.verdict).toBe('unclear');
    expect(start.change.low).toBeUndefined();
  });
});

describe('what only one report has', () => {
  it('is listed; what failed since then is broken, and a regression where it is ours', () => {
    const fail = (each: ContenderResult): ContenderResult =>
      each.name === 'downhill' ? { ...each, outcome: 'failed', samples: [], note: 'threw: Error: no' } : each;
    const now: Report = {
      ...report,
      cases: report.cases
        .filter(({ spec }) => spec.id !== 'update/sgd-1e4')
        .map((each) =>
          each.spec.id === 'gemm/forward-square-512' ? { ...each, contenders: each.contenders.map(fail) } : each,
        ),
    };
    const comparison = compare(now, report);
    expect(comparison.onlyOld).toEqual(['update/sgd-1e4, node', 'update/sgd-1e4, chrome']);
    expect(comparison.onlyNow).toEqual([]);
    expect(comparison.broken.map(({ place, contender }) => `${place} ${contender}`)).toEqual([
      'node downhill',
      'chrome downhill',
    ]);
    expect(comparison.regressions).toBe(2);
    expect(lines(now, report)).toContain('gemm/forward-square-512, node: downhill: threw: Error: no');
    expect(compare(report, now).onlyNow).toContain('gemm/forward-square-512, node: downhill');
  });

  it('is broken, too, where its case broke off', () => {
    const error = { code: 'BROWSER-LOST', message: 'The browser ended.', fix: 'Again.' };
    const now = {
      ...report,
      cases: report.cases.map((each) =>
        each.spec.id === 'step/xor-4-sgd' ? { ...each, contenders: [], error } : each,
      ),
    };
    expect(compare(now, report).broken[0]).toMatchObject({ contender: 'downhill', reason: 'The browser ended.' });
  });

  it('may be everything', () => {
    expect(conclusion(compare({ ...report, cases: [] }, report))).toBe('Nothing in the two reports can be compared.');
  });
});

describe('a report of another machine', () => {
  const elsewhere: Report = {
    ...again((name) => (name === 'plain-js' ? 0.4 : 0.2), 2),
    machines: report.machines.map((machine) => ({ ...machine, cores: 16, cpu: 'AMD EPYC 9354' })),
  };

  it('says so, names the fields, and compares ratios only', () => {
    const comparison = compare(report, elsewhere);
    expect(comparison.otherMachine.map(({ place }) => place)).toEqual(['node', 'chrome']);
    expect(comparison.otherMachine[0]!.differences).toContain('cores: 2, was 16');
    expect(comparison.changes.length).toBeGreaterThan(20);
    expect(new Set(comparison.changes.map(({ basis }) => basis))).toEqual(new Set(['ratio']));
    expect(comparison.regressions).toBe(0);
    const plain = comparison.changes.find(
      ({ id, contender }) => id === 'step/lecture-64-sgd' && contender === 'plain-js',
    )!;
    expect(plain.change.value).toBeCloseTo(0.5, 1);
    const out = lines(report, elsewhere).replace(/\s+/g, ' ');
    expect(out).toContain('Absolute times do not compare there');
    expect(out).toContain('was AMD EPYC 9354');
    expect(out).toMatch(/higher|lower/);
    expect(out).not.toMatch(/slower {2}|faster {2}/);
  });

  it('is told by its browser, for that place alone', () => {
    const newer = {
      ...report,
      machines: report.machines.map((machine) => ({
        ...machine,
        browser: machine.browser && { ...machine.browser, version: '150.0' },
      })),
    };
    const { otherMachine, changes } = compare(newer, report);
    expect(otherMachine.map(({ place }) => place)).toEqual(['chrome']);
    expect(changes.filter(({ place }) => place === 'node').every(({ basis }) => basis === 'time')).toBe(true);
  });
});

describe('a comparison as text', () => {
  const now = {
    ...again((name) => (name.startsWith('downhill') ? 1.3 : 1), 2),
    versions: { ...report.versions, webgpu: '0.7.0' },
  };
  const old = again(() => 1, 1);

  it.each([99, 79, 59])('fits into %i columns', (room) => {
    for (const line of lines(now, old, room).split('\n')) expect(line.length, line).toBeLessThanOrEqual(room);
  });

  it('names regressions with their confidence, and what differs', () => {
    const out = lines(now, old);
    expect(out).toMatch(/slower {3}step\/\S+, node +downhill +\S+ → \S+ ms {2}\+\d+ % \(\+\S+ % to \+\d+ %\)/);
    expect(out).toMatch(/regressions\. Of downhill's own/);
    expect(out).toContain('webgpu 0.7.0, was 0.6.2');
    expect(out).not.toMatch(/NaN|undefined/);
  });

  it('lists everything as Markdown', () => {
    const document = comparisonMarkdown(compare(now, old));
    expect(document).toMatch(/^## Comparison/);
    expect(document).toContain('| verdict |');
    expect(document).toMatch(/\| `step\/lecture-64-sgd` \| node \| \*\*downhill\*\* \| slower \|/);
    expect(document).not.toMatch(/NaN|undefined/);
  });
});
