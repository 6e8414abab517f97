import { cssColor } from '../shell/dom.js';
import type { Arrows } from './arrows.js';
import { CONTENDERS } from './contenders.js';
import type { Place } from './functions.js';
import type { Arrow, Scene } from './plot.js';
import type { Parsed } from './settings.js';
import { lookOf } from './style.js';
import type { Way, Ways } from './ways.js';

/* What is on the picture at a step. */

/** Arrows of directions are so long at most, as a share of the picture's width. */
const LONGEST = 0.16;

/** The kinds of arrows: custom property and dash. */
export const ARROWS = {
  gradient: { title: 'downhill: −gradient', color: '--bad', dash: [] },
  momentum: { title: 'momentum', color: '--good', dash: [6, 3] },
  step: { title: 'next step', color: '--text', dash: [2, 3] },
} as const;

export function sceneOf(
  { settings, start, problem }: Parsed,
  ways: Ways | undefined,
  arrows: Arrows | undefined,
  step: number,
  width: number,
): Scene {
  const { shown, selected } = settings ?? { shown: new Set<string>(), selected: '' };
  const way = ways?.ways.find(({ key }) => key === selected);
  const places = (points: readonly (readonly number[])[]) => points.map(([x, y]): Place => [x!, y!]);
  return {
    ways: CONTENDERS.flatMap(({ key }, i) => {
      const own = shown.has(key) || key === selected ? ways?.ways.find((each) => each.key === key) : undefined;
      return own ? [{ points: own.points, look: lookOf(i), selected: key === selected }] : [];
    }),
    step,
    start: start ?? [0, 0],
    minima: places((ways?.minima ?? problem?.minima ?? []).map(({ x }) => x)),
    saddles: places(problem?.saddles ?? []),
    arrows: way && arrows?.key === selected ? arrowsAt(way, arrows, step, width) : [],
  };
}

function arrowsAt({ points, steps }: Way, { gradients, momenta }: Arrows, step: number, width: number): Arrow[] {
  if (step >= steps) return [];
  const at: Place = [points[2 * step]!, points[2 * step + 1]!];
  const down = [gradients, momenta].map((all) => all && ([-all[2 * step]!, -all[2 * step + 1]!] as const));
  // Both to one scale, whatever their size: what counts is where they point, and which is longer.
  const longest = Math.max(...down.map((each) => (each ? Math.hypot(...each) : 0)));
  const scale = longest > 0 ? (LONGEST * width) / longest : 0;
  const drawn = (kind: keyof typeof ARROWS, to: Place): Arrow => ({
    ...{ from: at, to, dash: ARROWS[kind].dash, colour: cssColor(ARROWS[kind].color) },
  });
  const directions = (['gradient', 'momentum'] as const).flatMap((kind, i) => {
    const each = down[i];
    return each ? [drawn(kind, [at[0] + scale * each[0], at[1] + scale * each[1]])] : [];
  });
  return [...directions, drawn('step', [points[2 * step + 2]!, points[2 * step + 3]!])];
}
