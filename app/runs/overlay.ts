import { LineChart } from '../charts/lines.js';
import { make } from '../shell/dom.js';
import { ACROSS, type Across, lineOf, QUANTITIES, type Quantity } from './lines.js';
import type { Run } from './run.js';

/** The shown runs in one chart. */
export class Overlay {
  readonly element: HTMLElement;
  readonly #chart: LineChart;
  readonly #across = choice('Over', ACROSS);
  readonly #quantity = choice('Of', QUANTITIES);
  readonly #log = make('input', { type: 'checkbox' });
  #runs: readonly Run[] = [];

  constructor() {
    const box = make('div', {});
    this.element = make(
      'div',
      { className: 'shelf-chart' },
      make(
        'div',
        { className: 'shelf-choices' },
        this.#quantity.label,
        this.#across.label,
        make('label', { className: 'toggle' }, this.#log, ' Log scale'),
      ),
      box,
    );
    this.#chart = new LineChart(box, {
      ...this.#options(),
      empty: 'Tick a run to see its curve.',
    });
    this.element.addEventListener('change', () => {
      this.#chart.set(this.#options());
      this.draw();
    });
  }

  #options() {
    const [across, quantity] = [this.#across.value(), this.#quantity.value()];
    const log = this.#log.checked;
    return {
      label: `${QUANTITIES[quantity]} of the runs`,
      x: { label: ACROSS[across], from: 0 },
      y: {
        label: QUANTITIES[quantity],
        log,
        ...(quantity === 'accuracy' && !log && { from: 0, to: 1 }),
      },
    };
  }

  show(runs: readonly Run[]): void {
    this.#runs = runs;
    this.draw();
  }

  draw(): void {
    const [across, quantity] = [this.#across.value(), this.#quantity.value()];
    const lines = this.#runs.map((run) => lineOf(run, quantity, across)).filter(({ x }) => x.length > 0);
    this.#chart.show(lines);
  }
}

function choice<K extends Across | Quantity>(label: string, choices: Readonly<Record<K, string>>) {
  const options = Object.entries<string>(choices).map(([value, text]) => make('option', { value }, text));
  const select = make('select', {}, ...options);
  return { label: make('label', { className: 'shelf-choice' }, `${label} `, select), value: () => select.value as K };
}
