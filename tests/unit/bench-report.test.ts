import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { CaseResult, ContenderResult, Report } from '../../harness/bench/contract.js';
import { chartOption, isLog } from '../../harness/bench/report/chart.js';
import { chartSvg } from '../../harness/bench/report/draw.js';
import { benchCharts, cut, textWidth } from '../../harness/bench/report/layout.js';
import { markdown } from '../../harness/bench/report/markdown.js';
import { bounds, factText, percent, signed, three } from '../../harness/bench/report/numbers.js';
import { readReport } from '../../harness/bench/report/read.js';
import { isControl, isOurs, summarize } from '../../harness/bench/report/summary.js';
import { caseLines, printReport } from '../../harness/bench/report/text.js';
import { openReport, PARTIAL, writePartial, writeReport } from '../../harness/bench/report/write.js';
import type { Io } from '../../harness/common/io.js';
import { SCALE, svgPng } from '../../harness/common/png.js';
import { DownhillError } from '../../src/index.js';
import { scratch } from '../support/cli.js';

const text = readFileSync('tests/fixtures/bench-report.json', 'utf8');
const report = readReport(text, 'bench-report.json');
const plainPaint = (_: unknown, words: string) => words;
const caseOf = (id: string, place: 'node' | 'chrome', of = report) =>
  summarize(of.cases.find(({ spec, place: where }) => spec.id === id && where === place)!);
const contender = (name: string, samples: ContenderResult['samples'], more = {}): ContenderResult => ({
  name,
  outcome: 'measured',
  iterations: 10,
  samples,
  ...more,
});
const tiny = (contenders: ContenderResult[], work = {}): CaseResult => ({
  spec: { scenario: 'update', id: 'update/tiny', title: 'SGD, 10 elements', parameters: {} },
  place: 'node',
  work: { unit: 'update', ...work },
  baseline: 'downhill',
  contenders,
  seconds: 1,
});

function print(of: Report, columns: number): string {
  const out: string[] = [];
  const stdout = { write: (part: string) => out.push(part), columns };
  printReport(of, { stdout } as unknown as Io);
  return out.join('');
}

describe('numbers', () => {
  it('have three digits', () => {
    expect([0, 1.2, 12.34, 123.4, 1234, 20_400, 0.012345, 0.00001].map(three)).toEqual([
      '0',
      '1.20',
      '12.3',
      '123',
      '1,230',
      '20,400',
      '0.0123',
      '1.00e-5',
    ]);
    expect(bounds({ value: 10, low: 9.98, high: 10.02 })).toBe('9.98–10.02');
    expect(bounds({ value: 10 })).toBe('');
    expect([percent(0.843), percent(0.047), signed(1.2), signed(0.953)]).toEqual(['84 %', '4.7 %', '+20 %', '-4.7 %']);
  });

  it('of facts carry the unit that their name ends with', () => {
    expect(factText(['compileMs', 101.3])).toBe('compile 101 ms');
    expect(factText(['gzipBytes', 14_321])).toBe('gzip 14.3 kB');
    expect(factText(['modules', 12])).toBe('modules 12');
  });
});

describe('the summary of a case', () => {
  it('derives rates, bandwidth, the share of the copy kernel and ratios', () => {
    const { contenders, rounds } = summarize(
      tiny(
        [
          contender('downhill', [2, 2, 2, 2, 2]),
          contender('copy', [1, 1, 1, 1, 1]),
          contender('naive', [6, 6, 6, null, null]),
        ],
        { flops: 4e6, bytes: 8e6 },
      ),
    );
    const [ours, copy, naive] = contenders;
    expect(rounds).toBe(5);
    expect(ours).toMatchObject({
      ours: true,
      rate: 500,
      gflops: 2,
      gbs: 4,
      ofCopy: 0.5,
      ratio: { value: 1 },
      speed: 0.5,
    });
    expect(ours!.ms).toEqual({ value: 2, low: 2, high: 2 });
    expect(copy).toMatchObject({ ours: false, gbs: 8, ofCopy: undefined, ratio: { value: 0.5 }, speed: 1 });
    expect(naive).toMatchObject({ rounds: 3, ratio: { value: 3 } });
    expect(naive!.ms).toEqual({ value: 6 });
  });

  it('has no ratio without a baseline, nor times of what failed', () => {
    const { contenders } = summarize(
      tiny([
        contender('downhill', [1, 1], { outcome: 'failed', check: { ok: false, detail: 'off by 3' } }),
        contender('peer', [1, 2, 3]),
      ]),
    );
    expect(contenders.map(({ name }) => name)).toEqual(['peer', 'downhill']);
    expect(contenders[0]!.ratio).toBeUndefined();
    expect(contenders[1]!.ms).toBeUndefined();
  });

  it('knows whose a contender is', () => {
    expect(['downhill', 'downhill every 10', 'copy', 'downhillx'].map(isOurs)).toEqual([true, true, false, false]);
    expect(['copy', 'naive', 'tfjs-webgpu', 'downhill'].map((name) => isControl(name, report))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});

describe('the report in a terminal', () => {
  it.each([100, 80, 60])('fits %i columns', (columns) => {
    for (const line of print(report, columns).split('\n')) expect(line.length, line).toBeLessThan(columns);
  });

  it('says what ran where, on CPU adapters, at which commit', () => {
    const out = print(report, 100);
    for (const part of [
      'llvmpipe',
      'SwiftShader',
      'CPU adapter',
      'Chromium 143',
      'commit 740b712',
      '2 cores',
      'lavapipe',
    ]) {
      expect(out).toContain(part);
    }
    expect(out).toMatch(/CPU adapter {2}WebGPU runs on the CPU here \(node, chrome\)/);
    expect(out).toMatch(/wall ms .*GPU ms/);
    expect(out).toMatch(/4 failed, 36 skipped, 1 case broke off/);
    expect(out).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('gives reasons, those of one kind together', () => {
    const lines = caseLines(caseOf('step/lecture-64-sgd', 'node'), plainPaint, 99);
    expect(lines.join('\n')).toContain('skipped  tfjs-webgpu, tfjs-wasm, jax-webgpu: runs in a browser only');
    expect(caseLines(caseOf('step/xor-4-sgd', 'chrome'), plainPaint, 99).join('\n')).toContain(
      'failed   jax-webgpu: losses of 10 steps differ',
    );
    expect(caseLines(caseOf('step/wide-1024-adam', 'chrome'), plainPaint, 99).join('\n')).toContain('BROWSER-LOST');
  });

  it('keeps the most telling columns where there is little room', () => {
    const head = caseLines(caseOf('update/adam-1e6', 'chrome'), plainPaint, 59)[1]!;
    for (const column of ['wall ms', 'GPU ms', 'of copy', 'ratio']) expect(head).toContain(column);
    expect(head).not.toContain('host ms');
  });

  it('shows facts of what has no times, and colours on a terminal only', () => {
    expect(caseLines(caseOf('bytes/entries', 'node'), plainPaint, 99).join('\n')).toContain('gzip 14.3 kB');
  });

  it('says when downhill was slowed on purpose', () => {
    const slowed = { ...report, config: { ...report.config, slow: 20 } };
    expect(print(slowed, 100)).toContain("downhill's own kernels do 20 % of extra work");
    expect(markdown(slowed)).toContain('20 % of extra work');
    expect(markdown(report)).toMatch(/- `tfjs-webgpu`: TensorFlow.js, WebGPU; fused/);
    expect(benchCharts(slowed)[0]!.subtitle).toContain('slowed by 20 %');
  });
});

describe('the report as Markdown', () => {
  const document = markdown(report, [{ scenario: 'step', file: 'step-node.svg', title: 'step' }]);

  it('has machines, versions, method, tables and what failed', () => {
    for (const part of [
      '> **CPU adapter.**',
      '| adapter | llvmpipe',
      'Versions: downhill 0.1.0',
      '## Method',
      '![step](step-node.svg)',
      '| **downhill** |',
      '## What failed',
      '- skipped: tfjs-webgpu, tfjs-wasm, jax-webgpu: runs in a browser only',
    ]) {
      expect(document).toContain(part);
    }
    expect(document).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('has as many cells in each row of a table as in its head', () => {
    const cells = (line: string) => line.replace(/\\\|/g, '').split('|').length;
    const tables = document.split('\n\n').filter((block) => block.startsWith('| '));
    expect(tables.length).toBeGreaterThan(20);
    for (const table of tables) expect(new Set(table.trim().split('\n').map(cells)).size, table).toBe(1);
  });

  it('escapes what would end a cell', () => {
    const odd = tiny([contender('a|b_c', [1], { note: 'x | <b>' }), contender('downhill', [1])]);
    const out = markdown({ ...report, cases: [odd] });
    expect(out).toContain('a\\|b\\_c');
    expect(out).toContain('x \\| \\<b\\>');
  });
});

describe('charts', () => {
  const charts = benchCharts(report);

  it('are one for each scenario with times, and place', () => {
    expect(charts.map(({ file }) => file)).toEqual(
      ['update', 'gemm', 'step', 'readback', 'startup'].flatMap((name) => [`${name}-node`, `${name}-chrome`]),
    );
    expect(charts[0]!.subtitle).toContain('CPU adapter');
  });

  it('have a logarithmic axis where the times span more than 30 times', () => {
    expect(charts.map(isLog)).toEqual([true, true, true, true, true, true, false, false, false, false]);
    const { option } = chartOption(charts[0]!);
    expect(option.xAxis).toMatchObject({ type: 'log', name: 'milliseconds per update, logarithmic' });
  });

  it('hold every contender, and grow with them', () => {
    for (const chart of charts) {
      const { height } = chartOption(chart);
      expect(height).toBeGreaterThan(chart.rows.length * 20);
      const svg = chartSvg(chart);
      expect(svg).toMatch(new RegExp(`^<svg [^>]*width="1000" height="${height}"`));
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
      for (const row of chart.rows) if (row.kind === 'bar') expect(svg).toContain(row.contender.name);
    }
    expect(chartSvg(charts[5]!)).toContain('jax-webgpu failed: losses of 10 steps');
    expect(charts[4]!.notes).toContain('skipped: tfjs-webgpu, tfjs-wasm, jax-webgpu: runs in a browser only');
  });

  it('are split where there are many cases', () => {
    const many = Array.from({ length: 60 }, (_, i) => {
      const each = tiny([contender('downhill', [1]), contender('copy', [0.9]), contender('naive', [3])]);
      return { ...each, spec: { ...each.spec, id: `update/${i}` } };
    });
    const parts = benchCharts({ ...report, cases: many });
    expect(parts.map(({ file }) => file)).toEqual([1, 2, 3, 4].map((i) => `update-node-${i}`));
    expect(parts[1]!.title).toContain('(2 of 4)');
    for (const { rows } of parts) expect(rows.length).toBeLessThanOrEqual(66);
    expect(parts.flatMap(({ rows }) => rows)).toHaveLength(240);
  });

  it('draw a single bar, and equal ones', () => {
    for (const contenders of [
      [contender('downhill', [1])],
      [contender('downhill', [2, 2]), contender('copy', [2, 2])],
    ]) {
      expect(chartSvg(benchCharts({ ...report, cases: [tiny(contenders)] })[0]!)).not.toMatch(/NaN|Infinity/);
    }
  });

  it('cut text by its measured width', () => {
    expect(textWidth('mm', 10)).toBeGreaterThan(3 * textWidth('ii', 10));
    const short = cut('a very long name of a contender', 12, 100);
    expect(short).toMatch(/…$/);
    expect(textWidth(short, 12)).toBeLessThanOrEqual(100);
    expect(cut('short', 12, 100)).toBe('short');
  });

  it('become PNG files of the right size', async () => {
    const chart = charts[6]!;
    const png = Buffer.from(await svgPng(chartSvg(chart)));
    expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    expect(png.readUInt32BE(16)).toBe(1000 * SCALE);
    expect(png.readUInt32BE(20)).toBe(chartOption(chart).height * SCALE);
    expect(png.length).toBeGreaterThan(10_000); // with text: an empty one has 5 kB
  });
});

describe('the folder of a report', () => {
  const folder = scratch();
  afterAll(folder.remove);

  const openedReport = (...names: string[]) => openReport(folder.path(...names));

  it('is made and tried beforehand, goes again when nothing came of it, and keeps what is in it', () => {
    const path = folder.path('new', 'deep');
    const empty = openReport(path);
    expect(existsSync(path)).toBe(true);
    empty.close();
    expect(existsSync(folder.path('new'))).toBe(false);
    mkdirSync(path, { recursive: true });
    writeFileSync(folder.path('new', 'deep', 'report.json'), text);
    openReport(path).close();
    expect(readdirSync(path)).toEqual(['report.json']);
  });

  it('is refused where it cannot be written, and where files are that no report came with', () => {
    writeFileSync(folder.path('file'), '');
    for (const path of [folder.path('file'), folder.path('file', 'below')]) {
      expect(() => openReport(path)).toThrow(expect.objectContaining({ code: 'OUTPUT-UNWRITABLE' }));
    }
    expect(() => openReport(folder.path('file', 'below'))).toThrow('part of the path is a file');
    mkdirSync(folder.path('mine'));
    writeFileSync(folder.path('mine', 'report.md'), 'my own');
    expect(() => openedReport('mine')).toThrow(/has report\.md in it already/);
    expect(readdirSync(folder.path('mine'))).toEqual(['report.md']);
    mkdirSync(folder.path('pictures'));
    writeFileSync(folder.path('pictures', 'startup-node.svg'), 'my own');
    expect(() => openReport(folder.path('pictures'), ['startup'])).toThrow(/has startup-node\.svg in it already/);
    openReport(folder.path('pictures'), ['train']).close();
  });

  it('gets report.json, report.md and charts, in place of an older report when all of them are there', async () => {
    const some = {
      ...report,
      cases: report.cases.filter(({ spec }) => ['readback', 'startup'].includes(spec.scenario)),
    };
    const first = openedReport('report');
    const files = await writeReport(first, some);
    first.close();
    expect(files.slice(0, 4)).toEqual(['report.json', 'report.md', 'readback-node.svg', 'readback-node.png']);
    const kept = () => readReport(readFileSync(folder.path('report', 'report.json'), 'utf8'), 'report.json');
    expect(kept()).toEqual(some);
    expect(readFileSync(folder.path('report', 'report.md'), 'utf8')).toContain('](readback-node.svg)');

    writeFileSync(folder.path('report', 'mine.svg'), '');
    const fewer = { ...some, cases: some.cases.filter(({ spec }) => spec.scenario === 'readback') };
    const second = openedReport('report');
    writePartial(second, fewer);
    expect(kept()).toEqual(some);
    // Where a file cannot be written, the old report stays, and says where the new one is.
    const full = vi.spyOn(second, 'write').mockImplementation(() => {
      throw new DownhillError('OUTPUT-UNWRITABLE', 'The disk is full.', 'Name another folder.');
    });
    await expect(writeReport(second, fewer)).rejects.toThrow(/What was measured is in .*report-partial\.json/);
    full.mockRestore();
    expect(kept()).toEqual(some);
    expect(readdirSync(second.path)).toContain(PARTIAL);
    await writeReport(second, fewer);
    second.close();
    expect(kept()).toEqual(fewer);
    expect(readdirSync(second.path).sort()).toEqual([
      'mine.svg',
      'readback-chrome.png',
      'readback-chrome.svg',
      'readback-node.png',
      'readback-node.svg',
      'report.json',
      'report.md',
    ]);
  });

  it('that went away is an error with a code', async () => {
    const odd = openedReport('odd');
    rmSync(odd.path, { recursive: true });
    await expect(writeReport(odd, report)).rejects.toMatchObject({ code: 'OUTPUT-UNWRITABLE' });
    expect(existsSync(odd.path)).toBe(false);
    odd.close();
  });
});

describe('a stored report', () => {
  const refusal = (stored: string): DownhillError => {
    try {
      readReport(stored, 'old.json');
    } catch (error) {
      return error as DownhillError;
    }
    throw new Error('was not refused');
  };
  /** The fixture with another value at a place like 'machines.1.place'; undefined takes it away. */
  const edited = (place: string, value: unknown): string => {
    const stored = JSON.parse(text);
    const keys = place.split('.');
    const last = keys.pop()!;
    keys.reduce((at, key) => at[key], stored)[last] = value;
    return JSON.stringify(stored);
  };

  it.each([
    ['that is no JSON', '<html>', 'it is no JSON'],
    ['that is empty', '', 'it is no JSON'],
    ['that is a list', '[]', "no format 'downhill-bench'"],
    ['that is null', 'null', "no format 'downhill-bench'"],
    ['of another version', edited('version', 2), 'its version is 2'],
    ['without cases', edited('cases', undefined), 'cases is missing'],
    ['without a config', edited('config', undefined), 'config is missing'],
    ['with a case that is none', edited('cases.3', 7), 'cases[3] is 7'],
    [
      'of an unknown place',
      edited('machines.1.place', 'moon'),
      'machines[1].place is "moon"; one of node, chrome was expected',
    ],
    ['without an adapter', edited('machines.0.adapter', undefined), 'machines[0].adapter is missing'],
    [
      'with odd samples',
      edited('cases.0.contenders.1.samples', [1, 'two']),
      'cases[0].contenders[1].samples[1] is "two"; a positive number or null was expected',
    ],
    ['with samples that are none', edited('cases.0.contenders.1.samples', 7), 'samples is 7; a list was expected'],
    [
      'with a time of nothing',
      edited('cases.0.contenders.1.samples', [0]),
      'samples[0] is 0; a positive number or null',
    ],
    ['with an odd fact', edited('cases.0.contenders.0.facts', { ms: 'x' }), 'facts.ms is "x"'],
    ['with an error that is none', edited('cases.0.error', 'lost'), 'cases[0].error is "lost"'],
  ])('%s is refused with its place', (_, stored, words) => {
    const error = refusal(stored);
    expect(error).toBeInstanceOf(DownhillError);
    expect(error.code).toBe('DATA-FORMAT');
    expect(error.message).toContain('old.json');
    expect(error.message).toContain(words);
  });

  it('may have fields that this version does not know', () => {
    expect(() => readReport(JSON.stringify({ ...JSON.parse(text), more: 1 }), 'new.json')).not.toThrow();
  });
});
