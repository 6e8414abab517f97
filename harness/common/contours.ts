/** Contours of numbers on a grid, as rings that can be filled: marching squares. */

/** Numbers on a grid: of (x[i], y[j]) at `j * x.length + i`. All finite, the axes growing. */
export interface Grid {
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

export type Point = readonly [x: number, y: number];

/**
 * The sides of a cell where its contour comes in and goes out, with what is above the level on the left, by which corners are above:
 * 1 (left, below), 2 (right, below), 4 (right, above), 8 (left, above). Of the two with opposite corners, 5 and 10, there are two
 * ways: the centre decides.
 */
const SIDES: readonly string[] = [
  '',
  'BL',
  'RB',
  'RL',
  'TR',
  '',
  'TB',
  'TL',
  'LT',
  'BT',
  '',
  'RT',
  'LR',
  'BR',
  'LB',
  '',
];
const OPPOSITE: Readonly<Record<number, readonly [low: string, high: string]>> = {
  5: ['BLTR', 'BRTL'],
  10: ['RBLT', 'LBRT'],
};

/**
 * Where a field is at or above a level: closed rings, along the edge of the grid where it is so there. Filled by the even-odd rule they
 * are the region. Between grid points the field counts as linear along the sides of cells.
 */
export function regionAbove({ x, y, values }: Grid, level: number): Point[][] {
  const [columns, rows] = [x.length, y.length];
  // A frame of points below every level round the grid, in the place of its outermost points, closes the rings.
  const inside = (i: number, j: number) => i >= 0 && j >= 0 && i < columns && j < rows;
  const value = (i: number, j: number) => (inside(i, j) ? values[j * columns + i]! : Number.NEGATIVE_INFINITY);
  const place = (i: number, j: number): Point => [
    x[Math.min(Math.max(i, 0), columns - 1)]!,
    y[Math.min(Math.max(j, 0), rows - 1)]!,
  ];
  const crossing = (a: readonly [number, number], b: readonly [number, number]): Point => {
    const [va, vb] = [value(...a), value(...b)];
    const t = Number.isFinite(va - vb) ? (level - va) / (vb - va) : 0.5;
    const [p, q] = [place(...a), place(...b)];
    return [p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])];
  };
  /** By the name of a side of two cells: the point on it, and the side where its ring goes on. */
  const points = new Map<string, Point>();
  const next = new Map<string, string>();
  for (let j = -1; j < rows; j++) {
    for (let i = -1; i < columns; i++) {
      const corners = [value(i, j), value(i + 1, j), value(i + 1, j + 1), value(i, j + 1)];
      const above = corners.reduce((bits, each, k) => bits | (each >= level ? 1 << k : 0), 0);
      const centre = corners.reduce((sum, each) => sum + each, 0) / 4;
      const sides = OPPOSITE[above]?.[centre >= level ? 1 : 0] ?? SIDES[above]!;
      const side = (name: string) => {
        const [a, b] = {
          B: [
            [i, j],
            [i + 1, j],
          ] as const,
          R: [
            [i + 1, j],
            [i + 1, j + 1],
          ] as const,
          T: [
            [i, j + 1],
            [i + 1, j + 1],
          ] as const,
          L: [
            [i, j],
            [i, j + 1],
          ] as const,
        }[name as 'B' | 'R' | 'T' | 'L'];
        const key = `${a} ${b}`;
        if (!points.has(key)) points.set(key, crossing(a, b));
        return key;
      };
      for (let k = 0; k < sides.length; k += 2) next.set(side(sides[k]!), side(sides[k + 1]!));
    }
  }
  return ringsOf(points, next);
}

function ringsOf(points: ReadonlyMap<string, Point>, next: Map<string, string>): Point[][] {
  const rings: Point[][] = [];
  for (const start of [...next.keys()]) {
    const ring: Point[] = [];
    for (let at: string | undefined = start; at !== undefined && next.has(at); ) {
      ring.push(points.get(at)!);
      const after: string = next.get(at)!;
      next.delete(at);
      at = after;
    }
    if (ring.length > 2) rings.push(ring);
  }
  return rings;
}

/** So many round numbers from `low` to `high`, or a few more or less: 1, 2 or 5 times a power of 10 apart. */
export function ticks(low: number, high: number, wanted: number): number[] {
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((each) => each * power >= raw) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  // In units of the step, so that 0.1 three times is 0.3.
  return Array.from({ length: Math.max(count, 0) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Share `at` of the sorted numbers lies below it. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = at * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - Math.floor(place));
}
