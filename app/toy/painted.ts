import type { JobData } from '../../harness/train/data.js';
import { arrays, type Dataset } from '../../src/index.js';
import { PageError } from '../shell/problem.js';

/** Classes that can be painted. */
export const PAINTED_CLASSES = ['A', 'B', 'C', 'D'] as const;

/** One of so many points of a class is held back for the test. */
const TEST_EVERY = 5;

export interface PaintedPoint {
  /** From -1 to 1, as y is. */
  readonly x: number;
  readonly y: number;
  /** Among `PAINTED_CLASSES`. */
  readonly label: number;
}

/** Points that a person paints: they live as long as the page. */
export class PaintedPoints {
  /** By stroke: what one press of the button painted is taken back at once. */
  #strokes: PaintedPoint[][] = [];
  #changed: () => void = () => {};

  /** @param changed there are others now */
  listen(changed: () => void): void {
    this.#changed = changed;
  }

  get all(): readonly PaintedPoint[] {
    return this.#strokes.flat();
  }

  /** @param stroke goes on with the last stroke, or begins another */
  add(point: PaintedPoint, stroke: 'new' | 'same'): void {
    if (stroke === 'new' || this.#strokes.length === 0) this.#strokes.push([]);
    this.#strokes.at(-1)!.push(point);
    this.#changed();
  }

  undo(): void {
    this.#strokes.pop();
    this.#changed();
  }

  clear(): void {
    this.#strokes = [];
    this.#changed();
  }

  /** Why these points are no data; '' where they are. */
  get obstacle(): string {
    const classes = new Set(this.all.map(({ label }) => label));
    if (classes.size === 0) return 'Paint points of two classes at least.';
    return classes.size === 1 ? 'All points are of one class: paint some of another.' : '';
  }

  /** All points as one data set; undefined where they are none. */
  get whole(): Dataset | undefined {
    return this.obstacle === '' ? this.#dataset(this.all) : undefined;
  }

  get parts(): JobData | undefined {
    return this.obstacle === '' ? this.data() : undefined;
  }

  /**
   * Every fifth point of a class is for the test, in the order in which they were painted. Where no class has five, the test is
   * on the points that are trained on.
   *
   * @throws PageError where these points are no data
   */
  data(): JobData {
    if (this.obstacle !== '') throw new PageError(this.obstacle, 'Choose a class and paint in the square.');
    const seen = PAINTED_CLASSES.map(() => 0);
    const test = this.all.filter(({ label }) => ++seen[label]! % TEST_EVERY === 0);
    const held = new Set(test);
    const train = this.#dataset(this.all.filter((point) => !held.has(point)));
    return { train, test: test.length > 0 ? this.#dataset(test) : train };
  }

  /** The classes are those that are painted, whichever part has them. */
  #dataset(points: readonly PaintedPoint[]): Dataset {
    const used = [...new Set(this.all.map(({ label }) => label))].sort();
    return arrays({
      x: Float32Array.from(points.flatMap(({ x, y }) => [x, y])),
      y: Uint8Array.from(points, ({ label }) => used.indexOf(label)),
      features: 2,
      labels: used.map((label) => PAINTED_CLASSES[label]!),
      featureNames: ['x', 'y'],
    });
  }
}

/** Those of this page. */
export const painted = new PaintedPoints();
