import type { JobData } from '../../../harness/train/data.js';
import type { Trainer } from '../../../src/index.js';
import { paintImage } from '../../shell/colours.js';
import { make, setText } from '../../shell/dom.js';
import { count } from '../../shell/format.js';
import { digitImage } from './digit-image.js';
import type { Instrument } from './instrument.js';
import { Pad } from './pad.js';
import { classNames, givesProbabilities, isImages, labelsOf, largest, outputsOf } from './samples.js';

/** A digit of one's own, or one of the test, and what the network says of it while it learns. */
export class DrawDigit implements Instrument {
  readonly key = 'draw';
  readonly title = 'Draw';
  readonly #pad: Pad;
  readonly #seen = make('canvas', { className: 'seen', width: 28, height: 28 });
  readonly #said = make('output', { className: 'said' });
  readonly #bars = make('ol', { className: 'bars' });
  readonly #note = make('p', { className: 'hint' });
  readonly #sample = make('input', {
    type: 'text',
    inputMode: 'numeric',
    id: 'draw-sample',
    autocomplete: 'off',
    value: '1',
  });
  readonly element: HTMLElement;
  /** What the network is asked about, of the size of its images. */
  #image: Uint8Array | undefined;
  /** What it is, where the data tells. */
  #truth = '';
  #data: JobData | undefined;
  #asking = false;
  #again = false;

  /** @param trainer the one to ask, where there is one */
  constructor(private readonly trainer: () => Trainer | undefined) {
    this.#pad = new Pad(() => this.#drawn());
    const button = (text: string, action: () => void) => {
      const made = make('button', { type: 'button', className: 'button small' }, text);
      made.addEventListener('click', action);
      return made;
    };
    const pick = button('Show', () => this.#pick());
    this.#sample.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.#pick();
    });
    this.#said.setAttribute('aria-live', 'polite');
    this.#seen.setAttribute('role', 'img');
    this.#seen.setAttribute('aria-label', 'Nothing yet');
    const clear = button('Clear', () => this.#pad.clear());
    const buttons = make(
      'div',
      { className: 'pad-buttons' },
      button('Undo', () => this.#pad.undo()),
      clear,
    );
    const sample = make(
      'div',
      { className: 'pick' },
      make('label', { htmlFor: 'draw-sample' }, 'Or a test image, number'),
      this.#sample,
      pick,
    );
    const seen = make('figure', { className: 'seen-box' }, this.#seen, make('figcaption', {}, 'what the network gets'));
    this.element = make(
      'div',
      { className: 'draw' },
      make('div', {}, this.#pad.canvas, buttons, sample),
      make(
        'div',
        { className: 'answer' },
        make('div', { className: 'answer-head' }, seen, this.#said),
        this.#bars,
        this.#note,
      ),
    );
    this.#show(undefined);
  }

  fits = (data: JobData | undefined): boolean => data === undefined || isImages(data.train);

  began(data: JobData): void {
    const other = this.#data?.train.image?.join() !== data.train.image?.join();
    this.#data = data;
    if (other && this.#pad.inked) this.#drawn();
    this.#show(undefined);
  }

  released(): void {
    this.#data = undefined;
  }

  async refresh(trainer: Trainer, { train }: JobData): Promise<void> {
    if (!this.#image || this.#image.length !== train.features) return;
    this.#show(await trainer.predict(this.#image));
  }

  /** The pad has another drawing. */
  #drawn(): void {
    const [height, width] = this.#data?.train.image ?? [28, 28];
    this.#truth = '';
    this.#take(this.#pad.inked ? digitImage(this.#pad.ink(), this.#pad.side, height, width) : undefined);
  }

  #pick(): void {
    const { test } = this.#data ?? {};
    if (!test) {
      setText(this.#note, 'Test images are there once a run has begun.');
      return;
    }
    const number = Number(this.#sample.value);
    if (!Number.isInteger(number) || number < 1 || number > test.samples) {
      this.#sample.setAttribute('aria-invalid', 'true');
      setText(this.#note, `There are test images 1 to ${count(test.samples)}.`);
      return;
    }
    this.#sample.setAttribute('aria-invalid', 'false');
    const image = test.x.slice((number - 1) * test.features, number * test.features) as Uint8Array;
    const [height, width] = test.image!;
    this.#pad.put(image, height, width);
    const label = labelsOf(test)?.[number - 1];
    this.#truth = label === undefined ? '' : ` It is ${classNames(test)[label]}.`;
    this.#take(image);
  }

  #take(image: Uint8Array | undefined): void {
    this.#image = image;
    const [height, width] = this.#data?.train.image ?? [28, 28];
    paintImage(this.#seen, image ?? new Uint8Array(height * width), height, width);
    this.#seen.setAttribute(
      'aria-label',
      image ? `The image that the network gets, ${height} × ${width} pixels` : 'Nothing yet',
    );
    if (!image) this.#show(undefined);
    void this.#ask();
  }

  /** One question at a time; the newest drawing is asked about when the answer to an older one is there. */
  async #ask(): Promise<void> {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    try {
      do {
        this.#again = false;
        const trainer = this.trainer();
        if (trainer && this.#data) await this.refresh(trainer, this.#data);
      } while (this.#again);
    } catch {
      // The run is gone, and says itself why.
    } finally {
      this.#asking = false;
    }
  }

  #show(outputs: Float32Array | undefined): void {
    const data = this.#data?.train;
    const names = data ? classNames(data) : Array.from({ length: 10 }, (_, i) => String(i));
    if (!outputs || !data) {
      setText(this.#said, '');
      setText(
        this.#note,
        this.#data ? 'Draw a digit, as large as you like.' : 'Draw a digit; a network answers once a run has begun.',
      );
      this.#fill(names, undefined, true);
      return;
    }
    const probabilities = givesProbabilities(data);
    const best = largest(outputs, outputsOf(data))[0]!;
    const sure = probabilities ? ` (${(100 * outputs[best]!).toFixed(0)} %)` : '';
    setText(this.#said, `${names[best]}${sure}`);
    setText(this.#note, `${probabilities ? 'Probability of each class' : 'Output for each class'}.${this.#truth}`);
    this.#fill(names, outputs, probabilities);
  }

  /** Rows stay: they change many times a second. */
  #fill(names: readonly string[], outputs: Float32Array | undefined, probabilities: boolean): void {
    const rows = this.#bars;
    if (rows.childElementCount !== names.length || rows.dataset.names !== names.join('\n')) {
      rows.dataset.names = names.join('\n');
      const row = (name: string) =>
        make(
          'li',
          {},
          make('span', { className: 'name' }, name),
          make('span', { className: 'bar' }),
          make('span', { className: 'value' }),
        );
      rows.replaceChildren(...names.map(row));
    }
    for (const [i, row] of [...rows.children].entries()) {
      const value = outputs?.[i];
      const share = Math.min(Math.max(value ?? 0, 0), 1);
      (row.children[1] as HTMLElement).style.setProperty('--share', String(share));
      const text = value === undefined ? '–' : probabilities ? `${(100 * value).toFixed(1)} %` : value.toFixed(3);
      setText(row.children[2] as HTMLElement, text);
    }
  }
}
