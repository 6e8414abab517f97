/**
 * What a report says, as numbers: every output (terminal, Markdown, charts, the page) shows these and computes nothing of
 * its own. Runs in a page and in Node.
 */
import { plural } from '../../common/format.js';
import type { Paint } from '../../common/io.js';
import { type Estimate, interval, present, ratio, spread } from '../statistics.js';
import { factText } from './numbers.js';
import type { CaseResult, CaseSpec, Check, ContenderResult, Machine, Outcome, Place, Report } from './read.js';

/** The contender whose bandwidth is what this machine can do. */
export const COPY = 'copy';
/** Kernels written for comparison: no user runs them, and no work on downhill changes them. */
export const CONTROLS: readonly string[] = [COPY, 'naive'];

/** 'downhill', and its variants: 'downhill every 10'. */
export const isOurs = (name: string): boolean => /^downhill(\W|$)/.test(name);

/** Whether work on downhill leaves this contender's time alone: what it does between two runs, the machine did. */
export const isControl = (name: string, report: Report): boolean =>
  [...CONTROLS, ...report.config.peers].includes(name);

export interface ContenderSummary {
  readonly name: string;
  readonly outcome: Outcome;
  readonly ours: boolean;
  readonly note?: string;
  readonly check?: Check;
  /** Rounds it was measured in. */
  readonly rounds: number;
  /** Wall milliseconds of one iteration; absent of what failed, was skipped or has only facts. */
  readonly ms?: Estimate;
  /** Interquartile range over median. */
  readonly spread?: number;
  readonly gpuMs?: number;
  readonly hostMs?: number;
  readonly counts?: ContenderResult['counts'];
  readonly facts: readonly (readonly [name: string, value: number])[];
  /** Iterations per second. */
  readonly rate?: number;
  readonly gflops?: number;
  readonly gbs?: number;
  /** Its GB/s over those of the copy kernel in the same case. */
  readonly ofCopy?: number;
  /** How many times as long it takes as the baseline; 1 for the baseline itself. */
  readonly ratio?: Estimate;
  /** The fastest contender's time over this one's: 1 for the fastest. */
  readonly speed?: number;
}

export interface CaseSummary {
  readonly spec: CaseSpec;
  readonly place: Place;
  readonly unit: string;
  readonly baseline: string;
  readonly seconds: number;
  /** Rounds of the contender that was in most of them. */
  readonly rounds: number;
  /** In the order of the report; those without times last. */
  readonly contenders: readonly ContenderSummary[];
  readonly error?: CaseResult['error'];
  /** Whether a copy kernel takes part: the case is about bandwidth. */
  readonly streams: boolean;
}

export function summarize(result: CaseResult): CaseSummary {
  const { spec, place, work, baseline, seconds, error } = result;
  const measured = result.contenders.filter(hasTimes);
  const samplesOf = (name: string) => measured.find((contender) => contender.name === name)?.samples;
  const [base, copy] = [samplesOf(baseline), samplesOf(COPY)];
  const fastest = Math.min(...measured.map(({ samples }) => interval(samples).value));

  const contenders = result.contenders.map((contender): ContenderSummary => {
    const { name, outcome, note, check, facts, samples } = contender;
    const common = { name, outcome, ours: isOurs(name), note, check, facts: Object.entries(facts ?? {}) };
    if (outcome !== 'measured') return { ...common, rounds: 0 };
    const { gpuMs, hostMs, counts } = contender;
    const rest = { ...common, gpuMs, hostMs, counts, rounds: present(samples).length };
    if (!hasTimes(contender)) return rest;
    const ms = interval(samples);
    return {
      ...rest,
      ms,
      spread: spread(samples),
      rate: 1000 / ms.value,
      speed: fastest / ms.value,
      // A million operations per millisecond are 1e9 per second.
      gflops: work.flops === undefined ? undefined : work.flops / ms.value / 1e6,
      gbs: work.bytes === undefined ? undefined : work.bytes / ms.value / 1e6,
      ofCopy: work.bytes === undefined || !copy || name === COPY ? undefined : paired(copy, samples)?.value,
      ratio: name === baseline ? { value: 1 } : base && paired(samples, base),
    };
  });
  return {
    spec,
    place,
    unit: work.unit,
    baseline,
    seconds,
    rounds: Math.max(0, ...contenders.map(({ rounds }) => rounds)),
    contenders: [...contenders.filter(({ ms }) => ms), ...contenders.filter(({ ms }) => !ms)],
    error,
    streams: copy !== undefined,
  };
}

const hasTimes = ({ outcome, samples }: ContenderResult): boolean =>
  outcome === 'measured' && present(samples).length > 0;

/** Two contenders that share no round cannot be compared. */
function paired(a: ContenderResult['samples'], b: ContenderResult['samples']): Estimate | undefined {
  const estimate = ratio(a, b);
  return Number.isFinite(estimate.value) ? estimate : undefined;
}

/** Why a contender has no times: what its check said, or what it threw. */
export function reasonOf({ note, check }: ContenderSummary): string {
  const parts = [check && !check.ok ? check.detail : undefined, note].filter((part) => part !== undefined);
  return parts.join('; ') || 'no reason given';
}

interface Reason {
  readonly outcome: 'failed' | 'skipped';
  readonly names: readonly string[];
  readonly reason: string;
}

/** What failed and what was skipped in a case, those of one reason together; failures first. */
export function reasonsOf({ contenders }: CaseSummary): Reason[] {
  const found = new Map<string, { outcome: Reason['outcome']; names: string[]; reason: string }>();
  for (const outcome of ['failed', 'skipped'] as const) {
    for (const contender of contenders.filter((each) => each.outcome === outcome)) {
      const reason = reasonOf(contender);
      const group = found.get(outcome + reason) ?? { outcome, names: [], reason };
      group.names.push(contender.name);
      found.set(outcome + reason, group);
    }
  }
  return [...found.values()];
}

/** What is said under a case's table. */
export interface Remark {
  readonly kind: 'remark' | 'failed' | 'skipped' | 'broke off';
  readonly names: readonly string[];
  readonly text: string;
}

/** Facts and notes of what was measured, then what failed, what was skipped, and why the case broke off. */
export function remarksOf(summary: CaseSummary): Remark[] {
  const { contenders, error } = summary;
  return [
    ...contenders.flatMap(({ name, outcome, facts, note }): Remark[] => {
      const text = [...facts.map(factText), ...(note ? [note] : [])].join(', ');
      return outcome === 'measured' && text !== '' ? [{ kind: 'remark', names: [name], text }] : [];
    }),
    ...reasonsOf(summary).map(({ outcome, names, reason }): Remark => ({ kind: outcome, names, text: reason })),
    ...(error
      ? [{ kind: 'broke off', names: [], text: `${error.message} ${error.fix} (${error.code})` } satisfies Remark]
      : []),
  ];
}

/** 'tfjs-wasm, js: out of luck'. */
export const remarkText = ({ names, text }: Remark, show = (part: string) => part): string =>
  names.length > 0 ? `${names.map(show).join(', ')}: ${show(text)}` : show(text);

/** When a report was made, and of what: '2026-11-21 14:40 UTC, commit 740b712'. */
export const headline = ({ started, commit }: Pick<Report, 'started' | 'commit'>): string =>
  `${started.slice(0, 16).replace('T', ' ')} UTC, ${commit ? `commit ${commit.slice(0, 12)}` : 'no commit'}`;

/** What a place ran on, as labels and texts. */
export function machineFacts(machine: Machine): readonly (readonly [label: string, text: string])[] {
  const { adapter, driver, browser, cpu, cores, os } = machine;
  const facts: [string, string][] = [['adapter', adapterName(machine)]];
  if (driver) facts.push(['driver', driver]);
  if (browser) facts.push(['browser', `${browser.name} ${browser.version}`]);
  if (browser && browser.flags.length > 0) facts.push(['flags', browser.flags.join(' ')]);
  facts.push(['CPU', `${cpu}, ${cores} core${cores === 1 ? '' : 's'}`], ['system', os]);
  return adapter ? facts : [['adapter', 'none: no WebGPU here'], ...facts.slice(1)];
}

/** The adapter in one line, with "CPU adapter" where it is one. */
export function adapterName({ adapter }: Machine): string {
  if (!adapter) return 'no WebGPU';
  return adapter.cpu && !adapter.name.includes('CPU adapter') ? `${adapter.name} (CPU adapter)` : adapter.name;
}

/** What must be known before any number is read: of every output. */
export function warnings(report: Report): [title: string, text: string][] {
  const found: [string, string][] = [];
  const places = report.machines.filter(({ adapter }) => adapter?.cpu).map(({ place }) => place);
  if (places.length > 0) {
    found.push(['CPU adapter', `WebGPU runs on the CPU here (${places.join(', ')}): times say nothing about a GPU's.`]);
  }
  const { slow } = report.config;
  if (slow !== 0) found.push(['slowed', `downhill's own kernels do ${slow} % of extra work, on purpose.`]);
  return found;
}

/** '12 cases, 40 contenders measured, 4 failed, 36 skipped, 1 case broke off'. */
export function tallyText({ cases }: Report, paint: Paint = (_, text) => text): string {
  const outcomes = cases.flatMap(({ contenders }) => contenders.map(({ outcome }) => outcome));
  const number = (wanted: Outcome) => outcomes.filter((outcome) => outcome === wanted).length;
  const [failed, broken] = [number('failed'), cases.filter(({ error }) => error).length];
  return [
    plural(cases.length, 'case'),
    `${number('measured')} contenders measured`,
    failed > 0 ? paint('red', `${failed} failed`) : '0 failed',
    `${number('skipped')} skipped`,
    ...(broken > 0 ? [paint('red', `${plural(broken, 'case')} broke off`)] : []),
  ].join(', ');
}

/** The method, for whoever reads the numbers without having read docs/benchmarks.md. */
export const METHOD = [
  'Contenders of a case take turns, round by round, after a warm-up; every step and update depends on the one before, and the wall time ends when the device is done.',
  'Times are medians over rounds with the 95 % interval of the median (order statistics; none below 5 rounds); ratios are medians of the ratios within each round.',
  'The result of each contender is checked before and after the timing: one whose numbers are wrong is reported as failed and has no time; GPU time is taken with `timestamp-query` in one more sample, apart from the wall times.',
] as const;
