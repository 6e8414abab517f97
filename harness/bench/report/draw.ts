/** Charts of benchmarks as SVG, drawn without a browser by ECharts. Import this file only to draw. */
import { CustomChart } from 'echarts/charts';
import { GridComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { chartOption } from './chart.js';
import type { BenchChart } from './layout.js';

export function chartSvg(chart: BenchChart): string {
  use([CustomChart, GridComponent, TitleComponent, SVGRenderer]);
  const { option, width, height } = chartOption(chart);
  const instance = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    instance.setOption(option);
    return instance.renderToSVGString();
  } finally {
    instance.dispose();
  }
}
