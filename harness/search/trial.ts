/** `downhill trial FILE`: one trial of a search from one file, on its own. What a queue's worker runs. */
import { existsSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  checkChoice,
  checkInteger,
  checkOptions,
  DownhillError,
  describeAdapter,
  MAX_SEED,
  show,
} from '../../src/index.js';
import { appendLines, readPlainFileSync, readPlainText, requestDevice } from '../../src/node/index.js';
import {
  type MemberState,
  type Params,
  runTrial,
  TRAINING_METRICS,
  type TrainingMetric,
  type TrialRun,
  type Value,
} from '../../src/search/index.js';
import { type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { interruptible, keeping } from '../common/interrupt.js';
import { type Io, painter } from '../common/io.js';
import { OutFolder } from '../common/out-folder.js';
import { findGpu } from '../common/quiet.js';
import { versionOf } from '../common/versions.js';
import { writeJson } from '../train/reporter.js';
import { prepare } from './command.js';
import { metricText, paramsText } from './lines.js';
import { trainFlags } from './options.js';
import { checkParameters, objectiveOf, type TrainFlags } from './spec.js';

export const TRIAL_FORMAT = 'downhill-trial/1';
const RESULT_FORMAT = 'downhill-result/1';

/** One trial, or a stretch of one, as `trial.json` has it. */
export interface TrialFile {
  readonly format: typeof TRIAL_FORMAT;
  readonly trial: number;
  /** Flags of a training, without --: what every trial of the search has. */
  readonly train: TrainFlags;
  /** What it has of its own. */
  readonly params: Params;
  readonly seeds: readonly number[];
  readonly metric: TrainingMetric;
  /** Steps to have done at the end. Default all: `steps`. */
  readonly to?: number;
  /** Checkpoints to go on from, one for each seed; paths from the file's folder. Default none: from step 0. */
  readonly checkpoints?: readonly string[];
  /** The parameters that they were saved with, where those are others: after a copy. */
  readonly before?: Params;
  /** What it belongs to, and which attempt it is: in the result as they are here. */
  readonly search?: string;
  readonly attempt?: number;
}

const KEYS = [
  'format',
  'trial',
  'train',
  'params',
  'seeds',
  'metric',
  'to',
  'checkpoints',
  'before',
  'search',
  'attempt',
] as const;

/** Between two lines of progress. */
const PROGRESS_MS = 250;

/** The trial failed: it diverged, or cannot be. */
const FAILED = 3;

const FLAGS: Flags = {
  out: { value: 'DIR', help: 'where results go', default: 'the folder of FILE' },
  json: { help: 'JSON lines on stdout instead of text: start, progress, result' },
  ...HELP,
};

export function trialHelp(): string {
  const what =
    'Runs one trial of a search, described by a file of JSON, and leaves result.json, metrics.jsonl and a checkpoint for each seed beside it. A pure ' +
    'function of the file: the same bits as in the search, on an adapter of the same kind. Ended by a signal, it leaves checkpoints, and ' +
    'the next run of the same file goes on from them.';
  return [
    'npx downhill trial FILE [flags]',
    '',
    ...wrap(what, 2),
    '',
    'flags',
    ...flagHelp(FLAGS),
    '',
    'exit codes',
    '  0 done; 1 an error; 2 a file or a flag that is not one',
    '  3 the trial failed: it diverged, or its parameters make no training',
    '  130, 143, 129 ended by Ctrl+C, SIGTERM or SIGHUP, with checkpoints',
    '',
    'a file',
    `  { "format": "${TRIAL_FORMAT}", "trial": 3, "seeds": [0], "metric": "loss",`,
    '    "train": { "model": "784-32-10", "samples": "2000", "optimizer": "sgd", "steps": "512" },',
    '    "params": { "lr": 0.05, "momentum": 0.9 } }',
    '',
  ].join('\n');
}

/** @returns the exit code */
export async function trial(args: readonly string[], io: Io): Promise<number> {
  const { flags, words } = readFlags('trial', args, FLAGS, true);
  if (flags.has('help')) {
    io.stdout.write(trialHelp());
    return 0;
  }
  const [file] = words;
  if (file === undefined || words.length > 1)
    throw new DownhillError(
      'OPTION-RANGE',
      `trial takes one file, got ${words.length}.`,
      'Write downhill trial trial.json.',
    );
  const described = readTrial(file);
  const out = resolve(flags.get('out') ?? dirname(file));
  return interruptible(io, keeping(io), (signal) =>
    runFile(described, { file, out, json: flags.has('json') }, io, signal),
  );
}

/** @throws DownhillError DATA-NOT-FOUND, OPTION-* */
export function readTrial(file: string): TrialFile {
  let read: unknown;
  try {
    read = JSON.parse(readPlainText(file));
  } catch (cause) {
    const code = cause instanceof SyntaxError ? 'OPTION-TYPE' : 'DATA-NOT-FOUND';
    throw new DownhillError(
      code,
      `${file} cannot be read: ${(cause as Error).message}.`,
      'Name a file of a trial.',
      cause,
    );
  }
  return checkTrial(read);
}

const wrong = (what: string, fix: string, code: 'OPTION-TYPE' | 'OPTION-RANGE' = 'OPTION-TYPE') =>
  new DownhillError(code, what, fix);

/** Everything is checked, and nothing is run that a file says: it may come from another machine. @throws DownhillError OPTION-* */
export function checkTrial(read: unknown): TrialFile {
  checkOptions('trial', read, KEYS);
  const file = read as TrialFile;
  if (file.format !== TRIAL_FORMAT)
    throw wrong(
      `The trial is of the format ${show(file.format)}.`,
      `This release reads ${TRIAL_FORMAT}.`,
      'OPTION-RANGE',
    );
  checkInteger('trial', file.trial, 0);
  checkChoice('metric', file.metric, TRAINING_METRICS);
  checkTexts('train', file.train);
  const known = Object.keys(trainFlags());
  checkOptions('train', file.train, known);
  checkValues('params', file.params);
  if (file.before !== undefined) checkValues('before', file.before);
  if (!Array.isArray(file.seeds) || file.seeds.length === 0)
    throw wrong('seeds must be a list.', 'Write "seeds": [0].');
  for (const [i, seed] of file.seeds.entries()) checkInteger(`seeds[${i}]`, seed, 0, MAX_SEED);
  if (file.to !== undefined) checkInteger('to', file.to, 1);
  if (file.attempt !== undefined) checkInteger('attempt', file.attempt, 0);
  if (file.search !== undefined && typeof file.search !== 'string')
    throw wrong('search must be a text.', 'Write a name.');
  const { checkpoints } = file;
  if (checkpoints === undefined) return file;
  if (
    Array.isArray(checkpoints) &&
    checkpoints.length === file.seeds.length &&
    checkpoints.every((each) => typeof each === 'string')
  )
    return file;
  throw wrong('checkpoints must be a path for each seed.', 'Leave it out to begin at step 0.');
}

function checkTexts(where: string, value: unknown): void {
  checkOptions(where, value, Object.keys(Object(value)));
  for (const [key, each] of Object.entries(value as object)) {
    // Otherwise a value could be read as a flag of its own.
    if (typeof each !== 'string' || each.startsWith('--'))
      throw wrong(`${where}.${key} must be a text, got ${show(each)}.`, 'Write it as on the command line: "128".');
  }
}

function checkValues(where: string, value: unknown): void {
  checkOptions(where, value, Object.keys(Object(value)));
  for (const [key, each] of Object.entries(value as Record<string, Value>)) {
    const fits =
      typeof each === 'number' ? Number.isFinite(each) : typeof each === 'boolean' || typeof each === 'string';
    if (!fits || String(each).startsWith('--'))
      throw wrong(`${where}.${key} is ${show(each)}.`, 'Write a number, a text, true or false.');
  }
}

interface Place {
  readonly file: string;
  readonly out: string;
  readonly json: boolean;
}

const checkpointOf = (seed: number) => `checkpoint-${seed}.safetensors`;
const [RESULT, METRICS] = ['result.json', 'metrics.jsonl'];

async function runFile(described: TrialFile, place: Place, io: Io, signal: AbortSignal): Promise<number> {
  const { train, params, seeds, metric, search, attempt, trial: number } = described;
  const { out, json } = place;
  const named = Object.keys(params).map((name) => [name, { kind: 'uniform', low: 0, high: 1 }] as const);
  checkParameters(Object.fromEntries(named), train);
  const prepared = await prepare({ train }, io, json, signal);
  const to = checkInteger('to', described.to ?? prepared.steps, 1, prepared.steps);
  const names = { ...(search !== undefined && { search }), trial: number, ...(attempt !== undefined && { attempt }) };
  // What an earlier trial left there may go: a queue runs a file again where its worker died.
  const folder = new OutFolder(out, {
    what: 'a trial',
    files: [RESULT, METRICS].filter((name) => !isOfTrial(join(out, name))),
    fix: 'Name another folder with --out.',
  });
  try {
    const started = performance.now();
    const { ran, adapter } = await trainTrial(described, { ...place, to, names, folder }, prepared, io, signal);
    const checkpoints = folder.guard(() =>
      seeds.map((seed, i) => keepState(folder, seed, ran.states[i], ran.outcome !== undefined)),
    );
    if (!ran.outcome) throw signal.reason;
    const result = {
      ...{ format: RESULT_FORMAT, ...names, params, seeds, to, metric },
      state: ran.outcome.value === null ? 'failed' : 'complete',
      ...ran.outcome,
      ...{ checkpoints, adapter, seconds: (performance.now() - started) / 1000, version: versionOf('downhill') },
    };
    folder.write({ [RESULT]: `${JSON.stringify(result, null, 2)}\n` });
    if (json) writeJson(io, { type: 'result', ...result });
    else say(described, ran.outcome, join(out, RESULT), io);
    return ran.outcome.value === null ? FAILED : 0;
  } finally {
    folder.close();
  }
}

function say(
  { trial, params, metric }: TrialFile,
  { value, reason }: NonNullable<TrialRun['outcome']>,
  result: string,
  io: Io,
): void {
  const paint = painter(io.stdout);
  const lines = [
    '',
    `  ${paint('bold', `trial ${trial}`)}  ${paramsText(params)}`,
    `  ${metric}  ${metricText(metric, value)}${reason === undefined ? '' : `: ${reason}`}`,
    `  ${paint('cyan', 'result')}  ${result}`,
    '',
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}

/** Whether a file is what a trial writes. */
function isOfTrial(path: string): boolean {
  try {
    const text = readPlainText(path);
    return text === '' || text.startsWith('{"seed":') || JSON.parse(text).format === RESULT_FORMAT;
  } catch {
    return false;
  }
}

/** Trains it, and tells about it meanwhile. */
async function trainTrial(
  { train, params, seeds, metric, checkpoints, before }: TrialFile,
  {
    file,
    json,
    to,
    names,
    folder,
  }: Place & { readonly to: number; readonly names: object; readonly folder: OutFolder },
  prepared: Awaited<ReturnType<typeof prepare>>,
  io: Io,
  signal: AbortSignal,
): Promise<{ readonly ran: TrialRun; readonly adapter: string }> {
  const states = seeds.map((seed, i) => startOf(seed, checkpoints?.[i], file, folder.path));
  const goesOn = states.some((state) => state?.own);
  await findGpu();
  const device = await requestDevice({ label: 'downhill:trial' });
  const adapter = describeAdapter(device).name;
  if (json) writeJson(io, { type: 'start', ...names, adapter, steps: to });
  let told = performance.now();
  const metrics = new Metrics(folder);
  try {
    if (!goesOn)
      folder.guard(() => {
        for (const name of [RESULT, METRICS]) rmSync(join(folder.path, name), { force: true });
      });
    const ran = await runTrial(device, objectiveOf({ train, metric }, prepared, prepared.steps), {
      ...{ params, seeds, to, signal },
      states: states.map((state) => state?.bytes),
      ...(before && !goesOn && { before }),
      onLoss: (seed, step, loss) => {
        metrics.add(seed, step, loss);
        if (!json || performance.now() - told < PROGRESS_MS) return;
        told = performance.now();
        writeJson(io, { type: 'progress', ...names, seed, step, loss: Number.isFinite(loss) ? loss : null });
      },
    });
    return { ran, adapter };
  } finally {
    metrics.flush();
    device.destroy();
  }
}

/** Writes a seed's checkpoint; of one that failed there is none. @returns the file's name */
function keepState(folder: OutFolder, seed: number, state: MemberState | undefined, done: boolean): string | null {
  if (state) folder.write({ [checkpointOf(seed)]: state.bytes });
  else if (done) rmSync(join(folder.path, checkpointOf(seed)), { force: true });
  return state ? checkpointOf(seed) : null;
}

/** What a seed goes on from: what an earlier run of the same file left, else what the file says. */
function startOf(seed: number, given: string | undefined, file: string, out: string) {
  const own = join(out, checkpointOf(seed));
  // With a result beside it, it is the end of a run, not what one left that was ended.
  if (existsSync(own) && !existsSync(join(out, RESULT))) return { bytes: readCheckpoint(own), own: true };
  if (given === undefined) return undefined;
  return { bytes: readCheckpoint(resolve(dirname(file), given)), own: false };
}

function readCheckpoint(file: string): Uint8Array {
  try {
    return readPlainFileSync(file);
  } catch (cause) {
    const message = `The checkpoint ${file} cannot be read: ${(cause as Error).message}.`;
    throw new DownhillError('DATA-NOT-FOUND', message, 'Check that it is a file and that you may read it.', cause);
  }
}

/** metrics.jsonl: a line for each step; written many at a time. */
class Metrics {
  #lines: string[] = [];

  constructor(readonly folder: OutFolder) {}

  add(seed: number, step: number, loss: number): void {
    this.#lines.push(`${JSON.stringify({ seed, step, loss: Number.isFinite(loss) ? loss : String(loss) })}\n`);
    if (this.#lines.length >= 1000) this.flush();
  }

  flush(): void {
    this.folder.guard(() => appendLines(join(this.folder.path, METRICS), this.#lines.join('')));
    this.#lines = [];
  }
}
