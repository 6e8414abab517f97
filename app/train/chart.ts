import { indexAt, type Line, LineChart } from '../charts/lines.js';
import type { LossHistory } from '../runs/history.js';
import type { Mark, Tested } from '../runs/run.js';
import { count, loss } from '../shell/format.js';

/** What is drawn: a run, or one that has not begun. */
export interface Drawn {
  readonly history: LossHistory;
  readonly tests: readonly Tested[];
  readonly validations: readonly Tested[];
  readonly marks: readonly Mark[];
}

/** The loss curve: what every step lost, its smoothed course, and the loss on the test data. */
export class LossChart {
  readonly #chart: LineChart;

  /** @param box The element to fill. */
  constructor(
    box: HTMLElement,
    private run: Drawn,
  ) {
    this.#chart = new LineChart(box, {
      label: 'Loss by step',
      x: { label: 'Step', from: 0, to: 10 },
      y: { label: 'Loss', from: 0 },
      describe: (step) => describe(this.run, step),
    });
  }

  set log(on: boolean) {
    this.#chart.set({ y: { label: 'Loss', log: on, ...(!on && { from: 0 }) } });
  }

  /** Another run: the zoom of the one before means nothing for it. */
  show(run: Drawn): void {
    this.run = run;
    this.#chart.reset();
    this.#draw();
  }

  /** Asks for a redraw at the next frame. */
  update(): void {
    this.#chart.update(() => this.#draw());
  }

  #draw(): void {
    const { history, tests, validations, marks } = this.run;
    const { steps, low, high, smooth } = history;
    const curve: Line = {
      label: 'smoothed',
      color: '--curve',
      x: steps,
      y: smooth,
      band: { low, high, color: '--curve-faint' },
    };
    const judged = (label: string, color: string, points: readonly Tested[]): Line => ({
      label,
      color,
      x: points.map(({ step }) => step),
      y: points.map((point) => point.loss),
      width: 1.5,
      dash: [4, 4],
      dots: points.length <= 60,
    });
    this.#chart.show(
      [
        curve,
        ...(validations.length > 0 ? [judged('validation', '--run-3', validations)] : []),
        judged('test', '--test', tests),
      ],
      marks.map(({ step, text }) => ({ x: step, text })),
    );
  }
}

function describe({ history, tests, validations, marks }: Drawn, at: number): string {
  const { steps, low, high, smooth } = history;
  const point = Math.min(Math.max(0, indexAt(steps, at)), steps.length - 1);
  const range = low[point] === high[point] ? loss(high[point]) : `${loss(low[point])} to ${loss(high[point])}`;
  const said = steps.length === 0 ? [] : [`loss ${range}, smoothed ${loss(smooth[point])}`];
  for (const [name, points] of [
    ['validation', validations],
    ['test', tests],
  ] as const) {
    const judged = points.findLast(({ step }) => step === at);
    if (judged) said.push(`${name} ${loss(judged.loss)}`);
  }
  const texts = marks.filter(({ step }) => step === at).map(({ text }) => text);
  return `Step ${count(at)}: ${[...said, ...texts].join(', ')}`;
}
