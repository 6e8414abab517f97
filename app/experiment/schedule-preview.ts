import { scheduleOf } from '../../harness/train/schedule.js';
import { byId, make, setText } from '../shell/dom.js';
import { count, rate } from '../shell/format.js';
import { problemOf } from '../shell/problem.js';
import type { Outline } from './config.js';

/** In units of the picture; it is stretched to the width there is. */
const [WIDTH, HEIGHT, EDGE] = [320, 84, 4];
/** Steps that are looked at: as many as the picture has points. */
const MOST = 320;
const SVG = 'http://www.w3.org/2000/svg';

/** The rate over the run, as a small curve below the schedule's settings. */
export class SchedulePreview {
  readonly #box = byId('schedule-preview');
  readonly #line = document.createElementNS(SVG, 'path');
  readonly #text = make('p', { className: 'hint' });

  constructor() {
    const picture = document.createElementNS(SVG, 'svg');
    picture.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    picture.setAttribute('preserveAspectRatio', 'none');
    picture.setAttribute('aria-hidden', 'true'); // the text says it
    picture.append(this.#line);
    this.#box.append(picture, this.#text);
  }

  /** @param outline undefined where settings are wrong, or files are not read yet */
  show(outline: Outline | undefined): void {
    const { config, steps = 0 } = outline ?? {};
    this.#box.hidden = config?.schedule === undefined;
    if (!config?.schedule) return;
    try {
      const schedule = scheduleOf(config, steps)!;
      const at = countsOf(steps);
      const rates = at.map((done) => schedule(done));
      this.#line.setAttribute('d', pathOf(at, rates, steps));
      const [least, most] = [Math.min(...rates), Math.max(...rates)];
      const from = `from ${rate(rates[0])} to ${rate(rates.at(-1))}`;
      const peak = most > Math.max(rates[0]!, rates.at(-1)!) ? `, ${rate(most)} at most` : '';
      const low = least < Math.min(rates[0]!, rates.at(-1)!) ? `, ${rate(least)} at least` : '';
      setText(this.#text, `The rate over ${count(steps)} steps: ${from}${peak}${low}.`);
      this.#text.className = 'hint';
    } catch (error) {
      this.#line.setAttribute('d', '');
      const { message, fix } = problemOf(error);
      setText(this.#text, `${message} ${fix}`);
      this.#text.className = 'problem';
    }
  }
}

/** The updates that are drawn, counted from 0: all of a short run. */
function countsOf(steps: number): number[] {
  const shown = Math.min(steps, MOST);
  return Array.from({ length: shown }, (_, i) => Math.round((i * (steps - 1)) / Math.max(1, shown - 1)));
}

function pathOf(at: readonly number[], rates: readonly number[], steps: number): string {
  const top = Math.max(...rates) || 1;
  const x = (done: number) => (done / Math.max(1, steps - 1)) * WIDTH;
  const y = (value: number) => HEIGHT - EDGE - (value / top) * (HEIGHT - 2 * EDGE);
  const points = rates.map((value, i) => `${x(at[i]!).toFixed(1)} ${y(value).toFixed(2)}`);
  return `M${points.join('L')}${points.length === 1 ? `L${WIDTH} ${y(rates[0]!).toFixed(2)}` : ''}`;
}
