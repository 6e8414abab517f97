/** The pictures of a search. */
import { heatMapSvg } from './charts/heat-map.js';
import { historySvg } from './charts/history.js';
import { parallelSvg } from './charts/parallel.js';
import { slicesSvg } from './charts/slices.js';
import type { SearchChart } from './charts/style.js';
import type { SearchFolder } from './folder.js';

const PICTURES: Readonly<Record<string, (chart: SearchChart) => string | undefined>> = {
  'parallel.svg': parallelSvg,
  'heat-map.svg': heatMapSvg,
  'slices.svg': slicesSvg,
  'history.svg': historySvg,
};

/** Draws what there is to draw. @returns names of the files */
export function writePictures(folder: SearchFolder, chart: SearchChart): string[] {
  if (!chart.trials.some(({ state }) => state !== 'running')) return [];
  return Object.entries(PICTURES).flatMap(([file, draw]) => {
    const svg = draw(chart);
    if (svg === undefined) return [];
    folder.write(file, svg);
    return [file];
  });
}
