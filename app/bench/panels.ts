/**
 * A case as bars from 0 on a linear scale, in which twice as long is twice as long, and as one sentence. Wall times and the
 * times in which the GPU was busy are different measurements: each has its own panel, on the same scale.
 */
import { three } from '../../harness/bench/report/numbers.js';
import {
  type CaseSummary,
  type ContenderSummary,
  type Remark,
  reasonOf,
  remarksOf,
  remarkText,
} from '../../harness/bench/report/summary.js';
import { sentenceOf } from '../../harness/bench/report/verdict.js';
import type { Estimate } from '../../harness/bench/statistics.js';
import { plural } from '../../harness/common/format.js';
import { make } from '../shell/dom.js';

/** Once for all cases of a card. */
export const TIMES =
  'Wall time: from the start of the work until its end is known, waiting included; the whisker is its 95 % interval. ' +
  'GPU time: while the GPU was busy, told by timestamps in one more sample. Both are drawn on a linear scale from 0, to the same end.';

/** @param places Whether the report has cases of several places. */
export function casePanel(summary: CaseSummary, places: boolean): HTMLElement {
  const { spec, place, rounds, contenders, unit } = summary;
  const sentence = sentenceOf(summary);
  const times = rounds > 0 ? [' ', make('small', {}, plural(rounds, 'round'))] : [];
  const title = places ? `${spec.title}, ${place}` : spec.title;
  const element = make('section', { className: 'case-panel' }, make('h3', {}, title, ...times));
  if (sentence) {
    const line = make('p', { className: 'sentence' }, sentence.text);
    if (sentence.finding) line.dataset.finding = sentence.finding;
    element.append(line);
  }
  const timed = contenders.filter(({ ms }) => ms);
  if (timed.length === 0) {
    element.append(...remarksOf(summary).map(nothing));
    return element;
  }
  const busy = timed.filter(({ gpuMs }) => gpuMs !== undefined);
  const most = Math.max(...timed.map(({ ms, gpuMs = 0 }) => Math.max(ms!.high ?? ms!.value, gpuMs)));
  const end = roundUp(most);
  const failed = contenders.filter(({ outcome }) => outcome === 'failed');
  const wall = panel('Wall time', `ms per ${unit}`, end, [
    ...timed.map((each) => bar(each, each.ms!, end, wallText(each))),
    ...failed.map((each) => failure(each)),
  ]);
  const gpu = busy.map((each) => bar(each, { value: each.gpuMs! }, end, `${three(each.gpuMs!)} ms`));
  const panels = make('div', { className: 'bar-panels' }, wall);
  if (gpu.length > 0) panels.append(panel('GPU time', `ms per ${unit}, busy`, end, gpu, 'gpu'));
  element.append(panels);
  return element;
}

/** Why a case has no bars. */
const nothing = (remark: Remark): HTMLElement =>
  make('p', { className: 'hint' }, `${remark.kind}: ${remarkText(remark)}`);

function panel(title: string, caption: string, end: number, rows: readonly HTMLElement[], className = 'wall') {
  const head = make('h4', {}, title, ' ', make('small', {}, caption));
  const ticks = [0, end / 2, end].map((value) => make('span', {}, tick(value)));
  const axis = make('li', { className: 'axis' }, make('span', { className: 'bar-axis' }, ...ticks));
  axis.setAttribute('aria-hidden', 'true'); // the rows say their values
  return make('section', { className: `bars ${className}` }, head, make('ul', {}, ...rows, axis));
}

function bar({ name, ours }: ContenderSummary, { value, low, high }: Estimate, end: number, text: string): HTMLElement {
  const at = (ms: number) => `${(100 * ms) / end}%`;
  const fill = make('span', { className: 'bar-fill' });
  fill.style.width = at(value);
  const track = make('span', { className: 'bar-track' }, fill);
  if (low !== undefined && high !== undefined) {
    const whisker = make('span', { className: 'bar-whisker' });
    whisker.style.left = at(low);
    whisker.style.width = at(high - low);
    track.append(whisker);
  }
  track.setAttribute('aria-hidden', 'true');
  return make(
    'li',
    { className: ours ? 'ours' : '' },
    make('span', { className: 'bar-name' }, name),
    track,
    make('span', { className: 'bar-text' }, text),
  );
}

function failure(contender: ContenderSummary): HTMLElement {
  const text = make('span', { className: 'bar-text' }, `failed: ${reasonOf(contender)}`);
  return make('li', { className: 'failed' }, make('span', { className: 'bar-name' }, contender.name), text);
}

/** '3.40 ms, 2.8×': beside the baseline, which takes 1×. */
const wallText = ({ ms, ratio }: ContenderSummary): string =>
  `${three(ms!.value)} ms${ratio && ratio.value !== 1 ? `, ${three(ratio.value)}×` : ''}`;

/** The next number whose half is short to write, too. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const digit = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value * (1 - 1e-9))!;
  return Number((digit * power).toPrecision(3));
}

const tick = (value: number): string => String(Number(value.toPrecision(3)));
