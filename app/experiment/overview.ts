import { type Dataset, tensorsOf } from '../../src/index.js';
import { byId, cssColor, setText } from '../shell/dom.js';
import { count } from '../shell/format.js';
import { problemOf } from '../shell/problem.js';
import { painted } from '../toy/painted.js';
import type { Painter } from '../toy/painter.js';
import { misfit, type Outline, outlineOf } from './config.js';
import { sampleDigits, toyOf } from './data.js';
import type { FileChooser } from './files.js';
import type { SettingsForm } from './form.js';
import { SchedulePreview } from './schedule-preview.js';
import { modelOf, type Settings } from './settings.js';

const PREVIEW = { columns: 10, rows: 2 } as const;
const SHOWN = PREVIEW.columns * PREVIEW.rows;

/** What follows from the settings alone: a picture of the data, the size of the network. */
export class Overview {
  readonly #schedule = new SchedulePreview();
  /** Some digits to look at before a run draws them all. */
  #digits: Dataset | undefined;
  readonly #preview = new Preview();
  #painter: Promise<Painter> | undefined;

  constructor(
    private readonly form: SettingsForm,
    private readonly files: FileChooser,
  ) {}

  /** Few paint: what it takes is loaded when somebody does. */
  async #paint(): Promise<void> {
    this.#painter ??= import('../toy/painter.js').then(({ Painter }) => new Painter(byId('painter'), painted));
    (await this.#painter).show();
  }

  show(): void {
    const { settings, texts } = this.form;
    const { read } = this.files;
    const own = read && ('train' in read ? read.train : read);
    const source = settings?.source ?? texts.data;
    const data = source === 'files' ? own : source === 'painted' ? painted.whole : this.#drawn(settings);
    if (source === 'painted') void this.#paint();
    this.#preview.show(data);
    setText(byId('network-note'), settings && data ? describeNetwork(settings, data) : '');
    const outline = settings && outlineOf(settings, read);
    this.#schedule.show(outline);
    showRun(outline);
  }

  #drawn(settings: Settings | undefined): Dataset {
    const toy = settings && toyOf(settings);
    if (toy) return toy;
    this.#digits ??= sampleDigits(SHOWN);
    return this.#digits;
  }
}

export const classesOf = ({ targets }: Dataset): number =>
  targets.kind === 'values' ? targets.width : targets.classes;

/** How many steps a run has, or why there can be none. */
function showRun(outline: Outline | undefined): void {
  const note = byId('run-note');
  const wrong = outline && misfit(outline);
  note.className = wrong === undefined ? 'hint' : 'problem';
  if (!outline) {
    setText(note, '');
    return;
  }
  const { message, fix } = wrong === undefined ? { message: '', fix: '' } : problemOf(wrong);
  const { config, shape, steps } = outline;
  const epoch = steps / (config.epochs ?? 1);
  const each = `${count(shape.train)} samples to train on${shape.validation === undefined ? '' : `, ${count(shape.validation)} held out`}`;
  setText(
    note,
    wrong === undefined ? `${each}; ${count(epoch)} steps per epoch, ${count(steps)} in all.` : `${message} ${fix}`,
  );
}

function describeNetwork(settings: Settings, data: Dataset): string {
  const classes = settings.source === 'files' && !data.labels ? settings.classes : classesOf(data);
  const model = modelOf(settings, data.features, classes);
  const sizes = tensorsOf(model).map(({ shape }) => shape.reduce((product, side) => product * side, 1));
  const parameters = sizes.reduce((sum, size) => sum + size, 0);
  return `${model.sizes.join(' – ')}: ${count(parameters)} parameters`;
}

/** The first images of a data set: brightness becomes opacity, so that they read in light and dark. */
class Preview {
  /** What stands there: it is painted again where that is another, not at each key of the form. */
  #shown: { readonly x: Dataset['x']; readonly ink: string } | undefined;

  show(dataset: Dataset | undefined): void {
    byId('preview-box').hidden = !dataset?.image;
    const ink = cssColor('--text');
    if (!dataset?.image || (this.#shown?.x === dataset.x && this.#shown.ink === ink)) return;
    const canvas = byId<HTMLCanvasElement>('preview');
    const shown = Math.min(SHOWN, dataset.samples);
    paint(canvas, dataset, shown, ink);
    const { targets } = dataset;
    const labels = targets.kind === 'classes' ? `, labelled ${[...targets.labels.subarray(0, shown)].join(', ')}` : '';
    canvas.setAttribute('aria-label', `The first ${shown} images${labels}`);
    this.#shown = { x: dataset.x, ink };
  }
}

function paint(canvas: HTMLCanvasElement, { x, features, image }: Dataset, shown: number, ink: string): void {
  const [height, width] = image!;
  canvas.width = PREVIEW.columns * width;
  canvas.height = Math.ceil(shown / PREVIEW.columns) * height;
  const context = canvas.getContext('2d');
  if (!context) return;
  const pixels = context.createImageData(canvas.width, canvas.height);
  for (let sample = 0; sample < shown; sample++) {
    const corner = Math.floor(sample / PREVIEW.columns) * height * canvas.width + (sample % PREVIEW.columns) * width;
    for (let pixel = 0; pixel < width * height; pixel++) {
      const at = corner + Math.floor(pixel / width) * canvas.width + (pixel % width);
      pixels.data[4 * at + 3] = x[sample * features + pixel]!;
    }
  }
  context.putImageData(pixels, 0, 0);
  context.globalCompositeOperation = 'source-in'; // the ink, as opaque as what is there
  context.fillStyle = ink;
  context.fillRect(0, 0, canvas.width, canvas.height);
}
