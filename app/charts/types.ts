/** What a chart of lines is given. */

export interface Line {
  readonly label: string;
  /** Custom property of the style sheet, such as '--run-0'. */
  readonly color: string;
  /** Rising. */
  readonly x: ArrayLike<number>;
  /** As many; null, or what is not finite, is a gap. */
  readonly y: ArrayLike<number | null>;
  readonly dash?: readonly number[];
  /** Default: 2.25. */
  readonly width?: number;
  /** Every point has a dot. */
  readonly dots?: boolean;
  /** Lowest and highest value of what each point stands for: drawn as a band in `color`. */
  readonly band?: {
    readonly low: ArrayLike<number | null>;
    readonly high: ArrayLike<number | null>;
    readonly color: string;
  };
}

/** A vertical line with a word on it. */
export interface ChartMark {
  readonly x: number;
  readonly text: string;
}

export interface Axis {
  /** As it stands beside the axis: 'Step'. */
  readonly label: string;
  readonly log?: boolean;
  /** Where the axis begins; left out: at the first point, or at 0 of `y` where nothing is below it. */
  readonly from?: number;
  /** The axis reaches so far at least. */
  readonly to?: number;
}

export interface LinesOptions {
  /** What the chart shows, for those who do not see it. */
  readonly label: string;
  readonly x: Axis;
  readonly y: Axis;
  /** Stands in the place of lines where there are none. */
  readonly empty?: string;
  /** The text for the place `x` under the cursor. Default: the value of every line. */
  describe?(x: number): string;
  /** In pixels. Default: 340, and 240 where it is narrow. */
  readonly height?: number;
}
