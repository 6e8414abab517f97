import './live.css';
import { readText } from '../../../harness/common/settings.js';
import type { HyperValue } from '../../../harness/train/config.js';
import { type Field, scale, show, type Trainer } from '../../../src/index.js';
import { describeRule } from '../../experiment/settings.js';
import { byId, isOff, make, setOff, setText } from '../../shell/dom.js';
import { count } from '../../shell/format.js';
import { PageError, problemOf } from '../../shell/problem.js';
import type { Attach, TrainView } from '../part.js';

/*
 * What a person can do to a run while it goes or pauses: other hyper-parameters from the next step on, and single steps.
 * Every change is marked on the curve.
 */

/** A hyper-parameter that may change while the run goes. */
interface Knob {
  readonly key: string;
  readonly field: Field;
  readonly row: HTMLElement;
  readonly input: HTMLInputElement;
  /** As it is now. */
  value: HyperValue;
}

/** The rate, the decay of weights, and every factor that lets an average fade: momentum, betas, rho. */
const isKnob = ([key, field]: readonly [string, Field]): boolean =>
  (field.kind === 'number' || field.kind === 'tuple') && (key === 'lr' || key === 'weightDecay' || field.below === 1);

/** Short: they stand side by side. */
const NAMES: Readonly<Record<string, string>> = { lr: 'Rate', weightDecay: 'Weight decay', momentum: 'Momentum' };

const write = (value: HyperValue): string => (Array.isArray(value) ? value.join(', ') : String(value));

class Strip {
  readonly #steps = make('div', { className: 'live-steps' });
  readonly #knobs = make('form', { className: 'live-knobs', noValidate: true });
  readonly #note = make('p', { className: 'hint live-note' });
  #current: Knob[] = [];
  /** What the run's schedule is multiplied with; undefined where the rate is constant. */
  #factor: number | undefined;

  constructor(private readonly view: TrainView) {
    this.#note.setAttribute('role', 'status');
    this.#steps.setAttribute('role', 'group');
    this.#steps.setAttribute('aria-label', 'Single steps');
    this.#steps.append(this.#stepButton(1), this.#stepButton(10));
    this.#knobs.setAttribute('aria-label', 'While it runs');
    this.#knobs.addEventListener('submit', (event) => {
      event.preventDefault();
      for (const knob of this.#current) this.#apply(knob);
    });
    byId('train-live').append(make('div', { className: 'live' }, this.#steps, this.#knobs), this.#note);
    view.training.listen({
      began: () => this.#build(),
      changed: () => this.#refresh(),
      released: () => this.#refresh(),
    });
    view.lab.onSettings(() => this.#refresh());
    view.lab.onDevice(() => this.#refresh());
    this.#refresh();
  }

  #stepButton(steps: number): HTMLButtonElement {
    const button = make('button', { type: 'button', className: 'button small', textContent: `Step ×${steps}` });
    button.title = `Trains ${steps === 1 ? 'one step' : `${steps} steps`}, then pauses.`;
    button.addEventListener('click', () => {
      if (isOff(button)) return;
      const { training } = this.view;
      if (training.phase === 'paused') training.step(steps);
      else this.view.start(steps);
    });
    return button;
  }

  /** The knobs of the run that begins. */
  #build(): void {
    const { started } = this.view;
    if (!started) return;
    const { optimizer, schedule } = started.experiment.config;
    const fields: Readonly<Record<string, Field>> = describeRule(optimizer.name).fields;
    this.#factor = schedule && 1;
    this.#current = Object.entries(fields)
      .filter(isKnob)
      .map(([key, field]) => this.#knob(key, field, optimizer.hyper[key]!));
    // Enter in a form of several fields needs a button to press; the change of a field is taken up without it.
    const button = make('button', { type: 'submit', className: 'button small', textContent: 'Apply' });
    this.#knobs.replaceChildren(...this.#current.map(({ row }) => row), button);
    setText(this.#note, '');
  }

  #knob(key: string, field: Field, value: HyperValue): Knob {
    const scheduled = key === 'lr' && this.#factor !== undefined;
    const id = `live-${key}`;
    const input = make('input', { id, type: 'text', inputMode: 'decimal', autocomplete: 'off', spellcheck: false });
    input.value = scheduled ? '1' : write(value);
    const label = make('label', { htmlFor: id }, scheduled ? 'Rate, times' : (NAMES[key] ?? key));
    const knob: Knob = { key, field, input, value, row: make('div', { className: 'live-knob' }, label, input) };
    input.title = `${field.help[0]!.toUpperCase()}${field.help.slice(1)}.`;
    input.addEventListener('change', () => this.#apply(knob));
    return knob;
  }

  #apply(knob: Knob): void {
    const { trainer } = this.view.training;
    if (!trainer || !this.view.training.busy) return;
    const text = knob.input.value.trim();
    try {
      const said =
        knob.key === 'lr' && this.#factor !== undefined ? this.#scale(trainer, text) : this.#set(trainer, knob, text);
      knob.input.setAttribute('aria-invalid', 'false');
      if (said === '') return;
      this.view.run?.mark(trainer.step, said);
      this.view.lab.runs.changed();
      setText(this.#note, `${said}, from step ${count(trainer.step + 1)} on.`);
    } catch (error) {
      knob.input.setAttribute('aria-invalid', 'true');
      const { message, fix } = problemOf(error);
      setText(this.#note, `${message} ${fix}`);
    }
  }

  /** @returns what has changed; '' where nothing did */
  #set(trainer: Trainer, knob: Knob, text: string): string {
    const value = readText(knob.field, text) as HyperValue;
    const before = write(knob.value);
    if (write(value) === before) return '';
    trainer.set({ [knob.key]: value });
    knob.value = value;
    return `${knob.key} ${before} → ${write(value)}`;
  }

  /** A schedule keeps its form. */
  #scale(trainer: Trainer, text: string): string {
    const factor = text === '' ? Number.NaN : Number(text);
    if (factor === this.#factor) return '';
    // From 0 no factor leads back.
    if (!(factor > 0 && Number.isFinite(factor)))
      throw new PageError(`The factor must be above 0, got '${text}'.`, 'Type a number such as 0.5.');
    trainer.set({ lr: scale(factor / this.#factor!) });
    this.#factor = factor;
    return `lr × ${show(factor)}`;
  }

  #refresh(): void {
    const { training } = this.view;
    const { phase, activity, busy } = training;
    this.#knobs.hidden = !busy || phase === 'preparing' || !training.trainer;
    const steps = phase === 'paused' ? activity === '' : !busy && isOff(byId('primary')) === false;
    for (const button of this.#steps.children) setOff(button as HTMLButtonElement, !steps);
  }
}

export const attach: Attach = (view) => {
  new Strip(view);
  return undefined;
};
