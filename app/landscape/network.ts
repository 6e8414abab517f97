import { readSetting } from '../../harness/common/settings.js';
import { digits } from '../../harness/common/svg.js';
import { choice, integer, number } from '../../src/fields.js';
import { describeField } from '../../src/index.js';
import type { Landscape } from '../../src/landscape/index.js';
import { readExperiment } from '../experiment/config.js';
import type { Texts } from '../experiment/settings.js';
import { make, setOff, setText } from '../shell/dom.js';
import { count, percent } from '../shell/format.js';
import { problemOf as wordsOf } from '../shell/problem.js';
import type { Lab } from '../shell/views.js';
import { captionOf } from '../train/caption.js';
import { askPlane } from './engine.js';
import { savePicture } from './export.js';
import type { Place } from './functions.js';
import { type PlaneSettings, Surroundings } from './network-run.js';
import { Plot } from './plot.js';
import type { Field } from './shade.js';
import { groundColours, lookOf } from './style.js';

/* The loss round the experiment's own network: trained here for its path, evaluated on the GPU. */

const FIELDS = {
  plane: choice('plane', ['pca', 'random']),
  steps: integer('steps of training', 100, { min: 10, max: 100_000 }),
  grid: integer('points along each axis', 13, { min: 2, max: 101 }),
  samples: integer('samples evaluated at each point', 500, { min: 1, max: 100_000 }),
  range: number('half the width of the random plane', 1, { above: 0, max: 1e3 }),
  seed: integer('seed of the random directions', 0, { min: 0, max: 2 ** 32 - 1 }),
};
type Key = keyof typeof FIELDS;
const KEYS = Object.keys(FIELDS) as Key[];
const LABELS: Readonly<Record<Key, string>> = {
  plane: 'Plane',
  steps: 'Training steps',
  grid: 'Points per axis',
  samples: 'Samples per point',
  range: 'Half the width',
  seed: 'Seed of the directions',
};
const PLANES = { pca: 'of the path’s two principal components', random: 'of two random directions, filter-normalised' };
/** A CPU adapter has little; what stands in no field. */
const USUAL = {
  cpu: { steps: 100, grid: 13, samples: 250 },
  gpu: { steps: 500, grid: 41, samples: 1000 },
} as const;
/** Links have these keys with that in front. */
const PREFIX = 'net.';
/** A plane that takes longer than so many seconds is asked for first. */
const ASK_SECONDS = 10;

export class NetworkPlane {
  readonly element: HTMLElement;
  readonly panel: HTMLElement;
  readonly #canvas = make('canvas', { id: 'land-plane' });
  readonly #plot = new Plot(this.#canvas, true);
  readonly #status = make('p', { className: 'status', role: 'status', id: 'land-plane-status' });
  readonly #progress = make('progress', { max: 1, value: 0, ariaLabel: 'Progress of the plane' });
  readonly #start = make('button', { type: 'button', className: 'button primary', id: 'land-plane-start' });
  readonly #stop = make('button', { type: 'button', className: 'button', textContent: 'Stop' });
  readonly #save = make('button', { type: 'button', className: 'button quiet small', textContent: 'Save the picture' });
  readonly #facts = make('p', { className: 'hint', id: 'land-plane-facts' });
  readonly #about = make('p', { className: 'hint' });
  readonly #cost = make('p', { className: 'hint', id: 'land-plane-cost' });
  readonly #controls = new Map<
    Key,
    { row: HTMLElement; input: HTMLInputElement | HTMLSelectElement; problem: HTMLElement }
  >();
  readonly #picture = make('div', { className: 'land-picture', hidden: true }, this.#canvas);
  #texts: Texts = {};
  #abort: AbortController | undefined;
  /** Trained and measured, and waiting for a yes. */
  #ready: Surroundings | undefined;
  /** What was trained last: the form may say something else by the time it is drawn. */
  #trained = { caption: '', texts: '' };
  #drawn: { landscape: Landscape; caption: string } | undefined;

  constructor(
    private readonly lab: Lab,
    private readonly changed: () => void,
  ) {
    this.#canvas.setAttribute('role', 'img');
    const change = make('button', {
      type: 'button',
      className: 'button quiet small',
      textContent: 'Change it in Train',
    });
    change.addEventListener('click', () => void lab.open('train'));
    this.#start.addEventListener('click', () => void this.#press());
    this.#stop.addEventListener('click', () => this.stop());
    this.#save.addEventListener('click', () => {
      savePicture(this.#canvas, this.#drawn?.caption ?? '').catch((error: unknown) =>
        lab.problem(error, 'The picture was not saved'),
      );
    });
    this.element = make(
      'section',
      { className: 'card run', ariaLabel: 'The real network' },
      make(
        'div',
        { className: 'run-head' },
        make('div', {}, make('h2', { textContent: 'Loss round the network' }), this.#status),
        make('div', { className: 'buttons' }, this.#start, this.#stop),
      ),
      this.#progress,
      make('p', { className: 'hint' }, this.#about, change),
      this.#cost,
      this.#picture,
      this.#facts,
      make('div', { className: 'land-save' }, this.#save),
    );
    this.panel = make(
      'form',
      { className: 'settings bare', ariaLabel: 'Settings of the plane', noValidate: true },
      make(
        'fieldset',
        { className: 'card' },
        make('legend', { textContent: 'Plane' }),
        make('div', { className: 'controls' }, ...KEYS.map((key) => this.#control(key))),
      ),
    );
    this.panel.addEventListener('submit', (event) => {
      event.preventDefault(); // Enter in a field
      void this.#press();
    });
    lab.onSettings(() => {
      if (JSON.stringify(lab.form.texts) !== this.#trained.texts) this.#forget();
      this.show();
    });
    lab.onDevice((device, error) => {
      if (!device && error !== undefined && this.#abort) this.#abort.abort(error);
      this.show();
    });
    new ResizeObserver(() =>
      requestAnimationFrame(() => {
        if (this.#plot.fit()) void this.#paint();
      }),
    ).observe(this.#picture);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => void this.#paint());
  }

  get busy(): boolean {
    return this.#abort !== undefined;
  }

  state(): Texts {
    return Object.fromEntries(Object.entries(this.#texts).map(([key, text]) => [PREFIX + key, text]));
  }

  /** @returns keys that mean nothing here */
  take(state: Texts): string[] {
    const keys = Object.keys(state).filter((key) => key.startsWith(PREFIX));
    const known = keys.filter((key) => KEYS.includes(key.slice(PREFIX.length) as Key));
    this.#texts = Object.fromEntries(known.map((key) => [key.slice(PREFIX.length), state[key]!]));
    const wrong = this.#parse().wrong;
    this.show();
    return keys.filter((key) => !known.includes(key) || wrong.has(key.slice(PREFIX.length) as Key));
  }

  #control(key: Key): HTMLElement {
    const field = FIELDS[key];
    const id = `land-net-${key}`;
    const input =
      field.kind === 'choice'
        ? make(
            'select',
            { id, name: key },
            ...field.choices.map((value) => make('option', { value, textContent: PLANES[value] })),
          )
        : make('input', {
            id,
            name: key,
            type: 'text',
            inputMode: 'decimal',
            autocomplete: 'off',
            title: describeField(field),
          });
    const problem = make('p', { className: 'problem', id: `${id}-problem` });
    input.setAttribute('aria-describedby', problem.id);
    input.addEventListener(field.kind === 'choice' ? 'change' : 'input', () => {
      const { [key]: _, ...others } = this.#texts;
      const text = input.value.trim();
      this.#texts = text === '' || text === FIELDS.plane.default ? others : { ...others, [key]: text };
      this.#forget();
      this.show();
      this.changed();
    });
    const row = make(
      'div',
      { className: `control ${key === 'plane' ? 'choice' : 'text'}` },
      make('label', { htmlFor: id, textContent: LABELS[key] }),
      input,
      problem,
    );
    this.#controls.set(key, { row, input, problem });
    return row;
  }

  #usual(key: Key): string {
    const own = USUAL[this.lab.adapter?.cpu === false ? 'gpu' : 'cpu'] as Partial<Record<Key, number>>;
    return String(own[key] ?? FIELDS[key].default);
  }

  #parse(): { readonly settings?: PlaneSettings; readonly wrong: ReadonlyMap<Key, unknown> } {
    const wrong = new Map<Key, unknown>();
    const read = KEYS.map((key) => {
      try {
        return [key, readSetting(FIELDS[key].help, FIELDS[key], this.#texts[key] ?? this.#usual(key))];
      } catch (error) {
        wrong.set(key, error);
        return [key, undefined];
      }
    });
    return wrong.size > 0 ? { wrong } : { wrong, settings: Object.fromEntries(read) as PlaneSettings };
  }

  /** What stands beside the picture follows the settings. */
  show(): void {
    const { settings, wrong } = this.#parse();
    for (const [key, { row, input, problem }] of this.#controls) {
      if (document.activeElement !== input)
        input.value = this.#texts[key] ?? (key === 'plane' ? FIELDS.plane.default : '');
      if (input instanceof HTMLInputElement) input.placeholder = this.#usual(key);
      const error = wrong.get(key);
      input.setAttribute('aria-invalid', String(error !== undefined));
      const words = error === undefined ? undefined : wordsOf(error);
      setText(problem, words ? `${words.message} ${words.fix}` : '');
      row.hidden = (key === 'range' || key === 'seed') && (this.#texts.plane ?? FIELDS.plane.default) !== 'random';
    }
    const { form, adapter, gpu } = this.lab;
    setText(
      this.#about,
      form.settings
        ? `The experiment: ${captionOf(form.settings, form.texts, adapter)}.`
        : 'A setting of the experiment needs a change.',
    );
    setText(this.#cost, settings ? costOf(settings) : '');
    setText(this.#start, this.#ready ? 'Draw it' : 'Train and draw');
    const usable = settings !== undefined && form.settings !== undefined && gpu !== 'none' && !this.busy;
    setOff(this.#start, !usable);
    setOff(this.#stop, !this.busy && !this.#ready);
    setOff(this.#save, !this.#drawn);
    if (this.busy || this.#ready || this.#drawn) return;
    setText(
      this.#status,
      gpu === 'none'
        ? 'The network is evaluated on WebGPU, which this browser does not give. Functions work without it.'
        : 'Ready',
    );
  }

  /** What waits for a yes belongs to settings that are no longer those. */
  #forget(): void {
    this.#ready?.destroy();
    this.#ready = undefined;
  }

  stop(): void {
    this.#abort?.abort();
    if (!this.#ready) return;
    this.#forget();
    setText(this.#status, 'Stopped');
    this.show();
  }

  async #press(): Promise<void> {
    const { settings } = this.#parse();
    if (this.busy || !settings || !this.lab.form.settings || this.lab.gpu === 'none') return;
    const abort = new AbortController();
    this.#abort = abort;
    this.show();
    let around = this.#ready;
    this.#ready = undefined;
    try {
      if (!around) {
        around = await this.#train(settings, abort.signal);
        setText(this.#status, 'Measuring a few points …');
        const seconds = await around.estimate(abort.signal);
        if (seconds > ASK_SECONDS) {
          const words = `${count(around.points)} points will take about ${Math.round(seconds)} s.`;
          setText(this.#status, `Trained. ${words} Draw it?`);
          this.#ready = around;
          around = undefined;
          return;
        }
        setText(this.#status, `${count(around.points)} points, about ${seconds.toFixed(1)} s`);
      }
      await this.#evaluate(around, abort.signal);
    } catch (error) {
      if (
        abort.signal.aborted &&
        !(abort.signal.reason instanceof Error && abort.signal.reason.name === 'DownhillError')
      )
        setText(this.#status, 'Stopped');
      else {
        setText(this.#status, 'Failed');
        this.lab.problem(error, 'The plane was not computed');
      }
    } finally {
      around?.destroy();
      this.#abort = undefined;
      this.#progress.value = 0;
      this.lab.progress('landscape', undefined);
      this.show();
    }
  }

  async #train(settings: PlaneSettings, signal: AbortSignal): Promise<Surroundings> {
    setText(this.#status, 'Preparing the data …');
    const { settings: own, texts } = this.lab.form;
    this.#trained = { caption: captionOf(own!, texts, this.lab.adapter), texts: JSON.stringify(texts) };
    const experiment = await readExperiment(own!, this.lab.files);
    signal.throwIfAborted();
    const device = await this.lab.device();
    return Surroundings.train(device, experiment, settings, {
      signal,
      onStep: (step, loss) => {
        setText(this.#status, `Training: step ${count(step)} of ${count(settings.steps)}, loss ${digits(loss)}`);
        this.#tell(step / settings.steps);
      },
    });
  }

  async #evaluate(around: Surroundings, signal: AbortSignal): Promise<void> {
    const begun = performance.now();
    const { caption } = this.#trained;
    const landscape = await around.evaluate(signal, (done, total) => {
      setText(this.#status, `${count(done)} of ${count(total)} points`);
      this.#tell(done / total);
    });
    const seconds = (performance.now() - begun) / 1000;
    this.#drawn = { landscape, caption };
    setText(
      this.#status,
      `${count(around.points)} points of ${count(landscape.data.samples)} samples: ${seconds.toFixed(1)} s`,
    );
    setText(this.#facts, factsOf(landscape));
    this.#canvas.setAttribute('aria-label', `Contours of the loss round the network. ${factsOf(landscape)}`);
    this.#picture.hidden = false;
    const { x, y } = landscape;
    this.#plot.window = { x: [x[0]!, x.at(-1)!], y: [y[0]!, y.at(-1)!] };
    await this.#paint();
  }

  #tell(share: number): void {
    this.#progress.value = share;
    this.lab.progress('landscape', share);
  }

  async #paint(): Promise<void> {
    if (!this.#drawn || !this.#plot.isShown) return;
    const { landscape } = this.#drawn;
    const { frame } = this.#plot;
    const pixels = await askPlane({ ground: fieldOf(landscape), frame, colours: groundColours() });
    if (!pixels) return;
    this.#plot.setGround(pixels, frame);
    this.#draw();
  }

  #draw(): void {
    const { landscape } = this.#drawn!;
    const { path, centre } = landscape;
    const points = path ? Array.from(path.x, (value, i) => [value, path.y[i]!]).flat() : [];
    this.#plot.draw({
      ways: path ? [{ points, look: lookOf(0), selected: true }] : [],
      step: points.length,
      start: path ? ([path.x[0]!, path.y[0]!] as Place) : undefined,
      minima: [[centre.x, centre.y]],
      ...{ saddles: [], arrows: [] },
    });
  }
}

/** Row by row from the top. */
function fieldOf({ x, y, loss }: Landscape): Field {
  const [columns, rows] = [x.length, y.length];
  const values = new Float64Array(columns * rows);
  for (let j = 0; j < rows; j++)
    for (let i = 0; i < columns; i++) {
      const value = loss[(rows - 1 - j) * columns + i]!;
      values[j * columns + i] = Number.isFinite(value) ? value : Number.NaN;
    }
  return { columns, rows, values };
}

const costOf = ({ steps, grid, samples }: PlaneSettings) =>
  `Trains ${count(steps)} steps, then evaluates ${count(grid ** 2 + 1)} points of ${count(samples)} samples each; the time is measured on a few of them and said before the rest.`;

function factsOf({ centre, share, note, loss }: Landscape): string {
  const finite = loss.filter(Number.isFinite);
  const [least, most] = [
    finite.reduce((a, b) => Math.min(a, b), Infinity),
    finite.reduce((a, b) => Math.max(a, b), -Infinity),
  ];
  const range = finite.length === 0 ? 'No loss is finite' : `Loss ${digits(least)} to ${digits(most)}`;
  const accuracy = centre.accuracy === undefined ? '' : `, accuracy ${percent(centre.accuracy)}`;
  const axes = share
    ? ` The axes have ${percent(share[0])} and ${percent(share[1])} of the path’s squared distance.`
    : '';
  return `${range}; at the trained weights (star) ${digits(centre.loss)}${accuracy}.${axes} ${note}`;
}
