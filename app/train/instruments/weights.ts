import type { JobData } from '../../../harness/train/data.js';
import type { Trainer } from '../../../src/index.js';
import { diverging } from '../../shell/colours.js';
import { make, setText } from '../../shell/dom.js';
import { count, rate } from '../../shell/format.js';
import type { Instrument } from './instrument.js';
import { isImages } from './samples.js';

/** Units that are shown: their weights as images, in rows of ten or, of few, in one row. */
const MOST = 100;
const COLUMNS = 20;

/** The first layer's weights, a picture for each of its units: what it looks for in an image. */
export class FirstWeights implements Instrument {
  readonly key = 'weights';
  readonly title = 'First weights';
  readonly #canvas = make('canvas', { className: 'weights', hidden: true });
  readonly #scale = make('canvas', { width: 101, height: 1, className: 'scale-bar' });
  readonly #low = make('span');
  readonly #high = make('span');
  readonly #legend = make('p', { className: 'scale', hidden: true }, this.#low, this.#scale, this.#high);
  readonly #note = make(
    'p',
    { className: 'hint' },
    'A picture for each unit of the first layer, once a run has begun.',
  );
  readonly element = make('div', {}, this.#note, this.#canvas, this.#legend);

  constructor() {
    this.#canvas.setAttribute('role', 'img');
    this.#scale.setAttribute('aria-hidden', 'true');
  }

  fits = (data: JobData | undefined): boolean => data === undefined || isImages(data.train);

  began(): void {}

  async refresh(trainer: Trainer, { train }: JobData): Promise<void> {
    const [height, width] = train.image ?? [1, train.features];
    const { step } = trainer;
    const weights = (await trainer.readParameters())['0.weight'];
    if (!weights) return;
    const units = weights.length / train.features;
    const shown = Math.min(units, MOST);
    const most = weights.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    this.#draw(weights, { units, shown, height, width }, most);
    const many = shown < units ? `the first ${count(shown)} of ${count(units)}` : count(units);
    setText(
      this.#note,
      `${many} units after step ${count(step)}; each picture has the weights of its ${height} × ${width} pixels.`,
    );
    setText(this.#low, `−${rate(most)}`);
    setText(this.#high, `+${rate(most)}`);
    this.#canvas.setAttribute(
      'aria-label',
      `Weights of ${many} units as images, from ${rate(-most)} (orange) over 0 to ${rate(most)} (blue)`,
    );
    this.#canvas.hidden = this.#legend.hidden = false;
  }

  /** Weights are [in, out]: a unit's are a column. */
  #draw(
    weights: Float32Array,
    { units, shown, height, width }: Record<'units' | 'shown' | 'height' | 'width', number>,
    most: number,
  ): void {
    const canvas = this.#canvas;
    // Full rows where that can be: 64 units are four rows of 16.
    const rows = Math.ceil(shown / COLUMNS);
    const columns = Math.ceil(shown / rows);
    canvas.width = columns * (width + 1) - 1;
    canvas.height = Math.ceil(shown / columns) * (height + 1) - 1;
    const context = canvas.getContext('2d');
    if (!context) return;
    const colour = diverging();
    // A table of colours: a mix for each of 78,400 weights would take longer than reading them.
    const table = Array.from({ length: 255 }, (_, i) => colour((i - 127) / 127));
    const image = context.createImageData(canvas.width, canvas.height);
    for (let unit = 0; unit < shown; unit++) {
      const left = (unit % columns) * (width + 1);
      const top = Math.floor(unit / columns) * (height + 1);
      for (let pixel = 0; pixel < width * height; pixel++) {
        const [r, g, b] = table[Math.round(127 + (127 * weights[pixel * units + unit]!) / (most || 1))] ?? [0, 0, 0];
        const at = 4 * ((top + Math.floor(pixel / width)) * canvas.width + left + (pixel % width));
        image.data[at] = r;
        image.data[at + 1] = g;
        image.data[at + 2] = b;
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    const bar = this.#scale.getContext('2d');
    for (let x = 0; bar && x < 101; x++) {
      bar.fillStyle = `rgb(${colour((x - 50) / 50).join(' ')})`;
      bar.fillRect(x, 0, 1, 1);
    }
  }
}
