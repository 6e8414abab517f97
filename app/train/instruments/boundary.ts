import type { JobData } from '../../../harness/train/data.js';
import type { Dataset, Trainer } from '../../../src/index.js';
import { make, setText } from '../../shell/dom.js';
import { count, percent } from '../../shell/format.js';
import { boxOf, Plane, type PlaneBox } from '../../toy/plane.js';
import type { Instrument } from './instrument.js';
import { classNames, isPlane, labelsOf, largest, outputsOf } from './samples.js';

/** Points of the grid on each axis that the network is asked about. */
const GRID = 64;
/** The same where the CPU does it. */
const CPU_GRID = 40;

/** The plane of two features: what the network says of every place, and the points it learns from. */
export class Boundary implements Instrument {
  readonly key = 'boundary';
  readonly title = 'Boundary';
  readonly #canvas = make('canvas', { className: 'plane' });
  readonly #plane = new Plane(this.#canvas);
  readonly #note = make('p', { className: 'hint' });
  readonly #legend = make('ul', { className: 'classes' });
  readonly element = make('div', { className: 'boundary' }, this.#canvas, make('div', {}, this.#legend, this.#note));
  #box: PlaneBox | undefined;

  constructor(private readonly onCpu: () => boolean) {
    this.#canvas.setAttribute('role', 'img');
  }

  fits = (data: JobData | undefined): boolean => data !== undefined && isPlane(data.train);

  /** Points without a network: before a run. */
  preview(data: Dataset): void {
    this.#points(data);
    setText(this.#note, 'Start a run to see where the network draws the line.');
    this.#canvas.setAttribute('aria-label', `${count(data.samples)} points in ${outputsOf(data)} classes`);
  }

  began({ train }: JobData): void {
    this.#points(train);
    setText(this.#note, 'The network is asked about the plane soon.');
  }

  shown(): void {
    this.#plane.draw();
  }

  async refresh(trainer: Trainer, { train, test }: JobData): Promise<void> {
    const box = this.#box;
    const labels = labelsOf(train);
    if (!box || !labels) return;
    const side = this.onCpu() ? CPU_GRID : GRID;
    const { step } = trainer;
    // The points of the test go along, so that the picture says how many lie on the right side of this very line.
    const grid = gridOf(box, side);
    const outputs = await trainer.predict(joined(grid, test));
    const classes = outputsOf(train);
    this.#plane.field = { side, classes, values: outputs.subarray(0, side * side * classes) };
    this.#plane.draw();
    const said = largest(outputs.subarray(side * side * classes), classes);
    const right = labelsOf(test)!;
    const share = said.reduce((sum, label, i) => sum + Number(label === right[i]), 0) / said.length;
    setText(
      this.#note,
      `After step ${count(step)}: ${percent(share)} of the ${count(test.samples)} test points lie on their side.`,
    );
    this.#canvas.setAttribute(
      'aria-label',
      `What the network says of the plane after step ${count(step)}: ${percent(share)} of the test points lie on the side of their class`,
    );
  }

  #points(data: Dataset): void {
    this.#box = boxOf(data.x);
    const labels = labelsOf(data)!;
    const names = classNames(data);
    this.#plane.show(this.#box, data.x, labels, names.length);
    this.#legend.replaceChildren(...this.#plane.legend(names, data.featureNames));
  }
}

/** The middle of each cell, row by row from the top. */
function gridOf({ left, right, bottom, top }: PlaneBox, side: number): Float32Array {
  const grid = new Float32Array(2 * side * side);
  for (let i = 0; i < side * side; i++) {
    grid[2 * i] = left + ((right - left) * ((i % side) + 0.5)) / side;
    grid[2 * i + 1] = top - ((top - bottom) * (Math.floor(i / side) + 0.5)) / side;
  }
  return grid;
}

function joined(grid: Float32Array, { x }: Dataset): Float32Array {
  const all = new Float32Array(grid.length + x.length);
  all.set(grid);
  all.set(x, grid.length);
  return all;
}
