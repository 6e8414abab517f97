/** The charts of the report, drawn by ECharts: loaded when somebody asks for them. */
import { CustomChart } from 'echarts/charts';
import { GridComponent, TitleComponent } from 'echarts/components';
import { type EChartsType, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { chartOption } from '../../harness/bench/report/chart.js';
import type { BenchChart } from '../../harness/bench/report/layout.js';
import { make } from '../shell/dom.js';

use([CustomChart, GridComponent, TitleComponent, SVGRenderer]);

/** Names, bars and labels need this much; a narrower window scrolls the chart. */
const LEAST_WIDTH = 600;
const SAME = 'The same figures stand in the table below.';

/** Draws charts into a box. @returns what takes them away again */
export function drawCharts(box: HTMLElement, charts: readonly BenchChart[]): () => void {
  const room = Math.max(LEAST_WIDTH, box.clientWidth);
  const drawn = charts.map((chart) => {
    const { option, width, height } = chartOption(here(chart), room);
    const place = make('div', { className: 'chart', role: 'img', ariaLabel: `${chart.title}. ${SAME}` });
    Object.assign(place.style, { width: `${width}px`, height: `${height}px` });
    return { place, option, size: { renderer: 'svg', width, height } as const };
  });
  box.replaceChildren(...drawn.map(({ place }) => place));
  const instances = drawn.map(({ place, option, size }): EChartsType => {
    const instance = init(place, null, size);
    instance.setOption(option);
    return instance;
  });
  return () => {
    for (const instance of instances) instance.dispose();
  };
}

/** In a page there is no other place to tell it from; and in the dark, what is dark on paper is bright. */
const here = (chart: BenchChart): BenchChart => ({
  ...chart,
  title: chart.title.replace(`, ${chart.place}`, ''),
  subtitle: chart.subtitle.replace('dark core', 'core'),
});
