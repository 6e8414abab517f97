/** What a search leaves: its files and pictures, and what is said of it. */
import { type Direction, ranked, type Trial } from '../../src/search/index.js';
import { quoted } from '../common/flag-names.js';
import { type Io, type Paint, painter } from '../common/io.js';
import { labelled } from '../common/table.js';
import { writeJson } from '../train/reporter.js';
import { drawPictures } from './charts.js';
import { BEST, JOURNAL, LOG, type SearchFolder, TRIALS } from './folder.js';
import { searchLines } from './lines.js';
import { type SearchSpec, trialArgs } from './spec.js';

/** Characters of a line where there is no terminal. */
const COLUMNS = 120;

export interface Found {
  readonly spec: Pick<SearchSpec, 'space' | 'metric' | 'train'>;
  readonly trials: readonly Trial[];
  readonly notes: readonly string[];
  /** Of the pictures. */
  readonly title: string;
  readonly subtitle: string;
  readonly json: boolean;
  /** What else the line of JSON says. */
  readonly told?: object;
  /** The last line of the text. */
  readonly last?: (paint: Paint) => string;
}

/** Which way of a metric is better. */
export const directionOf = ({ metric }: Pick<SearchSpec, 'metric'>): Direction =>
  metric === 'accuracy' ? 'maximize' : 'minimize';

/** The first of those that did not fail. */
export function bestTrial(trials: readonly Trial[], direction: Direction): Trial | undefined {
  const [best] = ranked(trials, direction);
  return best?.value === null ? undefined : best;
}

/** Writes what came of a search beside its log, and says it. */
export function leaveResults(folder: SearchFolder, io: Io, found: Found): void {
  const { spec, trials, notes, title, subtitle, json, told, last } = found;
  const { space, metric } = spec;
  const direction = directionOf(spec);
  const best = bestTrial(trials, direction);
  // What changed its parameters on the way is no one training.
  const command =
    best && !best.lineage ? `downhill train ${trialArgs(spec.train, best.params).map(quoted).join(' ')}` : undefined;
  const report = { trials, space, direction, metric, notes } as const;
  const pictures = drawPictures({ ...report, title, subtitle });
  folder.results({ trials, best, direction }, space, pictures, command);
  const files = [TRIALS, BEST, JOURNAL, LOG, ...Object.keys(pictures)];
  if (json) {
    const shown = files.map((file) => folder.shown(file));
    writeJson(io, { type: 'end', best: best ?? null, notes, ...told, folder: folder.folder, files: shown });
    return;
  }
  const paint = painter(io.stdout);
  const room = (io.stdout.columns ?? COLUMNS) - 1;
  const lines = [
    '',
    ...searchLines(report, paint, room),
    '',
    ...(command ? [`  ${paint('cyan', 'train it')}  npx ${command}`] : []),
    `  ${paint('cyan', 'saved in')}  ${folder.folder}`,
    ...labelled('        ', files.join(', '), { paint, room }),
    ...(last ? [last(paint)] : []),
    '',
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}
