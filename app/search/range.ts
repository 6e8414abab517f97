import './range.css';
import { type RangeReport, rangeTest } from '../../src/search/index.js';
import { describeRule, RULE_KEY } from '../experiment/settings.js';
import { make, setText } from '../shell/dom.js';
import { count, loss, rate } from '../shell/format.js';
import { problemOf } from '../shell/problem.js';
import type { Lab } from '../shell/views.js';
import { RangeChart } from './range-chart.js';
import { rangeOf, setupOf } from './setup.js';

/** Steps of a sweep: on a CPU adapter a test should be a matter of seconds, too. */
const STEPS = { gpu: 300, cpu: 150 } as const;
/** Wide: nearly every rule diverges before its end, and the sweep ends there. */
const [FROM, TO] = [1e-5, 100];

/**
 * Learning-rate range test of the experiment, wherever a rate is chosen: a button, then a small chart with the marked rates, each with
 * a button that writes it into the experiment. `element` goes where it is wanted; it needs no other view.
 */
export class RangeFinder {
  readonly element = make('div', { className: 'range-finder' });
  readonly #button = make('button', { type: 'button', className: 'button small', textContent: 'Find a rate' });
  readonly #note = make('p', { className: 'hint' });
  readonly #result = make('div', { className: 'range-result', hidden: true });
  readonly #marks = make('dl', { className: 'range-marks' });
  readonly #chart: RangeChart;
  #abort: AbortController | undefined;

  /** @param use takes a rate that the person chose; by default it is typed into the experiment's form */
  constructor(
    private readonly lab: Lab,
    private readonly use: (lr: number) => void = typeRate,
  ) {
    this.#note.setAttribute('role', 'status');
    const box = make('div', { className: 'range-chart' });
    this.#chart = new RangeChart(box);
    this.#result.append(box, this.#marks);
    this.element.append(make('div', { className: 'range-head' }, this.#button, this.#note), this.#result);
    this.#button.addEventListener('click', () => (this.#abort ? this.stop() : void this.start()));
    lab.onSettings(() => this.#ready());
    lab.onDevice(() => this.#ready());
    this.#ready();
  }

  get busy(): boolean {
    return this.#abort !== undefined;
  }

  stop(): void {
    this.#abort?.abort();
  }

  async start(): Promise<void> {
    if (this.#abort) return;
    const abort = new AbortController();
    this.#abort = abort;
    setText(this.#button, 'Stop the test');
    setText(this.#note, 'Preparing');
    try {
      // Before anything is waited for: the form may be another by then.
      const { rule } = this.lab.form.settings ?? {};
      const setup = await setupOf(this.lab);
      const device = await this.lab.device();
      const steps = this.lab.adapter?.cpu ? STEPS.cpu : STEPS.gpu;
      const report = await rangeTest(device, {
        ...{ ...rangeOf(setup), rule: rule!, steps, from: FROM, to: TO, signal: abort.signal },
        onStep: (done, of) => {
          if (done % 10 === 0) setText(this.#note, `Step ${count(done)} of ${count(of)} at most`);
        },
      });
      this.#show(report, describeRule(rule!.row.name).title);
    } catch (error) {
      const { message, fix } = problemOf(error);
      setText(this.#note, abort.signal.aborted ? 'Stopped.' : `${message} ${fix}`);
    } finally {
      this.#abort = undefined;
      setText(this.#button, 'Find a rate');
      this.#ready();
    }
  }

  /** The button says why it would not work. */
  #ready(): void {
    if (this.#abort) return;
    const rule = this.lab.form.texts[RULE_KEY] ?? '';
    const without = !('lr' in describeRule(rule).fields);
    const off = without || this.lab.form.settings === undefined || this.lab.adapter === undefined;
    this.#button.setAttribute('aria-disabled', String(off));
    this.#button.title = without
      ? 'This rule has no rate of its own.'
      : 'Raises the rate step by step, and looks at the loss.';
  }

  #show(report: RangeReport, title: string): void {
    this.#result.hidden = false;
    this.#chart.show(report);
    const { steepest, blowUp, minimum, suggestion } = report;
    this.#marks.replaceChildren(
      ...this.#mark('steepest', 'Steepest', steepest?.lr, 'falls fastest'),
      ...this.#mark('suggestion', 'Suggested', suggestion, 'a tenth of the lowest'),
      ...this.#mark('minimum', 'Lowest', minimum?.lr, minimum && `loss ${loss(minimum.smooth)}`),
      ...this.#mark(
        'diverging',
        'Diverging',
        blowUp,
        blowUp === undefined ? `not up to ${TO}` : '4 times the lowest',
        false,
      ),
    );
    const said =
      suggestion === undefined
        ? 'No rate in the range worked.'
        : `Suggested rate ${rate(suggestion)}, diverging ${blowUp === undefined ? 'not reached' : `at ${rate(Number(blowUp.toPrecision(3)))}`}.`;
    setText(this.#note, `${title}, ${count(report.points.length)} steps. ${said}`);
  }

  #mark(key: string, name: string, lr: number | undefined, text = '', usable = true): HTMLElement[] {
    const term = make('dt', {}, name);
    term.dataset.mark = key;
    const value = make(
      'dd',
      {},
      make('strong', {}, lr === undefined ? '–' : rate(Number(lr.toPrecision(3)))),
      ' ',
      make('span', { className: 'hint' }, text),
    );
    value.dataset.mark = key;
    if (usable && lr !== undefined) {
      const button = make('button', { type: 'button', className: 'button quiet small', textContent: 'Use this' });
      button.setAttribute('aria-label', `Use the rate ${rate(lr)}`);
      button.addEventListener('click', () => {
        this.use(Number(lr.toPrecision(3)));
        setText(this.#note, `The rate is ${rate(Number(lr.toPrecision(3)))} now.`);
      });
      value.append(button);
    }
    return [term, value];
  }
}

/** As if the person had typed it: the form looks at it, and everyone hears of it. */
function typeRate(lr: number): void {
  const input = document.querySelector<HTMLInputElement>(`[name="${RULE_KEY}.lr"]`);
  if (!input) return;
  input.value = String(lr);
  input.dispatchEvent(new Event('input', { bubbles: true }));
}
