import { onAxis, parameterAxis, tick, valueAxis } from '../../harness/search/charts/style.js';
import { ranked } from '../../src/search/index.js';
import { colorOf, type Drawn, type Look } from './look.js';

/** Parallel coordinates: a line for each trial, through its parameters to what it came to. Undefined while there is none. */
export function parallelOption({ trials, space, direction, metric }: Drawn, look: Look, width: number) {
  const order = ranked(
    trials.filter(({ state, value }) => state !== 'running' || value !== null),
    direction,
  );
  if (order.length === 0) return undefined;
  const axis = valueAxis(order, direction);
  const finite = order.filter(({ value }) => value !== null).length;
  const shown = (value: number | null) =>
    value === null ? (direction === 'minimize' ? axis.max : axis.min) : Math.min(Math.max(value, axis.min), axis.max);
  const names = Object.entries(space);
  // The worst first, so that the best lies on top.
  const lines = order.map((trial, rank) => {
    const failed = trial.value === null;
    const color = failed ? look.bad : colorOf(finite > 1 ? rank / (finite - 1) : 0, look.dark);
    const line = { color, width: rank === 0 ? 3.5 : 1.4, opacity: rank === 0 ? 1 : failed ? 0.5 : 0.8 };
    return {
      value: [...names.map(([name, parameter]) => onAxis(parameter, trial.params[name])), shown(trial.value)],
      lineStyle: failed ? { ...line, type: 'dashed' } : line,
    };
  });
  const label = { color: look.muted, fontSize: 11, hideOverlap: true };
  const name = { nameTextStyle: { color: look.text, fontSize: 12, fontWeight: 600 } };
  return {
    parallel: {
      ...{ left: 44, right: width < 500 ? 44 : 70, top: 40, bottom: 24 },
      parallelAxisDefault: {
        ...{ nameLocation: 'end', nameGap: 14, ...name },
        axisLine: { lineStyle: { color: look.axis } },
        axisTick: { lineStyle: { color: look.axis } },
        axisLabel: label,
      },
    },
    parallelAxis: [
      ...names.map(([key, parameter], dim) => {
        const made = parameterAxis(key, parameter);
        return { dim, ...made, axisLabel: { ...made.axisLabel, ...label } };
      }),
      {
        ...{ dim: names.length, name: metric, type: axis.log ? 'log' : 'value', min: axis.min, max: axis.max },
        // The best above, whichever way that is; then the name has to stand above, too.
        inverse: direction === 'minimize',
        nameLocation: direction === 'minimize' ? 'start' : 'end',
        axisLabel: { ...label, formatter: tick },
      },
    ],
    series: [{ type: 'parallel', smooth: false, silent: true, data: lines.reverse() }],
  };
}
