/** Inspections as lines of text: a table with a row for each layer of each start. */
import { type InspectedLayer, type Inspection, SIGNAL_LIMITS, type Verdict } from '../../src/index.js';
import type { Paint, Style } from '../common/io.js';
import { type Column, indented, textTable } from '../common/table.js';
import { type Start, startName } from './options.js';

export interface Inspected extends Inspection {
  readonly start: Start;
}

const STYLES: Readonly<Record<Verdict, Style>> = { vanishing: 'yellow', healthy: 'green', exploding: 'red' };

/** Activations, without what drops some of them, and the outputs. */
export function shownLayers({ layers }: Inspection): readonly InspectedLayer[] {
  const bare = new Set(layers.filter(({ gradientNorm }) => gradientNorm === undefined).map(({ layer }) => layer));
  return layers.filter(({ layer }, i) => (bare.has(layer) && !bare.has(layer - 1)) || i === layers.length - 1);
}

/** 'relu 2' for the second one, 'outputs' for the last layer. */
export const layerName = (layers: readonly InspectedLayer[], i: number): string =>
  i === layers.length - 1 ? 'outputs' : `${layers[i]!.name} ${i + 1}`;

/** Three digits, or a power of ten. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || size === 0) return String(value);
  return size >= 1e-3 && size < 1e4 ? String(Number(value.toPrecision(3))) : value.toExponential(1).replace('.0e', 'e');
}

/** The most of all, or of all but those of 0, where these are more than twice as many. */
export function highestBeside(counts: readonly number[], zero: number): number {
  const others = Math.max(...counts.filter((_, i) => i !== zero), 1);
  return (counts[zero] ?? 0) > 2 * others ? others : Math.max(others, counts[zero] ?? 0);
}

/** How numbers are spread, in a line: bars as in the picture. */
export function sparkline(layer: InspectedLayer, width = 16): string {
  const { histogram } = layer.output;
  if (!histogram || histogram.counts.every((count) => count === 0)) return '';
  const { counts, min, max } = histogram;
  const per = counts.length / width;
  const cells = Array.from({ length: width }, (_, i) =>
    counts.slice(i * per, (i + 1) * per).reduce((sum, count) => sum + count, 0),
  );
  const zero = max > min ? Math.min(Math.floor((-min / (max - min)) * width), width - 1) : -1;
  const highest = highestBeside(cells, zero);
  return cells
    .map((count) => (count === 0 ? ' ' : '▁▂▃▄▅▆▇█'[Math.min(Math.floor((8 * count) / highest), 7)]))
    .join('');
}

interface Row {
  readonly title: string;
  readonly layer: InspectedLayer;
  readonly name: string;
}

export function inspectLines(all: readonly Inspected[], paint: Paint, columns: number): string[] {
  const several = new Set(all.map(({ start }) => start.activation)).size > 1;
  const rows = all.flatMap((each) => {
    const layers = shownLayers(each);
    const title = several ? `${each.start.activation}, ${startName(each.start)}` : startName(each.start);
    return layers.map((layer, i): Row => ({ title: i === 0 ? title : '', layer, name: layerName(layers, i) }));
  });
  const table: Column<Row>[] = [
    { title: several ? 'start' : 'init', align: 'left', text: ({ title }) => title },
    { title: 'layer', align: 'left', text: ({ name }) => name },
    { title: 'mean', text: ({ layer }) => numberText(layer.output.mean) },
    { title: 'std', text: ({ layer }) => numberText(layer.output.std) },
    { title: 'signal', text: ({ layer }) => numberText(layer.output.unitStd) },
    { title: 'dead', text: ({ layer }) => `${(100 * layer.output.dead).toFixed(0)} %` },
    {
      title: 'verdict',
      align: 'left',
      text: ({ layer }) => layer.verdict,
      style: ({ layer }) => STYLES[layer.verdict],
    },
    { title: 'spread', align: 'left', text: ({ layer }) => sparkline(layer), drop: 1 },
  ];
  const lines = textTable(table, rows, { paint, room: columns - 1 });
  // A line of its own between two starts; the first line has the titles.
  const spaced = lines.flatMap((line, i) => (i > 1 && rows[i - 1]?.title ? ['', line] : [line]));
  const { vanishing, exploding } = SIGNAL_LIMITS;
  return [
    ...spaced,
    '',
    ...[
      "signal: how much a unit's output varies over the samples (root mean square over units).",
      `vanishing: signal below ${vanishing}; exploding: std above ${exploding}, or not finite; for inputs of deviation 1.`,
      'dead: units that are 0 for every sample shown.',
    ].flatMap((text) => indented(text, columns - 1)),
  ];
}
