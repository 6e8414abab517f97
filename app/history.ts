/*
 * The losses of a run, kept small. A run of a million steps has more points than a screen has pixels: when LIMIT points
 * are full, neighbours are merged, and each point stands for twice as many steps. A point keeps the lowest and highest
 * loss of its steps, so a spike stays visible however far it is merged.
 */
const LIMIT = 2048;

type Column = (number | null)[];

/** uPlot's form: x, then one column per line, all of one length; null is a gap. */
export type Columns = readonly [steps: number[], low: Column, high: Column, smooth: Column, test: Column];

const least = (a: number | null, b: number | null) => (a === null ? b : b === null ? a : Math.min(a, b));
const most = (a: number | null, b: number | null) => (a === null ? b : b === null ? a : Math.max(a, b));
const latest = (a: number | null, b: number | null) => b ?? a;
const mergers = [least, most, latest, latest] as const;

export class LossHistory {
  /** Steps per point. */
  stride = 1;
  readonly columns: Columns = [[], [], [], [], []];
  #steps = 0;
  #smooth: number | null = null;

  get points(): number {
    return this.columns[0].length;
  }

  /** The smoothed loss of the latest step. */
  get smooth(): number | null {
    return this.#smooth;
  }

  push(step: number, loss: number): void {
    const value = Number.isFinite(loss) ? loss : null;
    this.#steps++;
    if (value !== null) {
      // A mean whose window grows with the run: quick at the start, where the loss falls fast, and calm later.
      const window = Math.min(1 + this.#steps / 4, 8 + this.#steps / 40);
      this.#smooth = this.#smooth === null ? value : this.#smooth + (value - this.#smooth) / window;
    }
    this.#write(step, [value, value, this.#smooth, null]);
  }

  /** The loss on the test data, of the parameters after `step` steps. */
  test(step: number, loss: number): void {
    if (Number.isFinite(loss)) this.#write(Math.max(1, step), [null, null, null, loss]);
  }

  #write(step: number, values: readonly (number | null)[]): void {
    let point = Math.floor((step - 1) / this.stride);
    while (point >= LIMIT) {
      this.#halve();
      point = Math.floor((step - 1) / this.stride);
    }
    const [steps, ...columns] = this.columns;
    // Steps come in order; a gap would only be a loss that never came, and uPlot needs none filled in.
    const last = steps.length - 1;
    const same = last >= 0 && Math.floor((steps[last]! - 1) / this.stride) === point;
    const at = same ? last : last + 1;
    steps[at] = step;
    columns.forEach((column, i) => {
      const value = values[i] ?? null;
      column[at] = same ? mergers[i]!(column[at] ?? null, value) : value;
    });
  }

  #halve(): void {
    this.stride *= 2;
    const [steps, ...columns] = this.columns;
    let to = -1;
    let point = -1;
    for (let from = 0; from < steps.length; from++) {
      const next = Math.floor((steps[from]! - 1) / this.stride);
      const same = next === point;
      if (!same) to++;
      point = next;
      steps[to] = steps[from]!;
      columns.forEach((column, i) => {
        const value = column[from] ?? null;
        column[to] = same ? mergers[i]!(column[to] ?? null, value) : value;
      });
    }
    for (const column of this.columns) column.length = to + 1;
  }
}
