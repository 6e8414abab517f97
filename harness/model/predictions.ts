/** What a network said of samples: as a table to look at, and as files. */
import { encodeNpy, metrics, type SavedModel, type Targets } from '../../src/index.js';
import { count, percent } from '../common/format.js';
import type { Paint } from '../common/io.js';
import { type Column, textTable } from '../common/table.js';
import type { Asked } from './samples.js';

export interface Predictions {
  readonly saved: SavedModel;
  readonly asked: Asked;
  /** [samples, width] */
  readonly outputs: Float32Array;
}

/** One column of the table and of the file. */
interface Shown {
  readonly title: string;
  readonly text: (sample: number) => string;
  /** In a file, where that is more exact. */
  readonly exact?: (sample: number) => string;
  readonly left?: boolean;
}

/** Most outputs that a terminal shows. */
const MOST = 6;

/** Six significant digits. */
const short = (value: number): string => String(Number(value.toPrecision(6)));

const widthOf = ({ saved }: Predictions) => saved.model.output;

/** Whether outputs are of classes, of which the largest counts. */
function isChoice({ saved, asked }: Predictions): boolean {
  if (saved.targets.kind !== 'values') return true;
  // A network of values that was trained on one-hot classes.
  return asked.targets?.kind === 'classes' && saved.model.output > 1;
}

function largest({ outputs }: Predictions, sample: number, width: number): number {
  let best = 0;
  for (let j = 1; j < width; j++) if (outputs[sample * width + j]! > outputs[sample * width + best]!) best = j;
  return best;
}

/** The class of a sample, where the data tells. */
function wanted(targets: Targets | undefined, sample: number): number | undefined {
  if (targets?.kind === 'classes') return targets.labels[sample];
  if (targets?.kind !== 'probabilities') return undefined;
  const row = targets.values.subarray(sample * targets.classes, (sample + 1) * targets.classes);
  return row.indexOf(Math.max(...row));
}

const nameOf = ({ labels }: SavedModel, index: number): string => labels?.[index] ?? String(index);

function choiceColumns(predictions: Predictions): Shown[] {
  const { saved, asked, outputs } = predictions;
  const width = widthOf(predictions);
  const said = (sample: number) => largest(predictions, sample, width);
  const share = (sample: number) => outputs[sample * width + said(sample)]!;
  const probabilities = saved.targets.kind !== 'values';
  return [
    { title: 'predicted', text: (i) => nameOf(saved, said(i)), left: true },
    probabilities
      ? { title: 'probability', text: (i) => percent(share(i)), exact: (i) => String(share(i)) }
      : { title: 'output', text: (i) => short(share(i)), exact: (i) => String(share(i)) },
    ...(asked.targets
      ? [{ title: 'label', text: (i: number) => nameOf(saved, wanted(asked.targets, i)!), left: true }]
      : []),
  ];
}

function valueColumns(predictions: Predictions): Shown[] {
  const { saved, asked, outputs } = predictions;
  const width = widthOf(predictions);
  const { targets } = asked;
  const names = Array.from(
    { length: width },
    (_, j) => saved.targetNames?.[j] ?? (width === 1 ? 'output' : `output ${j}`),
  );
  const column = (title: string, values: ArrayLike<number>, j: number): Shown => ({
    title,
    text: (i) => short(values[i * width + j]!),
    exact: (i) => String(values[i * width + j]!),
  });
  return names.flatMap((name, j) => [
    column(name, outputs, j),
    ...(targets?.kind === 'values' ? [column(`${name}, true`, targets.values, j)] : []),
  ]);
}

const columnsOf = (predictions: Predictions) =>
  isChoice(predictions) ? choiceColumns(predictions) : valueColumns(predictions);

const isWrong = (predictions: Predictions, sample: number): boolean => {
  const right = isChoice(predictions) ? wanted(predictions.asked.targets, sample) : undefined;
  return right !== undefined && right !== largest(predictions, sample, widthOf(predictions));
};

/** The first predictions; those that are wrong stand out. */
export function tableLines(predictions: Predictions, shown: number, paint: Paint, room: number): string[] {
  const rows = Array.from({ length: Math.min(shown, predictions.asked.samples) }, (_, i) => i);
  const columns = columnsOf(predictions);
  const most = isChoice(predictions) ? columns.length : MOST;
  return textTable<number>(
    [
      { title: 'sample', text: (i) => count(i + 1) },
      ...columns.slice(0, most).map(
        ({ title, text, left }): Column<number> => ({
          title,
          text,
          ...(left && { align: 'left' }),
          style: (i) => (isWrong(predictions, i) ? 'yellow' : undefined),
        }),
      ),
    ],
    rows,
    { paint, room },
  );
}

/** How right it is, in words; undefined where the data does not tell. */
export function verdict(predictions: Predictions): string | undefined {
  const { asked, outputs, saved } = predictions;
  const { targets, samples } = asked;
  if (!targets) return undefined;
  if (isChoice(predictions)) {
    const wrong = Array.from({ length: samples }, (_, i) => i).filter((i) => isWrong(predictions, i)).length;
    return `accuracy ${percent(1 - wrong / samples)}, ${count(wrong)} of ${count(samples)} wrong`;
  }
  if (targets.kind !== 'values' || saved.model.loss.row.counts === 'accuracy') return undefined;
  const of = (name: 'r2' | 'rmse') => {
    const { row, settings } = metrics[name]();
    return row.compute({ samples, width: targets.width, outputs, targets }, settings) as number;
  };
  return `R² ${of('r2').toFixed(4)}, RMSE ${short(of('rmse'))}`;
}

/** Every prediction as CSV: what the table shows, and each output of classes. */
export function csvText(predictions: Predictions): string {
  const { saved, asked, outputs } = predictions;
  const width = widthOf(predictions);
  const each = (j: number): Shown => ({ title: nameOf(saved, j), text: (i) => String(outputs[i * width + j]!) });
  const columns = [
    { title: 'sample', text: (i: number) => String(i + 1) },
    ...columnsOf(predictions),
    ...(isChoice(predictions) ? Array.from({ length: width }, (_, j) => each(j)) : []),
  ] as Shown[];
  const lines = [columns.map(({ title }) => cell(title)).join(',')];
  for (let i = 0; i < asked.samples; i++) lines.push(columns.map(({ text, exact = text }) => cell(exact(i))).join(','));
  return `${lines.join('\n')}\n`;
}

const cell = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** All outputs, [samples, outputs]. */
export const npyBytes = (predictions: Predictions): Uint8Array =>
  encodeNpy(predictions.outputs, [predictions.asked.samples, widthOf(predictions)]);
