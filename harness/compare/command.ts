/** `downhill compare`: the lecture's experiments, as a picture, a table and JSON. */
import { basename } from 'node:path';
import { type AdapterReport, DownhillError, describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { count, duration, lossText, plural } from '../common/format.js';
import { interruptible, keeping } from '../common/interrupt.js';
import { type Io, painter, printError } from '../common/io.js';
import type { OutFolder } from '../common/out-folder.js';
import { defaultFolder } from '../common/output.js';
import { Progress } from '../common/progress.js';
import { findGpu } from '../common/quiet.js';
import { type Column, INDENT, textTable, wrap } from '../common/table.js';
import { commitOf, versionOf } from '../common/versions.js';
import { dataOf, filesOf } from '../train/command.js';
import type { TrainConfig } from '../train/config.js';
import type { JobBytes } from '../train/node.js';
import type { Cell, Outcome } from './chapter.js';
import { experimentSvg } from './chart.js';
import { conductInChrome } from './chrome.js';
import { type Files, openFolder, writeFiles } from './files.js';
import { conduct, type LabEvent, type Parts, partsOf } from './lab.js';
import { ALL, type CompareCommand, compareHelp, parseAll, parseCompare } from './options.js';

/** Characters of a line where there is no terminal. */
const COLUMNS = 110;

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong
 */
export async function compare(args: readonly string[], io: Io): Promise<number> {
  if (args[0] === ALL) return compareAll(args.slice(1), io);
  const command = parseCompare(args);
  if ('help' in command) {
    io.stdout.write(compareHelp(command.help));
    return 0;
  }
  return (await compareOne(command, io)).code;
}

/** One chapter. `done` is what came of it; without it where it was interrupted before there was anything. */
async function compareOne(command: CompareCommand, io: Io): Promise<{ readonly code: number; readonly done?: Done }> {
  let done: Done | undefined;
  const code = await interruptible(io, keeping(io), async (signal) => {
    const loaded = command.experiment.withoutData ? undefined : await load(command, io, signal);
    const parts = loaded?.parts;
    const folder = openFolder(command.out ?? defaultFolder(command.chapter.name), command.force);
    try {
      done = await experiment(command, loaded, io, signal);
      const files = await write(folder, command, parts, done);
      report(command, parts, done, files, io);
    } finally {
      folder.close();
    }
    signal.throwIfAborted(); // what was measured is kept; the exit code says that it is not all
    return 0;
  });
  return { code, ...(done && { done }) };
}

/** Every chapter in turn: one that fails is told of, and the others go on. @returns 1 where one failed */
async function compareAll(args: readonly string[], io: Io): Promise<number> {
  const commands = parseAll(args, defaultFolder('lecture'));
  if (commands === 'help') {
    io.stdout.write(compareHelp());
    return 0;
  }
  const rows: AllRow[] = [];
  for (const command of commands) {
    const { name } = command.chapter;
    try {
      const { code, done } = await compareOne(command, io);
      if (code !== 0) return code;
      rows.push({ name, claims: done!.claims, seconds: done!.seconds });
    } catch (error) {
      if (!(error instanceof DownhillError)) throw error;
      printError(error, io.stderr);
      rows.push({ name });
    }
  }
  if (!commands[0]!.json) io.stdout.write(summary(rows, io));
  return rows.every(({ claims }) => claims) ? 0 : 1;
}

/** A chapter that was done; without its claims where it failed. */
interface AllRow {
  readonly name: string;
  readonly claims?: Outcome['claims'];
  readonly seconds?: number;
}

function summary(rows: readonly AllRow[], io: Io): string {
  const columns: Column<AllRow>[] = [
    { title: 'chapter', align: 'left', text: ({ name }) => name },
    {
      title: 'claims that held',
      text: ({ claims }) => (claims ? `${claims.filter(({ holds }) => holds).length} of ${claims.length}` : 'failed'),
    },
    { title: 'time', text: ({ seconds }) => (seconds === undefined ? '' : duration(seconds)) },
  ];
  const all = rows.reduce((sum, { seconds = 0 }) => sum + seconds, 0);
  const table = textTable(columns, rows, { paint: painter(io.stdout), room: (io.stdout.columns ?? COLUMNS) - 1 });
  return `\n${table.join('\n')}\n\n${INDENT}${plural(rows.length, 'chapter')}, ${duration(all)}\n\n`;
}

/** What there is to train on, as Node sees it; the files, for a page. */
interface Loaded {
  readonly parts: Parts;
  readonly config: TrainConfig;
  readonly files: JobBytes | undefined;
}

/** Undefined of an experiment without data. */
type MaybeLoaded = Loaded | undefined;

/** Everything that can be wrong with the data is looked at before a device is asked for. @throws DownhillError DATA-*, OPTION-RANGE */
async function load(command: CompareCommand, io: Io, signal: AbortSignal): Promise<Loaded> {
  const { config, data } = await dataOf(command, io, signal);
  // Read once more, since a page wants files as they are.
  const files = config.in === 'chrome' ? await filesOf(config.data, { io, json: command.json, signal }) : undefined;
  return { parts: partsOf(command, data), config, files };
}

type Done = Outcome & {
  readonly adapter: AdapterReport;
  readonly versions: Readonly<Record<string, string>>;
  readonly seconds: number;
};

async function experiment(command: CompareCommand, loaded: MaybeLoaded, io: Io, signal: AbortSignal): Promise<Done> {
  const progress = new Progress(io.stderr);
  const tell = (event: LabEvent) => show(progress, event);
  const start = performance.now();
  try {
    const { outcome, ...where } =
      command.config.in === 'chrome'
        ? await conductInChrome(command, command.own, loaded?.config ?? command.config, loaded?.files, tell, signal)
        : await conductHere(command, loaded, tell, signal);
    // What was measured is shown, but half of it proves nothing.
    const claims = signal.aborted ? [] : outcome.claims;
    return { ...outcome, claims, ...where, seconds: (performance.now() - start) / 1000 };
  } finally {
    progress.clear();
  }
}

async function conductHere(
  command: CompareCommand,
  loaded: MaybeLoaded,
  tell: (event: LabEvent) => void,
  signal: AbortSignal,
) {
  await findGpu();
  const device = await requestDevice({ label: `downhill:compare-${command.chapter.name}` });
  try {
    const outcome = await conduct(device, command, loaded?.parts, tell, signal);
    const versions = {
      downhill: versionOf('downhill') ?? 'unknown',
      node: process.versions.node,
      webgpu: versionOf('webgpu') ?? 'unknown',
    };
    return { outcome, adapter: describeAdapter(device), versions };
  } finally {
    device.destroy();
  }
}

function show(progress: Progress, event: LabEvent): void {
  if (event.type === 'phase') progress.say(event.text);
  else if (event.type === 'plan') {
    progress.say(`${plural(event.trainings, 'run')}, about ${duration(event.seconds)}`);
  } else {
    const { name, seed, step, steps, loss, share } = event;
    const run = name + (seed > 0 ? `, seed ${seed}` : '');
    progress.draw(
      [`${Math.floor(100 * share)} %`, run, `${count(step)}/${count(steps)}`, `loss ${lossText(loss)}`],
      share,
    );
  }
}

/** 'drawn digits', 'mnist', 'mnist (idx)' of a folder. */
function dataText({ config: { data } }: CompareCommand): string {
  if (data.kind === 'digits') return 'drawn digits';
  if (data.kind === 'named') return data.name;
  return 'folder' in data ? `${basename(String(data.folder))} (${data.kind})` : data.kind;
}

/** What was done, in a line. */
function shown(command: CompareCommand, parts: Parts | undefined): string {
  const { experiment, amounts } = command;
  const length = experiment.length ?? plural(amounts.iterations, 'iteration');
  if (!parts) return length;
  return `${plural(parts.train.samples, 'image')} of ${dataText(command)}, ${length}, ${plural(amounts.seeds, 'seed')}`;
}

async function write(folder: OutFolder, command: CompareCommand, parts: Parts | undefined, done: Done): Promise<Files> {
  const { chapter, own, quick, log, config } = command;
  const { adapter, seconds, versions, panels, heatMaps, table, claims, notes, more } = done;
  const subtitle = `${shown(command, parts)}, on ${adapter.name}`;
  const svg = experimentSvg({ title: chapter.title, subtitle, panels, ...(heatMaps && { heatMaps }) });
  const numbers = {
    ...{ chapter: chapter.name, title: chapter.title, subtitle, claim: chapter.claim },
    ...{ amounts: parts?.amounts ?? command.amounts, quick, flags: own, log },
    // By its name: where it lies on this machine is nobody's business whom the numbers are shown.
    ...(parts && { data: dataText(command), scale: config.scale }),
    ...{ adapter, seconds, commit: commitOf(), versions },
    ...(parts && { seeds: Array.from({ length: parts.amounts.seeds }, (_, seed) => seed) }),
    ...{ claims, notes, table, panels, heatMaps, ...more },
  };
  return writeFiles(folder, svg, numbers);
}

const cellText = (cell: Cell): string =>
  cell === undefined ? '' : typeof cell === 'string' ? cell : Number.isInteger(cell) ? count(cell) : lossText(cell);

function report(
  command: CompareCommand,
  parts: Parts | undefined,
  done: Done,
  { withoutPng, ...files }: Files,
  io: Io,
): void {
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
