/** `downhill compare`: the lecture's experiments, as a picture, a table and JSON. */
import { basename } from 'node:path';
import { type Dataset, DownhillError, describeAdapter, split } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { count, duration, lossText, plural } from '../common/format.js';
import { type Io, interruptible, painter } from '../common/io.js';
import { defaultFolder } from '../common/output.js';
import { Progress } from '../common/progress.js';
import { findGpu } from '../common/quiet.js';
import { type Column, INDENT, textTable, wrap } from '../common/table.js';
import { versionOf } from '../common/versions.js';
import { dataOf } from '../train/command.js';
import type { JobData } from '../train/data.js';
import type { Amounts, Bench, Cell, Lab, Outcome } from './chapter.js';
import { experimentSvg } from './chart.js';
import { type Files, makeFolder, writeFiles } from './files.js';
import { type CompareCommand, compareHelp, parseCompare } from './options.js';
import { type RunProgress, trainAll } from './runs.js';

/** Characters of a line where there is no terminal. */
const COLUMNS = 110;
/** Images of the test part that are evaluated: enough for an accuracy to half a per cent. */
const TEST_IMAGES = 2000;

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong
 */
export async function compare(args: readonly string[], io: Io): Promise<number> {
  const command = parseCompare(args);
  if ('help' in command) {
    io.stdout.write(compareHelp(command.help));
    return 0;
  }
  return interruptible(io, async (signal) => {
    const parts = command.experiment.withoutData ? undefined : await partsOf(command, io, signal);
    const folder = makeFolder(command.out ?? defaultFolder(command.chapter.name), command.force);
    const done = await experiment(command, parts, io, signal);
    const files = await write(folder, command, parts, done);
    report(command, parts, done, files, io);
    signal.throwIfAborted(); // what was measured is kept; the exit code says that it is not all
    return 0;
  });
}

interface Parts {
  readonly train: Dataset;
  readonly test: Dataset;
  readonly amounts: Amounts;
}

/** Undefined of an experiment without data. */
type MaybeParts = Parts | undefined;

/** The images asked for. @throws DownhillError OPTION-RANGE where a batch takes more than there are */
async function partsOf(command: CompareCommand, io: Io, signal: AbortSignal): Promise<Parts> {
  const { data } = await dataOf(command, io, signal);
  return chosen(command, data);
}

function chosen({ amounts, experiment, chapter }: CompareCommand, { train, test }: JobData): Parts {
  const images = Math.min(amounts.images, train.samples);
  const largestBatch = experiment.withoutData ? 1 : (experiment.largestBatch ?? 1);
  if (images < largestBatch) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${chapter.name} has batches of ${largestBatch}, but there are ${plural(images, 'image')} to train on.`,
      'Set a larger --images, or --samples.',
    );
  }
  return {
    train: images < train.samples ? split(train, images)[0] : train,
    test: test.samples > TEST_IMAGES ? split(test, TEST_IMAGES)[0] : test,
    amounts: { ...amounts, images },
  };
}

type Done = Outcome & { readonly adapter: ReturnType<typeof describeAdapter>; readonly seconds: number };

async function experiment(command: CompareCommand, parts: MaybeParts, io: Io, signal: AbortSignal): Promise<Done> {
  await findGpu();
  const device = await requestDevice({ label: `downhill:compare-${command.chapter.name}` });
  const progress = new Progress(io.stderr);
  const start = performance.now();
  try {
    const { amounts, log, experiment } = command;
    const bench: Bench = { device, signal, log, amounts, phase: (text) => progress.say(text) };
    const outcome = await (experiment.withoutData
      ? experiment.run(bench)
      : experiment.run(labOf(bench, parts!, progress)));
    // What was measured is shown, but half of it proves nothing.
    const claims = signal.aborted ? [] : outcome.claims;
    return { ...outcome, claims, adapter: describeAdapter(device), seconds: (performance.now() - start) / 1000 };
  } finally {
    progress.clear();
    device.destroy();
  }
}

/** The bench with the data, and what is told while trainings go on. */
function labOf(bench: Bench, parts: Parts, progress: Progress): Lab {
  const place = { ...bench, ...parts };
  const told: RunProgress = {
    plan: (seconds, trainings) => progress.say(`${plural(trainings, 'run')}, about ${duration(seconds)}`),
    step: (name, seed, step, steps, loss, share) =>
      progress.draw(
        [
          `${Math.floor(100 * share)} %`,
          name + (seed > 0 ? `, seed ${seed}` : ''),
          `${count(step)}/${count(steps)}`,
          `loss ${lossText(loss)}`,
        ],
        share,
      ),
  };
  return { ...place, runs: (specs, how) => trainAll(place, specs, told, how) };
}

/** 'drawn digits', 'mnist', 'mnist (idx)' of a folder. */
function dataText({ config: { data } }: CompareCommand): string {
  if (data.kind === 'digits') return 'drawn digits';
  if (data.kind === 'named') return data.name;
  return 'folder' in data ? `${basename(String(data.folder))} (${data.kind})` : data.kind;
}

/** What was done, in a line. */
function shown(command: CompareCommand, parts: MaybeParts): string {
  const { experiment, amounts } = command;
  const length = experiment.length ?? plural(amounts.iterations, 'iteration');
  if (!parts) return length;
  return `${plural(parts.train.samples, 'image')} of ${dataText(command)}, ${length}, ${plural(amounts.seeds, 'seed')}`;
}

async function write(folder: string, command: CompareCommand, parts: MaybeParts, done: Done): Promise<Files> {
  const { chapter, own, quick, log, config } = command;
  const { adapter, seconds, panels, heatMaps, table, claims, notes, more } = done;
  const subtitle = `${shown(command, parts)}, on ${adapter.name}`;
  const svg = experimentSvg({ title: chapter.title, subtitle, panels, ...(heatMaps && { heatMaps }) });
  const numbers = {
    ...{ chapter: chapter.name, title: chapter.title, subtitle, claim: chapter.claim },
    ...{ amounts: parts?.amounts ?? command.amounts, quick, flags: own, log },
    // By its name: where it lies on this machine is nobody's business whom the numbers are shown.
    ...(parts && { data: dataText(command), scale: config.scale }),
    ...{ adapter, seconds },
    versions: { downhill: versionOf('downhill') ?? 'unknown', node: process.versions.node },
    ...{ claims, notes, table, panels, heatMaps, ...more },
  };
  return writeFiles(folder, svg, numbers);
}

const cellText = (cell: Cell): string =>
  cell === undefined ? '' : typeof cell === 'string' ? cell : Number.isInteger(cell) ? count(cell) : lossText(cell);

function report(command: CompareCommand, parts: MaybeParts, done: Done, { withoutPng, ...files }: Files, io: Io): void {
  const { chapter } = command;
  const { table, claims, notes, adapter, seconds } = done;
  if (command.json) {
    const { amounts } = parts ?? command;
    const said = { chapter: chapter.name, amounts, adapter, seconds, table, claims, notes, files };
    io.stdout.write(`${JSON.stringify(said)}\n`);
    return;
  }
  const paint = painter(io.stdout);
  const room = (io.stdout.columns ?? COLUMNS) - 1;
  const [titles, ...rows] = table;
  const columns = titles!.map(
    (title, i): Column<readonly Cell[]> => ({
      title: String(title ?? ''),
      ...(i === 0 && { align: 'left' as const }),
      text: (row) => cellText(row[i]),
    }),
  );
  const lines = [
    '',
    `${INDENT}${paint('bold', chapter.title)}  ${shown(command, parts)}`,
    `${INDENT}${paint('gray', `${adapter.name}, ${duration(seconds)}`)}`,
    '',
    ...textTable(columns, rows, { paint, room }),
    '',
    ...claims.flatMap(({ text, holds, measured }) => [
      `${INDENT}${holds ? paint('green', 'holds') : paint('red', 'does not hold')}  ${text}: ${measured}`,
    ]),
    ...(claims.length > 0 ? [''] : []),
    ...notes.flatMap((note) => wrap(note, room - INDENT.length, false).map((line) => INDENT + line)),
    ...(notes.length > 0 ? [''] : []),
    ...Object.entries(files).map(([what, file]) => `${INDENT}${paint('cyan', what.padEnd(7))}  ${file}`),
    ...(withoutPng === undefined ? [] : [`${INDENT}${paint('gray', `no PNG: ${withoutPng}`)}`]),
    '',
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}
