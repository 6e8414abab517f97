import { LineChart } from '../charts/lines.js';
import type { Line } from '../charts/types.js';
import { CONTENDERS } from './contenders.js';
import type { Settings } from './settings.js';
import { lookOf } from './style.js';
import type { Goal, Way, Ways } from './ways.js';

/* How f falls with the steps, of those that are drawn. */

/** Points of a line: of thirty lines, twice as many take 20 ms more to draw on two cores. */
const MOST = 256;
/** More lines than this are thin ones: easier to tell apart, and quicker to draw. */
const FEW = 12;
/** Two frames. */
const BEHIND_MS = 34;
/** Nobody sees what is smaller; 0 has no logarithm. */
const LEAST = 1e-14;

export class FallChart {
  readonly #chart: LineChart;
  #axes = '';
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What was shown last: a frame that is asked for already draws it, too. */
  #latest: readonly [Ways, Settings] | undefined;

  constructor(box: HTMLElement) {
    this.#chart = new LineChart(box, {
      label: 'How f falls with the steps',
      x: { label: 'Step', from: 0 },
      y: { label: 'f above its lowest', log: true },
      height: 220,
    });
  }

  /** Drawn soon, and not in the frame of the picture: the two together are long enough to be felt. */
  show(ways: Ways, settings: Settings): void {
    this.#latest = [ways, settings];
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#chart.update(() => this.#draw());
    }, BEHIND_MS);
  }

  #draw(): void {
    if (!this.#latest) {
      this.#chart.show([]);
      return;
    }
    const [{ ways, goal }, { shown, steps }] = this.#latest;
    const label = { below: 'f above its lowest', beyond: '|y|: off the saddle beyond 1', none: 'f' }[goal.kind];
    const axes = { x: { label: 'Step', from: 0, to: steps }, y: { label, log: goal.kind !== 'none' } };
    // Other axes are another plot, which is more work than other lines.
    if (JSON.stringify(axes) !== this.#axes) this.#chart.set(axes);
    this.#axes = JSON.stringify(axes);
    const width = shown.size > FEW ? 1 : 1.75;
    this.#chart.show(
      CONTENDERS.flatMap(({ key, title }, i) => {
        const way = shown.has(key) ? ways.find((each) => each.key === key) : undefined;
        return way ? [{ ...lineOf(way, goal, title, i), width }] : [];
      }),
    );
  }

  clear(): void {
    this.#latest = undefined;
    this.#draw();
  }
}

function lineOf({ values, points, steps }: Way, goal: Goal, label: string, i: number): Line {
  const { name, dash } = lookOf(i);
  const stride = Math.max(1, Math.ceil(steps / MOST));
  const x: number[] = [];
  for (let step = 0; step <= steps; step += stride) x.push(step);
  if (x.at(-1) !== steps) x.push(steps);
  const y = x.map((step) => {
    if (goal.kind === 'none') return values[step]!;
    const value = goal.kind === 'below' ? values[step]! - goal.lowest : Math.abs(points[2 * step + 1]!);
    return Number.isFinite(value) ? Math.max(value, LEAST) : null;
  });
  return { label, color: name, dash, x, y };
}
