import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { CaseResult, ContenderResult } from '../../harness/bench/contract.js';
import { markdown } from '../../harness/bench/report/markdown.js';
import { readReport } from '../../harness/bench/report/read.js';
import { isOurs, summarize } from '../../harness/bench/report/summary.js';
import { caseLines } from '../../harness/bench/report/text.js';
import {
  replicasName,
  rowsName,
  sentenceOf,
  singlesName,
  submitName,
  verdictOf,
} from '../../harness/bench/report/verdict.js';

/* The line that a case comes to: from its medians, in favour of nobody. */

const ROUNDS = 6;
/** Each contender with the time of all its rounds, or why it has none. */
const caseOf = (
  scenario: string,
  times: Readonly<Record<string, number | 'failed' | 'skipped'>>,
  more: Partial<CaseResult> & { parameters?: CaseResult['spec']['parameters'] } = {},
): CaseResult => ({
  spec: { scenario, id: `${scenario}/x`, title: 'a case', parameters: more.parameters ?? {} },
  place: 'node',
  work: { unit: 'step' },
  baseline: 'downhill',
  contenders: Object.entries(times).map(([name, ms]): ContenderResult => {
    if (typeof ms !== 'number') return { name, outcome: ms, note: 'out of luck', iterations: 0, samples: [] };
    return { name, outcome: 'measured', iterations: 1, samples: new Array(ROUNDS).fill(ms) };
  }),
  seconds: 1,
  ...more,
});
const verdict = (...args: Parameters<typeof caseOf>) => verdictOf(summarize(caseOf(...args)));

describe('beside peers', () => {
  it('names each with how many times as fast downhill is', () => {
    expect(verdict('step', { downhill: 4.1, 'jax-webgpu': 32.8, 'jax-wasm': 9.02, 'tfjs-webgpu': 213.2 })).toBe(
      'downhill 4.10 ms, 2.2× jax-wasm, 8.0× jax-webgpu, 52× tfjs-webgpu: ahead of every peer',
    );
    expect(verdict('gemm', { downhill: 1, js: 3 })).toBe('downhill 1.00 ms, 3.0× js: ahead of js');
  });

  it('says where downhill loses', () => {
    expect(verdict('step', { downhill: 4, 'jax-webgpu': 8, 'jax-wasm': 2, js: 4 })).toBe(
      'downhill 4.00 ms, 0.50× jax-wasm, 1.0× js, 2.0× jax-webgpu: ahead of every WebGPU peer, level with js, behind jax-wasm',
    );
    expect(verdict('step', { downhill: 4, 'jax-webgpu': 2, 'tfjs-webgpu': 8 })).toBe(
      'downhill 4.00 ms, 0.50× jax-webgpu, 2.0× tfjs-webgpu: behind jax-webgpu',
    );
  });

  it('takes what an interval does not tell apart for level, and a few per cent where there is none', () => {
    const unsteady = caseOf('step', { downhill: 4 });
    const samples = [2, 3, 5, 6, 5, 7];
    const shaky = { ...unsteady.contenders[0]!, name: 'jax-wasm', samples };
    expect(verdictOf(summarize({ ...unsteady, contenders: [...unsteady.contenders, shaky] }))).toMatch(
      /level with jax-wasm$/,
    );
    const few = (ms: number) => {
      const found = caseOf('step', { downhill: 4, 'jax-webgpu': ms });
      const contenders = found.contenders.map((each) => ({ ...each, samples: each.samples.slice(0, 2) }));
      return verdictOf(summarize({ ...found, contenders }));
    };
    expect(few(4.1)).toMatch(/level with jax-webgpu$/);
    expect(few(5)).toMatch(/ahead of jax-webgpu$/);
    expect(few(3)).toMatch(/behind jax-webgpu$/);
  });

  it('does not count a peer that failed as beaten, nor one that was skipped', () => {
    expect(verdict('step', { downhill: 1, 'jax-webgpu': 2, 'tfjs-webgpu': 'failed', 'ort-webgpu': 'skipped' })).toBe(
      'downhill 1.00 ms, 2.0× jax-webgpu: ahead of jax-webgpu (tfjs-webgpu failed)',
    );
    expect(verdict('step', { downhill: 1 })).toBe('downhill 1.00 ms');
  });

  it('says that downhill has no time', () => {
    expect(verdict('step', { downhill: 'failed', 'jax-webgpu': 2 })).toBe('downhill has no time: failed, out of luck');
    expect(verdict('step', { downhill: 'failed' })).toBeUndefined();
  });
});

describe('the sentence of a case', () => {
  const of = (samples: Readonly<Record<string, readonly number[]>>) => {
    const found = caseOf('step', {});
    const contenders = Object.entries(samples).map(
      ([name, times]): ContenderResult => ({ name, outcome: 'measured', iterations: 1, samples: times }),
    );
    return sentenceOf(summarize({ ...found, contenders }));
  };
  const level = [1, 1, 1, 1, 1, 1];

  it('is about the fastest other library, and tells only what its interval tells', () => {
    expect(of({ downhill: level, js: [9, 9, 9, 9, 9, 9], 'jax-wasm': [0.7, 1.3, 1.4, 1.5, 1.9] })).toEqual({
      text: 'Beside jax-wasm, the fastest of 2 others: 1.4×, 0.70 to 1.9: cannot tell',
      finding: 'cannot tell',
    });
    expect(of({ downhill: level, js: [12, 12, 12, 12, 12, 12] })).toEqual({
      text: 'Beside js: 12×, 12 to 12: faster',
      finding: 'faster',
    });
    expect(of({ downhill: level, js: [0.97, 0.97, 0.97, 0.97, 0.97, 0.98] })!.text).toMatch(
      /^Beside js: 0\.97×, 0\.97 to 0\.9[78]: slower$/,
    );
  });

  it('cannot tell from a few rounds, whatever they say', () => {
    expect(of({ downhill: level, js: [8, 8] })!.text).toBe(
      'Beside js: 8.0×, too few rounds for an interval: cannot tell',
    );
  });

  it('is the verdict where there is no other library', () => {
    expect(of({ downhill: level, copy: level, naive: [2, 2, 2, 2, 2, 2] })).toEqual({
      text: 'downhill 1.00 ms, 2.0× naive: ahead of naive',
    });
    expect(of({ js: level })).toEqual({ text: 'downhill has no time: it took no part' });
    expect(of({})).toBeUndefined();
  });
});

describe('an update', () => {
  const work = { unit: 'update', bytes: 1e6 };

  it('is a share of the copy kernel', () => {
    const times = { downhill: 8, 'downhill createOptimizer': 10, copy: 7.28, naive: 16.8, 'jax-webgpu': 80 };
    expect(verdict('update', times, { work })).toBe(
      'downhill 8.00 ms, 91 % of the copy kernel (createOptimizer 73 %), 2.1× naive, 10× jax-webgpu: ahead of every peer',
    );
    expect(verdict('update', { downhill: 8, copy: 4 }, { work })).toBe('downhill 8.00 ms, 50 % of the copy kernel');
    expect(verdict('update', { downhill: 8, copy: 4, naive: 6 }, { work })).toMatch(/0\.75× naive: behind naive$/);
  });
});

describe('downhill beside itself', () => {
  it('loses or not by waiting for losses', () => {
    const times = { downhill: 4, 'downhill every 1': 4.4, 'jax-webgpu': 8, 'jax-webgpu every 1': 12 };
    expect(verdict('readback', times)).toBe(
      'waiting for every loss: downhill +10 %, jax-webgpu +50 %; 2.0× jax-webgpu: ahead of jax-webgpu',
    );
  });

  it('shows what the harness resolves', () => {
    expect(verdict('resolution', { downhill: 1, same: 1, '2 % more': 1.01, '20 % more': 1.2 })).toBe(
      'same: +0.0 %, 2 % more: +1.0 %, 20 % more: +20 %',
    );
  });

  it('grows with the rows of a batch as the work does, or faster', () => {
    const grown = (ms: number) =>
      verdict('scaling', { [rowsName(1)]: 0.9, [rowsName(64)]: 4, [rowsName(1024)]: ms }, { baseline: rowsName(64) });
    expect(grown(44)).toBe(
      'batch 64 → 1,024: 4.00 → 44.0 ms, 11× the time for 16× the rows: no faster than the work; batch 1 0.900 ms',
    );
    expect(grown(80)).toMatch(/20× the time for 16× the rows: faster than the work/);
  });

  it('is not to be slower with more steps of a submit', () => {
    const submits = (ms: number) =>
      verdict(
        'scaling',
        { [submitName(1)]: 41, [submitName(10)]: 38, [submitName(100)]: ms },
        { baseline: submitName(1), work: { unit: '100 steps' }, parameters: { net: 'xor' } },
      );
    expect(submits(37.1)).toBe('1, 10, 100 steps a submit: 0.410, 0.380, 0.371 ms a step: more are never slower');
    expect(submits(50)).toMatch(/slower with 100$/);
  });

  it('is a population, by the network', () => {
    const times = {
      [replicasName(1)]: 0.52,
      [replicasName(4)]: 1.6,
      [replicasName(64)]: 22.4,
      [singlesName(64)]: 31.36,
    };
    expect(verdict('population', times, { baseline: replicasName(1) })).toBe(
      '64 networks 22.4 ms, 43× one: 0.350 ms each (1: 0.520, 4: 0.400); one by one 31.4 ms, 1.4×',
    );
  });

  it('has names that are known as its own', () => {
    for (const name of [replicasName(4), singlesName(4), rowsName(64), submitName(10)]) expect(isOurs(name)).toBe(true);
  });
});

describe('every output', () => {
  const report = readReport(readFileSync('tests/fixtures/bench-report.json', 'utf8'), 'bench-report.json');

  it('has the line of every case with times', () => {
    const document = markdown(report);
    expect(document).toContain('## Verdicts');
    expect(document).not.toMatch(/NaN|undefined|Infinity/);
    for (const each of report.cases.map(summarize)) {
      const line = verdictOf(each);
      const lines = caseLines(each, (_, text) => text, 99)
        .join(' ')
        .replace(/\s+/g, ' ');
      expect(line !== undefined).toBe(each.contenders.some(({ ms }) => ms));
      if (line) expect(lines).toContain(`→ ${line}`);
    }
  });
});
