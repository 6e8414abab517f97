/**
 * What a case comes to, in one line: from the medians of its own rounds, whoever comes out ahead. Runs in a page and in Node.
 */
import type { Estimate } from '../statistics.js';
import { percent, plain, signed, three } from './numbers.js';
import { type CaseSummary, CONTROLS, COPY, type ContenderSummary, reasonOf } from './summary.js';

/* Names of contenders that differ by a number: scenarios make them, verdicts read the number. */
export const rowsName = (rows: number) => `downhill, batch ${rows}`;
export const submitName = (steps: number) => `downhill, ${steps} a submit`;
export const replicasName = (count: number) => `downhill, ${count} together`;
export const singlesName = (count: number) => `downhill, ${count} one by one`;

type Timed = ContenderSummary & { readonly ms: Estimate };

/** Where there is no interval, this much more or less says nothing. */
const LEVEL = 0.05;

/** Undefined where nothing was measured that there is something to say of. */
export function verdictOf(summary: CaseSummary): string | undefined {
  const timed = summary.contenders.filter((each): each is Timed => each.ms !== undefined);
  if (timed.length === 0) return undefined;
  const base = timed.find(({ name }) => name === summary.baseline);
  if (!base) return `${summary.baseline} has no time: ${lackOf(summary)}`;
  return (VERDICTS[summary.spec.scenario] ?? besidePeers)(summary, timed, base);
}

function lackOf({ baseline, contenders }: CaseSummary): string {
  const found = contenders.find(({ name }) => name === baseline);
  return found ? `${found.outcome}, ${reasonOf(found)}` : 'it took no part';
}

type VerdictOf = (summary: CaseSummary, timed: readonly Timed[], base: Timed) => string | undefined;

const VERDICTS: Readonly<Record<string, VerdictOf>> = {
  update: besideCopy,
  readback,
  resolution: (_, timed) =>
    `${timed.flatMap(({ name, ratio }) => (name === 'downhill' ? [] : [`${name}: ${signed(ratio!.value)}`])).join(', ')}`,
  scaling: (summary, timed, base) =>
    summary.spec.parameters.net === undefined ? byRows(timed, base) : bySubmit(timed, summary.unit),
  population,
};

/* ---------- peers ---------- */

/** 'downhill 4.10 ms, 2.2× jax-wasm, 8.1× jax-webgpu: ahead of every peer'. */
function besidePeers(summary: CaseSummary, timed: readonly Timed[], base: Timed): string {
  return `downhill ${three(base.ms.value)} ms${peersText(summary, timed)}`;
}

/** How many times as fast as each peer, and what that comes to; empty where none was measured. */
function peersText(summary: CaseSummary, timed: readonly Timed[], separator = ', '): string {
  const peers = timed.filter(({ ours, ratio, name }) => !ours && ratio && name !== COPY && !name.includes(' every '));
  if (peers.length === 0) return '';
  const sorted = peers.toSorted((a, b) => a.ratio!.value - b.ratio!.value);
  const list = sorted.map(({ name, ratio }) => `${times(ratio!.value)} ${name}`).join(', ');
  return `${separator}${list}: ${standing(summary, sorted)}`;
}

/** '2.2×' */
const times = (factor: number): string => `${factor < 10 ? factor.toFixed(factor < 1 ? 2 : 1) : factor.toFixed(0)}×`;

/** Among those that were measured. Of what failed it is said, since it would read like a peer that was beaten. */
function standing({ contenders }: CaseSummary, peers: readonly Timed[]): string {
  const names = (where: Standing) => peers.filter(({ ratio }) => standingOf(ratio!) === where).map(({ name }) => name);
  const [ahead, level, behind] = [names('ahead'), names('level'), names('behind')];
  const onGpu = peers.filter(({ name }) => name.endsWith('-webgpu'));
  const beatsGpu = onGpu.length > 0 && onGpu.every(({ name }) => ahead.includes(name));
  const failed = contenders.filter(({ outcome, ours }) => outcome === 'failed' && !ours).map(({ name }) => name);
  const parts =
    ahead.length === peers.length
      ? [`ahead of ${peers.length === 1 ? ahead[0] : 'every peer'}`]
      : [
          ...(beatsGpu ? ['ahead of every WebGPU peer'] : []),
          ...(level.length > 0 ? [`level with ${level.join(', ')}`] : []),
          ...(behind.length > 0 ? [`behind ${behind.join(', ')}`] : []),
        ];
  return parts.join(', ') + (failed.length > 0 ? ` (${failed.join(', ')} failed)` : '');
}

/* ---------- one sentence ---------- */

export interface Sentence {
  readonly text: string;
  /** Of downhill beside the fastest of other libraries; undefined where none was measured, or nothing of downhill's. */
  readonly finding?: Finding;
}

export type Finding = 'faster' | 'slower' | 'cannot tell';

/**
 * A case in one sentence, by wall time: downhill beside the fastest other library, how many times as long that takes, the 95 %
 * interval, and what may be concluded: 'Beside jax-wasm, the fastest of 3 others: 1.4×, 0.70 to 1.9: cannot tell'. Where there is
 * no other library, what {@link verdictOf} says.
 */
export function sentenceOf(summary: CaseSummary): Sentence | undefined {
  const timed = summary.contenders.filter((each): each is Timed => each.ms !== undefined);
  const others = timed.filter(({ ours, ratio, name }) => !ours && ratio && !name.includes(' every '));
  const libraries = others.filter(({ name }) => !CONTROLS.includes(name));
  const [first, ...rest] = libraries.toSorted((a, b) => a.ratio!.value - b.ratio!.value);
  if (!first || !timed.some(({ name }) => name === summary.baseline)) {
    const text = verdictOf(summary);
    return text === undefined ? undefined : { text };
  }
  const { value, low, high } = first.ratio!;
  const finding = low !== undefined && low > 1 ? 'faster' : high !== undefined && high < 1 ? 'slower' : 'cannot tell';
  const numbers = [value, ...(low === undefined || high === undefined ? [] : [low, high])];
  const [factor, from, to] = numbers.map(factorText(numbers));
  const sure = from === undefined ? 'too few rounds for an interval' : `${from} to ${to}`;
  const name = rest.length === 0 ? first.name : `${first.name}, the fastest of ${rest.length + 1} others`;
  return { text: `Beside ${name}: ${factor}×, ${sure}: ${finding}`, finding };
}

/** Two digits, or three where two would hide on which side of 1 a number is. */
const factorText = (all: readonly number[]) => {
  const digits = all.every((each) => each.toPrecision(2) !== '1.0') ? 2 : 3;
  return (value: number) => (value >= 10 ** (digits - 1) ? value.toFixed(0) : value.toPrecision(digits));
};

type Standing = 'ahead' | 'level' | 'behind';

/** Of downhill beside a contender that takes so many times as long. */
function standingOf({ value, low, high }: Estimate): Standing {
  if ((low ?? value / (1 + LEVEL)) > 1) return 'ahead';
  return (high ?? value * (1 + LEVEL)) < 1 ? 'behind' : 'level';
}

/** 'downhill 8.02 ms, 91 % of the copy kernel (createOptimizer 88 %), 2.1× naive: ahead of every peer'. */
function besideCopy(summary: CaseSummary, timed: readonly Timed[], base: Timed): string {
  const optimizer = timed.find(({ name }) => name === 'downhill createOptimizer');
  const shareOf = (each: Timed | undefined) => (each?.ofCopy === undefined ? undefined : percent(each.ofCopy));
  const [own, others] = [shareOf(base), shareOf(optimizer)];
  const copy = own ? `, ${own} of the copy kernel${others ? ` (createOptimizer ${others})` : ''}` : '';
  return `downhill ${three(base.ms.value)} ms${copy}${peersText(summary, timed)}`;
}

/** 'waiting for every loss: downhill +1.2 %, jax-webgpu +40 %'. */
function readback(summary: CaseSummary, timed: readonly Timed[], base: Timed): string {
  const waits = timed.flatMap(({ name, ms }) => {
    const without = name.endsWith(' every 1') && timed.find((each) => name === `${each.name} every 1`);
    return without ? [`${without.name} ${signed(ms.value / without.ms.value)}`] : [];
  });
  if (waits.length === 0) return besidePeers(summary, timed, base);
  return `waiting for every loss: ${waits.join(', ')}${peersText(summary, timed, '; ')}`;
}

/* ---------- downhill beside itself ---------- */

const numberOf = ({ name }: Timed): number => Number(/\d+/.exec(name)![0]);
const byNumber = (timed: readonly Timed[]): Timed[] => timed.toSorted((a, b) => numberOf(a) - numberOf(b));

/** 'batch 64 → 1,024: 4.10 → 46.2 ms, 11× the time for 16× the rows: no faster than the work; batch 1 0.900 ms'. */
function byRows(timed: readonly Timed[], base: Timed): string | undefined {
  const last = byNumber(timed).at(-1)!;
  const [from, to] = [numberOf(base), numberOf(last)];
  if (to === from || !last.ratio) return undefined;
  const [grown, work] = [last.ratio.value, to / from];
  const first = byNumber(timed)[0]!;
  const one = first === base ? '' : `; batch ${plain(numberOf(first))} ${three(first.ms.value)} ms`;
  return (
    `batch ${plain(from)} → ${plain(to)}: ${three(base.ms.value)} → ${three(last.ms.value)} ms, ${times(grown)} the time ` +
    `for ${times(work)} the rows: ${grown <= work ? 'no faster than the work' : 'faster than the work'}${one}`
  );
}

/** '1, 10, 100 steps a submit: 0.410, 0.380, 0.371 ms a step: more are never slower'. */
function bySubmit(timed: readonly Timed[], unit: string): string {
  const all = byNumber(timed);
  const each = all.map(({ ms }) => three(ms.value / Number.parseInt(unit, 10)));
  const slower = all.filter(({ ratio }) => ratio && standingOf(ratio) === 'ahead');
  const words = slower.length === 0 ? 'more are never slower' : `slower with ${slower.map(numberOf).join(' and ')}`;
  return `${all.map(numberOf).join(', ')} steps a submit: ${each.join(', ')} ms a step: ${words}`;
}

/** '64 networks 22.4 ms, 43× one: 0.35 ms each (1: 0.52, 4: 0.41, 16: 0.37); one by one 31.0 ms, 1.4×'. */
function population(_: CaseSummary, timed: readonly Timed[]): string | undefined {
  const together = byNumber(timed.filter((each) => each.name === replicasName(numberOf(each))));
  const last = together.at(-1);
  if (!last?.ratio) return undefined;
  const count = numberOf(last);
  const each = (of: Timed) => three(of.ms.value / numberOf(of));
  const fewer = together.slice(0, -1).map((of) => `${numberOf(of)}: ${each(of)}`);
  const singles = timed.find(({ name }) => name === singlesName(count));
  const beside = singles
    ? `; one by one ${three(singles.ms.value)} ms, ${times(singles.ms.value / last.ms.value)}`
    : '';
  return (
    `${count} networks ${three(last.ms.value)} ms, ${times(last.ratio.value)} one: ${each(last)} ms each ` +
    `(${fewer.join(', ')})${beside}`
  );
}
