/** Two reports side by side: what became slower, and how sure that is. Runs in a page and in Node. */
import type { CaseResult, ContenderResult, Machine, Place, Report } from '../contract.js';
import {
  change,
  changeDraws,
  drawnInterval,
  type Estimate,
  median,
  pairedRatios,
  present,
  type Samples,
} from '../statistics.js';
import { adapterName, isControl, isOurs, reasonOf, summarize } from './summary.js';

/**
 * Two runs of one commit on one machine agree within this, drift removed; what lies between them has to be more. A kernel
 * slowed by 20 % is seen, one by 2 % is not.
 */
const NOTICEABLE = 0.1;
/**
 * Where a run has one session a case, as with --quick: what a process has by luck (where its arrays and threads lie) is in
 * no interval then.
 */
const NOTICEABLE_QUICK = 0.15;
/** Controls that can speak for their case; fewer are as likely to have been lucky themselves. */
const ENOUGH_CONTROLS = 3;

/** 'unclear': more than NOTICEABLE, but the interval holds 1, or there were too few rounds for one. */
export type Verdict = 'slower' | 'faster' | 'same' | 'unclear';

export interface Change {
  readonly id: string;
  readonly title: string;
  readonly place: Place;
  readonly contender: string;
  /** What it is of: wall milliseconds, or times as long as the baseline (of another machine). */
  readonly basis: 'time' | 'ratio';
  readonly baseline: string;
  readonly ours: boolean;
  readonly now: number;
  readonly old: number;
  /** Now over old, as measured. */
  readonly raw: Estimate;
  /**
   * What became of contenders that no work on downhill changes: the machine's own change. Of the same case where it has
   * three, else of all cases of the place.
   */
  readonly drift: number;
  /** Now over old, over drift: what the verdict is on. */
  readonly change: Estimate;
  readonly verdict: Verdict;
}

/** Measured then, not now. */
interface Broken {
  readonly id: string;
  readonly place: Place;
  readonly contender: string;
  readonly ours: boolean;
  readonly reason: string;
}

export interface Comparison {
  readonly now: Pick<Report, 'commit' | 'started'>;
  readonly old: Pick<Report, 'commit' | 'started'>;
  /** Fields that differ, by place: 'adapter: llvmpipe, was SwiftShader'. Not empty: absolute times do not compare there. */
  readonly otherMachine: readonly { readonly place: Place; readonly differences: readonly string[] }[];
  /** Settings and versions that differ. */
  readonly notes: readonly string[];
  /** Change from which on there is a verdict. */
  readonly noticeable: number;
  readonly changes: readonly Change[];
  readonly broken: readonly Broken[];
  /** 'step/xor-4-sgd, node' for a case, 'step/xor-4-sgd, node: jax-webgpu' for a contender. */
  readonly onlyNow: readonly string[];
  readonly onlyOld: readonly string[];
  /** Of downhill's own contenders: slower for sure, or broken. On another machine only what broke. */
  readonly regressions: number;
}

export function compare(now: Report, old: Report): Comparison {
  const machines = now.machines.flatMap((machine) => {
    const before = old.machines.find(({ place }) => place === machine.place);
    const differences = before ? differencesOf(machine, before) : [];
    return differences.length > 0 ? [{ place: machine.place, differences }] : [];
  });
  const pairs = now.cases.flatMap((result) => {
    const before = old.cases.find((each) => keyOf(each) === keyOf(result));
    return before ? [[result, before] as const] : [];
  });
  const oneSession = [now, old].some(({ config }) => !(config.sessions > 1));
  const noticeable = oneSession ? NOTICEABLE_QUICK : NOTICEABLE;
  const elsewhere = (place: Place) => machines.some((machine) => machine.place === place);
  const drawn = pairs
    .filter(([{ place }]) => !elsewhere(place))
    .map(([result, before]) => drawCase(result, before, now));
  const changes = pairs.flatMap(([result, before]) => {
    if (elsewhere(result.place)) return ratioChanges(result, before, noticeable);
    const own = drawn.find((each) => each.result === result)!;
    const drifts = drawn.filter((each) => each.result.place === result.place).flatMap(({ drift }) => drift ?? []);
    return timeChanges(own, drifts.length > 0 ? median(drifts) : 1, noticeable);
  });
  const broken = pairs.flatMap(([result, before]) => brokenOf(result, before));
  const slower = changes.filter(({ ours, basis, verdict }) => ours && basis === 'time' && verdict === 'slower');
  return {
    now: { commit: now.commit, started: now.started },
    old: { commit: old.commit, started: old.started },
    otherMachine: machines,
    notes: notesOf(now, old),
    noticeable,
    changes,
    broken,
    onlyNow: onlyIn(now, old),
    onlyOld: onlyIn(old, now).filter(
      (key) => !broken.some((each) => key === `${each.id}, ${each.place}: ${each.contender}`),
    ),
    regressions: slower.length + broken.filter(({ ours }) => ours).length,
  };
}

const keyOf = ({ spec, place }: CaseResult): string => `${spec.id}, ${place}`;
const measured = ({ contenders }: CaseResult): ContenderResult[] =>
  contenders.filter(({ outcome, samples }) => outcome === 'measured' && present(samples).length > 0);

function verdictOf({ value, low, high }: Estimate, noticeable: number): Verdict {
  const limit = 1 + noticeable;
  if (value <= limit && value >= 1 / limit) return 'same';
  if (low === undefined || high === undefined || (low <= 1 && high >= 1)) return 'unclear';
  return value > 1 ? 'slower' : 'faster';
}

/** A seed for each contender, so that the draws of one say nothing about those of another. */
function seedOf(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return hash >>> 2;
}

/** Both runs of each contender that both have. */
function matched(result: CaseResult, before: CaseResult) {
  return measured(result).flatMap((contender) => {
    const past = measured(before).find(({ name }) => name === contender.name);
    return past ? [{ contender, past }] : [];
  });
}

/** The contenders of a case in both runs, with draws of their changes, and what their controls say of the machine. */
interface DrawnCase {
  readonly result: CaseResult;
  readonly contenders: readonly (Pick<Change, 'contender' | 'now' | 'old' | 'raw'> & {
    readonly draws?: Float64Array;
  })[];
  /** How many controls it has. */
  readonly controls: number;
  readonly drift?: number;
  readonly driftDraws?: Float64Array;
}

function drawCase(result: CaseResult, before: CaseResult, report: Report): DrawnCase {
  const contenders = matched(result, before).map(({ contender, past }) => {
    const [now, old] = [median(contender.samples), median(past.samples)];
    const draws = changeDraws(contender.samples, past.samples, seedOf(`${keyOf(result)} ${contender.name}`));
    const onGpu = contender.gpuMs !== undefined || contender.counts !== undefined;
    const raw: Estimate = { value: now / old, ...(draws && drawnInterval(draws)) };
    return { contender: contender.name, now, old, raw, draws, onGpu };
  });
  const controls = contenders.filter(({ contender, draws }) => draws && isControl(contender, report));
  if (controls.length === 0) return { result, contenders, controls: 0 };
  // A GPU's clock and the CPU's drift apart: JavaScript and WASM tell of the first only where nothing better does.
  const onGpu = controls.filter((each) => each.onGpu);
  const chosen = onGpu.length > 0 ? onGpu : controls;
  return {
    result,
    contenders,
    controls: chosen.length,
    drift: median(chosen.map(({ raw }) => raw.value)),
    driftDraws: chosen[0]!.draws!.map((_, i) => median(chosen.map(({ draws }) => draws![i]!))),
  };
}

/** @param placeDrift Where the case has too few controls. */
function timeChanges(drawn: DrawnCase, placeDrift: number, noticeable: number): Change[] {
  const { result, contenders } = drawn;
  const own = drawn.controls >= ENOUGH_CONTROLS;
  const drift = own ? drawn.drift! : placeDrift;
  const driftDraws = own ? drawn.driftDraws : undefined;
  return contenders.map(({ contender, now, old, raw, draws }) => {
    // The drift is measured too, and as uncertain as the rest: each draw is over that draw's drift.
    const over = draws?.map((value, i) => value / (driftDraws?.[i] ?? drift));
    const change = { value: raw.value / drift, ...(over && drawnInterval(over)) };
    return finish(result, contender, { basis: 'time', now, old, raw, drift, change }, noticeable);
  });
}

/** Of another machine: how long each contender takes next to the baseline, now and then. */
function ratioChanges(result: CaseResult, before: CaseResult, noticeable: number): Change[] {
  const samplesIn = (where: CaseResult) => measured(where).find(({ name }) => name === result.baseline)?.samples;
  const [base, past] = [samplesIn(result), samplesIn(before)];
  if (!base || !past) return [];
  return matched(result, before).flatMap(({ contender, past: { samples } }) => {
    if (contender.name === result.baseline) return [];
    const [now, old]: Samples[] = [pairedRatios(contender.samples, base), pairedRatios(samples, past)];
    if (!now?.length || !old?.length) return [];
    const raw = change(now, old, seedOf(`${keyOf(result)} ${contender.name}`));
    const numbers = { basis: 'ratio', now: median(now), old: median(old), raw, drift: 1, change: raw } as const;
    return finish(result, contender.name, numbers, noticeable);
  });
}

function finish(
  { spec, place, baseline }: CaseResult,
  contender: string,
  numbers: Pick<Change, 'basis' | 'now' | 'old' | 'raw' | 'drift' | 'change'>,
  noticeable: number,
): Change {
  const names = { id: spec.id, title: spec.title, place, contender, baseline, ours: isOurs(contender) };
  const verdict = verdictOf(numbers.change, noticeable);
  // As measured it must have moved the same way, or the verdict would rest on the drift alone.
  const moved = verdict === 'same' || verdict === verdictOf(numbers.raw, noticeable);
  return { ...names, ...numbers, verdict: moved ? verdict : 'unclear' };
}

function brokenOf(result: CaseResult, before: CaseResult): Broken[] {
  const { contenders, error } = summarize(result);
  return measured(before).flatMap(({ name }) => {
    const contender = contenders.find((each) => each.name === name);
    const reason = contender ? contender.outcome !== 'measured' && reasonOf(contender) : error?.message;
    return reason ? [{ id: result.spec.id, place: result.place, contender: name, ours: isOurs(name), reason }] : [];
  });
}

/** Cases of one report that the other lacks, and contenders measured in a case of both but in one only. */
function onlyIn(report: Report, other: Report): string[] {
  return report.cases.flatMap((result) => {
    const there = other.cases.find((each) => keyOf(each) === keyOf(result));
    if (!there) return [keyOf(result)];
    const missing = measured(result).filter(({ name }) => !measured(there).some((each) => each.name === name));
    return missing.map(({ name }) => `${keyOf(result)}: ${name}`);
  });
}

function differencesOf(now: Machine, old: Machine): string[] {
  const fields: [string, (machine: Machine) => string][] = [
    ['adapter', adapterName],
    ['driver', ({ driver }) => driver ?? 'none'],
    ['browser', ({ browser }) => (browser ? `${browser.name} ${browser.version}` : 'none')],
    ['CPU', ({ cpu }) => cpu],
    ['cores', ({ cores }) => String(cores)],
    ['system', ({ os }) => os],
  ];
  return fields.filter(([, of]) => of(now) !== of(old)).map(([name, of]) => `${name}: ${of(now)}, was ${of(old)}`);
}

function notesOf(now: Report, old: Report): string[] {
  const notes: string[] = [];
  const words = (quick: boolean) => (quick ? 'quick' : 'full');
  if (now.config.quick !== old.config.quick) {
    notes.push(`a ${words(now.config.quick)} run next to a ${words(old.config.quick)} one`);
  }
  for (const [which, { slow }] of [
    ['this', now.config],
    ['the old', old.config],
  ] as const) {
    if (slow !== 0) notes.push(`${which} run has downhill slowed by ${slow} % on purpose`);
  }
  for (const [name, version] of Object.entries(now.versions)) {
    const before = old.versions[name];
    if (before !== undefined && before !== version) notes.push(`${name} ${version}, was ${before}`);
  }
  return notes;
}
