import type { Curvature } from '../../src/index.js';
import type { Paint } from '../common/io.js';
import { type Column, indented, textTable } from '../common/table.js';
import { type Inspected, numberText } from './lines.js';
import { startName } from './options.js';

interface Row {
  readonly title: string;
  readonly curvature: Curvature;
}

/** How the loss bends at each start; nothing where that was not asked for. */
export function curvatureLines(all: readonly Inspected[], paint: Paint, columns: number): string[] {
  const rows = all.flatMap(({ start, curvature }): Row[] =>
    curvature ? [{ title: `${startName(start)}, ${start.activation}`, curvature }] : [],
  );
  if (rows.length === 0) return [];
  const { samples, iterations, conditionRank } = rows[0]!.curvature;
  const table: Column<Row>[] = [
    { title: 'curvature', align: 'left', text: ({ title }) => title },
    { title: 'largest', text: ({ curvature }) => numberText(curvature.largest[0]!.value) },
    { title: 'smallest', text: ({ curvature }) => numberText(curvature.smallest[0]!.value) },
    { title: 'below 0', text: ({ curvature }) => `>= ${curvature.negative.count}` },
    { title: 'condition', text: ({ curvature }) => numberText(curvature.conditionNumber), drop: 1 },
    { title: 'rate below', text: ({ curvature }) => numberText(curvature.stabilityLimit) },
  ];
  return [
    '',
    ...textTable(table, rows, { paint, room: columns - 1 }),
    '',
    ...[
      `Eigenvalues of the Hessian by Lanczos, ${iterations} steps on ${samples} samples; condition: the largest over number ${conditionRank}.`,
      'rate below: gradient descent with a larger rate climbs along the steepest direction.',
    ].flatMap((text) => indented(text, columns - 1)),
  ];
}
