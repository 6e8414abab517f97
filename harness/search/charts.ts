/** The pictures of a search. */
import { heatMapSvg } from './charts/heat-map.js';
import { historySvg } from './charts/history.js';
import { parallelSvg } from './charts/parallel.js';
import { slicesSvg } from './charts/slices.js';
import type { SearchChart } from './charts/style.js';

/** By the names of their files; undefined where there is nothing to draw. */
export const PICTURES: Readonly<Record<string, (chart: SearchChart) => string | undefined>> = {
  'parallel.svg': parallelSvg,
  'heat-map.svg': heatMapSvg,
  'slices.svg': slicesSvg,
  'history.svg': historySvg,
};

/** Draws what there is to draw. @returns pictures by the names of their files */
export function drawPictures(chart: SearchChart): Record<string, string> {
  if (!chart.trials.some(({ state }) => state !== 'running')) return {};
  const drawn = Object.entries(PICTURES).map(([file, draw]) => [file, draw(chart)] as const);
  return Object.fromEntries(drawn.flatMap(([file, svg]) => (svg === undefined ? [] : [[file, svg]])));
}
