import type { Histogram, StepReport, WatchOptions, WatchReport } from '../../../src/index.js';
import { rgbOf } from '../../shell/colours.js';
import { make, setText } from '../../shell/dom.js';
import { count, percent, rate } from '../../shell/format.js';
import { Flights } from './flights.js';
import type { Instrument, Pace } from './instrument.js';
import { SHARE } from './pulse.js';

/** Fewest steps from one look to the next: a look takes the time of several steps, on CPU adapters of fifteen. */
const LEAST_EVERY = 20;
/** Looks at a run, at least. */
const FEWEST = 4;
/** Times a second, at most. */
const PER_SECOND = 2;

const COLUMNS = ['Layer', 'Outputs', 'Gradient of weights', 'Update / weight', 'Dead units'] as const;

/** A strip for each layer: what it puts out, what its gradient is, how fast it changes, how much of it is dead. */
export class Layers implements Instrument {
  readonly key = 'layers';
  readonly title = 'Layers';
  readonly #note = make('p', { className: 'hint' }, 'What goes on in each layer, once a run has begun.');
  readonly #body = make('tbody');
  readonly #box = make(
    'section',
    { className: 'scroll layers-box', hidden: true, tabIndex: 0 },
    make(
      'table',
      { className: 'layers' },
      make('thead', {}, make('tr', {}, ...COLUMNS.map((text) => make('th', { scope: 'col' }, text)))),
      this.#body,
    ),
  );
  readonly element = make('div', {}, this.#note, this.#box);
  /** Steps from one look to the next, as it was asked for. */
  #every = LEAST_EVERY;
  readonly #flights = new Flights();

  constructor() {
    this.#box.setAttribute('aria-label', 'Layers');
  }

  fits = (): boolean => true;

  began(): void {
    this.#every = LEAST_EVERY;
    this.#flights.clear();
    this.#body.replaceChildren();
    this.#box.hidden = true;
    setText(
      this.#note,
      'Waits for a step that is looked at. Only steps that are trained while this is on the screen are.',
    );
  }

  /** So seldom that looks take at most a tenth of the time; each single step where somebody goes step by step. */
  watch({ perSecond, stepping, totalSteps }: Pace): WatchOptions {
    if (stepping) return { every: 1, histograms: true };
    const steps = this.#flights.stepsPerLook;
    // What a look costs, the first one tells; and a short run has a few, whatever they cost.
    const affordable = steps === undefined ? 0 : Math.ceil(steps * (1 / SHARE - 1));
    const seldom = Math.max(LEAST_EVERY, affordable, Math.ceil((perSecond ?? 0) / PER_SECOND));
    const wanted = Math.max(1, Math.min(seldom, Math.floor(totalSteps / FEWEST)));
    // Small changes are none: each costs a break in the training.
    if (wanted > 1.25 * this.#every || wanted < this.#every / 2) this.#every = wanted;
    return { every: this.#every, histograms: true };
  }

  stepped({ step, watch }: StepReport, seconds: number): void {
    this.#flights.arrived(1000 * seconds, watch !== undefined);
    if (watch) this.#show(step, watch);
  }

  #show(step: number, { layers, tensors }: WatchReport): void {
    const weights = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    setText(
      this.#note,
      `Of the batch of step ${count(step)}. Updates of about 1/1000 of the weights are usual; histograms reach from the least to the most.`,
    );
    const rows = layers.map(({ layer, name, width, output, updateRatio }) => {
      const weight = weights.get(`${layer}.weight`);
      return make(
        'tr',
        {},
        make('th', { scope: 'row' }, `${layer} ${name}`, make('small', {}, ` ${count(width)}`)),
        make(
          'td',
          {},
          ...strip(output?.histogram, output && `${signed(output.mean)} ± ${rate(output.std)}`, '--curve'),
        ),
        make('td', {}, ...strip(weight?.gradient.histogram, weight && `norm ${rate(weight.gradientNorm)}`, '--test')),
        make('td', {}, updateRatio === undefined ? '' : rate(updateRatio)),
        make('td', {}, output ? percent(output.dead) : ''),
      );
    });
    this.#body.replaceChildren(...rows);
    this.#box.hidden = false;
  }
}

const signed = (value: number): string => rate(value).replace('-', '−');

const SIZE = { width: 128, height: 26 } as const;

/** A histogram with what it sums up to. Heights are roots: else a spike at 0 leaves nothing else to see. */
function strip(histogram: Histogram | undefined, text: string | undefined, colour: string): (HTMLElement | string)[] {
  if (!histogram || text === undefined) return [text ?? ''];
  const canvas = make('canvas', { className: 'strip', ...SIZE });
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', `Histogram from ${rate(histogram.min)} to ${rate(histogram.max)}`);
  canvas.title = `${rate(histogram.min)} to ${rate(histogram.max)}`;
  const context = canvas.getContext('2d');
  if (context) {
    const { counts, min, max } = histogram;
    const most = Math.sqrt(Math.max(...counts, 1));
    const bar = SIZE.width / counts.length;
    context.fillStyle = `rgb(${rgbOf(colour).join(' ')})`;
    counts.forEach((number, i) => {
      const height = (SIZE.height * Math.sqrt(number)) / most;
      context.fillRect(i * bar, SIZE.height - height, bar, height);
    });
    if (min < 0 && max > 0) {
      context.fillStyle = `rgb(${rgbOf('--muted').join(' ')})`;
      context.fillRect((SIZE.width * -min) / (max - min), 0, 1, SIZE.height);
    }
  }
  return [canvas, make('span', { className: 'strip-text' }, text)];
}
