/*
 * The losses of a run, kept small. A run of a million steps has more points than a screen has pixels: when LIMIT points
 * are full, neighbours are merged, and each point stands for twice as many steps. A point keeps the lowest and highest
 * loss of its steps, so a spike stays visible however far it is merged.
 */
export const LIMIT = 2048;

/** At most so many losses make the figure that is called loss. */
const MOST_LAST = 50;
/** Points on each side of one that make its smoothed value: a fortieth of all. */
const SIDE_SHARE = 40;

type Column = (number | null)[];

/** A history as it is kept: plain arrays of one length. Null: no finite loss. */
export interface HistoryData {
  /** Losses in the mean that is called loss. */
  readonly last: number;
  /** Steps per point. */
  readonly stride: number;
  /** The latest step of each point, and the seconds of training by then. */
  readonly steps: readonly number[];
  readonly seconds: readonly number[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  readonly mean: readonly (number | null)[];
  /** Finite losses in each mean. */
  readonly counts: readonly number[];
  /** The last losses, not finite ones too. */
  readonly recent: readonly number[];
}

/** Losses whose mean is called loss: those of an epoch, where they are few. One, where a step goes through all data. */
export const lastOf = (stepsPerEpoch: number): number => Math.max(1, Math.min(MOST_LAST, Math.round(stepsPerEpoch)));

const least = (a: number | null, b: number | null) => (a === null ? b : b === null ? a : Math.min(a, b));
const most = (a: number | null, b: number | null) => (a === null ? b : b === null ? a : Math.max(a, b));

export class LossHistory {
  readonly last: number;
  stride = 1;
  readonly steps: number[] = [];
  readonly seconds: number[] = [];
  readonly low: Column = [];
  readonly high: Column = [];
  readonly mean: Column = [];
  readonly #counts: number[] = [];
  readonly #recent: number[] = [];
  #smooth: Column | undefined;

  /** @param last losses whose mean is called loss, see `lastOf` */
  constructor(last = 1) {
    this.last = last;
  }

  get points(): number {
    return this.steps.length;
  }

  /** The mean of the last losses; null before the first. Not finite where one of them is not. */
  get loss(): number | null {
    const losses = this.#recent;
    if (losses.length === 0) return null;
    return losses.reduce((mean, loss, i) => mean + (loss - mean) / (i + 1), 0);
  }

  push(step: number, loss: number, seconds = 0): void {
    this.#recent.push(loss);
    if (this.#recent.length > this.last) this.#recent.shift();
    this.#smooth = undefined;
    const value = Number.isFinite(loss) ? loss : null;
    while (this.#pointOf(step) >= LIMIT) this.#halve();
    const end = this.points - 1;
    const same = end >= 0 && this.#pointOf(this.steps[end]!) === this.#pointOf(step);
    const at = same ? end : end + 1;
    if (!same) this.#set(at, { step, seconds, low: value, high: value, mean: value, count: value === null ? 0 : 1 });
    else this.#merge(at, at, { step, seconds, low: value, high: value, mean: value, count: value === null ? 0 : 1 });
  }

  /**
   * The mean of the losses around each point, as many behind it as in front of it: at the ends it narrows to the point itself,
   * so that the line neither starts nor ends late. Where nothing is noisy it is the loss.
   */
  get smooth(): readonly (number | null)[] {
    this.#smooth ??= this.#smoothed();
    return this.#smooth;
  }

  #smoothed(): Column {
    const { points, mean } = this;
    const side = this.last === 1 ? 0 : Math.ceil(points / SIDE_SHARE);
    return mean.map((own, i) => {
      if (own === null) return null; // a gap stays one
      const reach = Math.min(side, i, points - 1 - i);
      let [value, count] = [0, 0];
      for (let j = i - reach; j <= i + reach; j++) {
        if (mean[j] === null) continue;
        count += this.#counts[j]!;
        value += (mean[j]! - value) * (this.#counts[j]! / count);
      }
      return value;
    });
  }

  #pointOf(step: number): number {
    return Math.floor((step - 1) / this.stride);
  }

  #set(at: number, { step, seconds, low, high, mean, count }: Point): void {
    this.steps[at] = step;
    this.seconds[at] = seconds;
    this.low[at] = low;
    this.high[at] = high;
    this.mean[at] = mean;
    this.#counts[at] = count;
  }

  #point(at: number): Point {
    return {
      step: this.steps[at]!,
      seconds: this.seconds[at]!,
      low: this.low[at]!,
      high: this.high[at]!,
      mean: this.mean[at]!,
      count: this.#counts[at]!,
    };
  }

  /** What stands at `at` and a point behind it become one, at `to`. */
  #merge(at: number, to: number, next: Point): void {
    const one = this.#point(at);
    const count = one.count + next.count;
    const mean =
      one.mean === null || next.mean === null
        ? (one.mean ?? next.mean)
        : one.mean + (next.mean - one.mean) * (next.count / count);
    const [low, high] = [least(one.low, next.low), most(one.high, next.high)];
    this.#set(to, { step: next.step, seconds: next.seconds, low, high, mean, count });
  }

  #halve(): void {
    this.stride *= 2;
    let to = -1;
    let point = -1;
    for (let from = 0; from < this.points; from++) {
      const next = this.#pointOf(this.steps[from]!);
      if (next === point) this.#merge(to, to, this.#point(from));
      else this.#set(++to, this.#point(from));
      point = next;
    }
    for (const column of [this.steps, this.seconds, this.low, this.high, this.mean, this.#counts])
      column.length = to + 1;
  }

  /** As it is kept; `from` makes it anew. */
  data(): HistoryData {
    const { last, stride, steps, seconds, low, high, mean } = this;
    return { last, stride, steps, seconds, low, high, mean, counts: this.#counts, recent: this.#recent };
  }

  static from(data: HistoryData): LossHistory {
    const history = new LossHistory(data.last);
    history.stride = data.stride;
    for (const [column, values] of [
      [history.steps, data.steps],
      [history.seconds, data.seconds],
      [history.low, data.low],
      [history.high, data.high],
      [history.mean, data.mean],
      [history.#counts, data.counts],
      [history.#recent, data.recent],
    ] as const)
      (column as Column).push(...values);
    return history;
  }
}

interface Point {
  readonly step: number;
  readonly seconds: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly mean: number | null;
  readonly count: number;
}
