import type { JobData } from '../../../harness/train/data.js';
import type { Dataset, StepReport, Trainer } from '../../../src/index.js';
import { toyOf } from '../../experiment/data.js';
import type { Texts } from '../../experiment/settings.js';
import { byId, make, setText } from '../../shell/dom.js';
import { problemOf } from '../../shell/problem.js';
import { painted } from '../../toy/painted.js';
import type { Part, TrainView } from '../part.js';
import { Boundary } from './boundary.js';
import { Confusion } from './confusion.js';
import { DrawDigit } from './draw.js';
import type { Instrument } from './instrument.js';
import './instruments.css';
import { Layers } from './layers.js';
import { Pulse } from './pulse.js';
import { isPlane } from './samples.js';
import { Tabs } from './tabs.js';
import { FirstWeights } from './weights.js';

/* The instruments under the curve: what is in the network that trains. One is looked at at a time, and only that one, while it
 * is on the screen, takes time from the training. */

/** In the link, and where nothing is chosen: by the data. */
const KEY = 'instruments.tab';

export function attach(view: TrainView): Part {
  return new Panel(view);
}

class Panel implements Part {
  readonly #boundary: Boundary;
  readonly #instruments: readonly Instrument[];
  readonly #tabs: Tabs<Instrument>;
  readonly #error = make('p', { className: 'problem' });
  readonly #pulse: Pulse;
  #device: GPUDevice | undefined;
  /** What a person chose; what fits the data where nobody did. */
  #chosen: string | undefined;
  /** On the screen. */
  #seen = false;
  #again = false;

  constructor(private readonly view: TrainView) {
    const { lab, training } = view;
    this.#pulse = new Pulse(() => this.#device);
    this.#boundary = new Boundary(() => lab.adapter?.cpu === true);
    this.#instruments = [
      this.#boundary,
      new DrawDigit(() => training.trainer),
      new Layers(),
      new FirstWeights(),
      new Confusion(),
    ];
    this.#tabs = new Tabs('instruments', this.#instruments, (key) => {
      this.#chosen = key;
      lab.changed();
      this.#show();
    });
    const box = byId('instruments');
    box.append(this.#tabs.list, ...this.#tabs.panels, this.#error);
    new IntersectionObserver((entries) => {
      this.#seen = entries.at(-1)!.isIntersecting;
      this.#attend();
    }).observe(box);
    document.addEventListener('visibilitychange', () => this.#attend());
    lab.onDevice((device) => {
      this.#device = device;
    });
    void lab.device().then(
      (device) => {
        this.#device = device;
      },
      () => {}, // said elsewhere
    );
    lab.onSettings(() => this.#settings());
    training.listen({
      began: () => this.#began(training.data!),
      changed: () => this.#watch(),
      stepped: (report) => this.#stepped(report),
      evaluated: () => this.#evaluated(),
      rested: () => this.#attend(),
      released: () => {
        for (const each of this.#instruments) each.released?.();
        this.#settings();
      },
    });
    this.#settings();
  }

  state = (): Texts => (this.#chosen === undefined ? {} : { [KEY]: this.#chosen });

  take(state: Texts): ReadonlyMap<string, boolean> {
    const wanted = state[KEY];
    const known = this.#instruments.some(({ key }) => key === wanted);
    this.#chosen = known ? wanted : undefined;
    this.#show();
    return new Map([[KEY, known]]);
  }

  shown(): void {
    this.#show();
  }

  get #current(): Instrument {
    return this.#tabs.current;
  }

  get #on(): boolean {
    return this.#seen && document.visibilityState === 'visible';
  }

  /** The form is another, and no run is there: what can be seen of its data is shown. */
  #settings(): void {
    if (this.view.training.data) {
      this.#redraw();
      return;
    }
    const data = this.#formData();
    if (data) this.#boundary.preview(data);
    this.#show(data);
  }

  #began(data: JobData): void {
    setText(this.#error, '');
    this.#pulse.reset();
    for (const each of this.#instruments) if (each.fits(data)) each.began(data);
    this.#show();
    this.#watch();
  }

  /** Points of the plane, as far as the form has some without a run. */
  #formData(): Dataset | undefined {
    const { form, files } = this.view.lab;
    const { settings } = form;
    if (settings?.source === 'painted') return painted.whole;
    if (settings?.source !== 'files') return settings && toyOf(settings);
    const own = files.read && ('train' in files.read ? files.read.train : files.read);
    return own && isPlane(own) ? own : undefined;
  }

  /** The tabs that fit, and the one that is chosen. @param preview data of the form, without a run */
  #show(preview?: Dataset): void {
    const { training } = this.view;
    const seen = training.data ? undefined : (preview ?? this.#formData());
    const data = training.data ?? (seen && { train: seen, test: seen });
    const fitting = this.#instruments.filter((each) => each.fits(data));
    const chosen = fitting.find(({ key }) => key === this.#chosen) ?? fitting[0]!;
    this.#tabs.show(fitting, chosen);
    chosen.shown?.();
    this.#watch();
    this.#attend();
  }

  #redraw(): void {
    for (const each of this.#instruments) each.shown?.();
  }

  /** What the trainer is to look at, from the next submit on. */
  #watch(): void {
    const { training } = this.view;
    const { stepsPerSecond: perSecond, totalSteps, stepping, phase } = training;
    const pace = { perSecond, totalSteps, stepping: stepping || phase === 'paused' };
    const wanted = this.#on ? this.#current.watch?.(pace) : undefined;
    if (wanted?.every === training.watch?.every) return;
    training.watch = wanted;
    if (phase === 'running') void training.whenIdle(() => {});
  }

  #stepped(report: StepReport): void {
    if (!this.#on) return;
    const { training } = this.view;
    this.#current.stepped?.(report, training.seconds);
    if (report.watch) this.#watch();
    if (this.#current.when !== 'test' && this.#pulse.due) this.#look();
  }

  /** Behind a test the run waits for what is asked of it: the same weights give the same figures. */
  #evaluated(): void {
    if (!this.#on || this.#current.when !== 'test' || !this.#pulse.due) return;
    void this.view.training.whenIdle((trainer) => this.#take(trainer));
  }

  /** Something is on the screen, or is no more; a trainer that rests is looked at once. */
  #attend(): void {
    this.#watch();
    const { phase, trainer } = this.view.training;
    if (this.#on && trainer && phase !== 'running' && phase !== 'preparing') this.#look();
  }

  #look(): void {
    const { trainer } = this.view.training;
    if (trainer) void this.#take(trainer);
  }

  async #take(trainer: Trainer): Promise<void> {
    const { training } = this.view;
    const [instrument, { data }] = [this.#current, training];
    if (!data || !instrument.refresh) return;
    this.#again = true;
    try {
      // The newest wish counts: what comes in while a look goes on is one more look, at what the trainer is then.
      while (this.#again && training.trainer === trainer) {
        const took = await this.#pulse.take(trainer, async () => {
          this.#again = false;
          await this.#current.refresh?.(trainer, data);
        });
        if (!took) return;
        if (training.phase === 'running') this.#again = false;
      }
      setText(this.#error, '');
    } catch (error) {
      if (training.trainer !== trainer) return; // the run is gone, and says itself why
      const { message, fix } = problemOf(error);
      setText(this.#error, `${message} ${fix}`);
    }
  }
}
