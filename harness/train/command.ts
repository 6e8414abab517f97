/** `downhill train`: flags, data and folder are checked, then the job runs in Node or in Chrome. */
import { join } from 'node:path';
import { DownhillError } from '../../src/index.js';
import { DATASETS, folderPlans } from '../../src/node/index.js';
import { count, plural } from '../common/format.js';
import { type Ending, interruptible } from '../common/interrupt.js';
import { errorParts, type Io } from '../common/io.js';
import { defaultFolder } from '../common/output.js';
import { unlessAborted } from '../common/waiting.js';
import { configOf, RunCheckpoints, readRun } from './checkpoints.js';
import { runInChrome } from './chrome.js';
import type { DataConfig, TrainConfig } from './config.js';
import { withConfigFile } from './config-file.js';
import { checkFit, fitted, heldShape, type JobData, knownShape, shapeOf } from './data.js';
import type { DataShape, Emit, JobCheckpoints } from './events.js';
import { fetchNamed } from './fetch.js';
import { trainHelp } from './help.js';
import { loadData, readIdx, readPlain, runInNode } from './node.js';
import { parseTrain, type TrainCommand } from './options.js';
import { withPlan } from './plan-file.js';
import { JsonReporter, type Reporter, TextReporter, writeJson } from './reporter.js';
import { BEST, CHECKPOINTS, MODEL, RunFolder } from './run-folder.js';
import { runSteps } from './schedule.js';

/** The exit code of a run whose loss got worse instead of better. */
const DIVERGED = 3;

/** A run that is told to end has this long to evaluate what it reached. */
const STOP_MS = 4000;

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong; what was trained by then is saved
 */
export async function train(args: readonly string[], io: Io): Promise<number> {
  const command = readCommand(args, io);
  if (command === 'help') {
    io.stdout.write(trainHelp());
    return 0;
  }
  const { json, open } = command;
  let { config } = command;
  const reporter = new (json ? JsonReporter : TextReporter)(io, config);
  let run: Run | undefined;
  let over = false;
  const ending: Ending = {
    withinMs: STOP_MS,
    onStop: () => run && reporter.stopping(),
    onLate: async () => {
      await run?.checkpoints.idle(); // what is being saved is saved
      if (over) return;
      const saved = run?.folder.abandon() ? run.folder.path : undefined;
      reporter.failed(TOO_LATE, saved);
    },
  };
  return interruptible(io, ending, async (signal) => {
    try {
      // Everything that can be wrong is looked at before a device is asked for.
      config = withPlan(config, io);
      const known = config.data.kind === 'named' ? heldShape(config, DATASETS[config.data.name]) : knownShape(config);
      if (known) checkFit(config, known);
      const files = await filesOf(config.data, { io, json, signal });
      // A page makes its own data; here IDX files are read for the check alone.
      const data =
        config.in === 'node' || files ? await unlessAborted(signal, loadData(config, files, open)) : undefined;
      if (data) {
        config = fitted(config, open, data);
        reporter.config = config;
        checkFit(config, shapeOf(data));
      }
      run = openRun({ ...command, config }, reporter);
      const { resume } = command;
      const goOn = resume?.changes.steps !== undefined || resume?.changes.epochs !== undefined;
      const from = resume && (await findCheckpoint(run, config, data ? shapeOf(data) : known!, goOn));
      const checkpoints = { from, goOn, save: run.save, plans: folderPlans() };
      const result =
        config.in === 'node' && data
          ? await runInNode(config, data, run.emit, signal, checkpoints)
          : await runInChrome(config, files, run.emit, signal, checkpoints);
      const { diverged, unwritten } = run.folder.finish(result);
      reporter.done(result, unwritten ? undefined : run.folder.path, diverged);
      if (unwritten) throw unwritten;
      if (result.interrupted) throw signal.reason;
      return diverged && !command.allowDivergence ? DIVERGED : 0;
    } catch (error) {
      const saved = run?.folder.abandon() ? run.folder.path : undefined;
      reporter.failed(error instanceof DownhillError ? errorParts(error) : undefined, saved);
      throw error;
    } finally {
      over = true;
      await run?.checkpoints.close();
    }
  });
}

/** A run's files, and what is told of it. */
interface Run {
  readonly folder: RunFolder;
  readonly checkpoints: RunCheckpoints;
  readonly emit: Emit;
  readonly save: NonNullable<JobCheckpoints['save']>;
}

function openRun({ config, out, force, resume }: TrainCommand, reporter: Reporter): Run {
  let told = false;
  // A full disk is met by every file in turn, and told once until something is saved again.
  const problem = (error: DownhillError) => {
    if (!told) emit({ type: 'problem', ...errorParts(error) });
    told = true;
  };
  const path = resume?.folder ?? out ?? defaultFolder(config.optimizer.name);
  const folder = new RunFolder(path, config, resume ? 'resume' : force ? 'force' : 'new', problem);
  const emit: Emit = (event) => {
    if (event.type === 'saved') told = false;
    folder.event(event);
    reporter.event(event);
  };
  const checkpoints = new RunCheckpoints(folder.path, config.keep, emit, problem);
  const save: Run['save'] = async (bytes, kind, step) => {
    if (kind !== 'checkpoint') folder.model(bytes, kind === 'best' ? BEST : MODEL);
    else await checkpoints.save(bytes, step);
  };
  return { folder, checkpoints, emit, save };
}

/**
 * The checkpoint that a run goes on from; undefined where it begins anew.
 *
 * @param goOn a new end was given
 * @throws DownhillError OPTION-RANGE where it is done; CHECKPOINT-CORRUPT where all are damaged
 */
async function findCheckpoint(run: Run, config: TrainConfig, shape: DataShape, goOn: boolean) {
  const { folder, checkpoints, emit } = run;
  const { result } = readRun(folder.path);
  const found = await checkpoints.latest();
  for (const { problem } of found?.damaged ?? []) emit({ type: 'problem', ...errorParts(problem) });
  const { step = 0, name } = found ?? {};
  const steps = runSteps(config, shape.train);
  // A run that was trained and could not write what it came to does so now.
  if (step > steps || (step === steps && (result || goOn))) {
    throw new DownhillError(
      'OPTION-RANGE',
      `The run in ${folder.path} has done its ${plural(steps, 'step')}${step > steps ? `, and ${step - steps} more` : ''}.`,
      `Say to which end it is to go on: --steps ${2 * step}, or --epochs.`,
    );
  }
  if (result?.stopped && result.step === step && !goOn) {
    throw new DownhillError(
      'OPTION-RANGE',
      `The run in ${folder.path} stopped early, after step ${count(step)}.`,
      `Say to which end it is to go on, with patience anew: --epochs N or --steps ${steps}.`,
    );
  }
  emit({ type: 'resume', step, ...(name !== undefined && { file: join(CHECKPOINTS, name) }) });
  return found?.bytes;
}

/** The files a run needs; none where it draws its data. */
export async function filesOf(data: DataConfig, fetching: Parameters<typeof fetchNamed>[1]) {
  if (data.kind === 'idx') return readIdx(data.folder);
  if (data.kind === 'csv') return readPlain([data.file]);
  if (data.kind === 'npy') return readPlain(data.files);
  return data.kind === 'named' ? fetchNamed(data.name, fetching) : undefined;
}

/**
 * The data of a command that looks at it in Node, and the configuration fitted to it.
 *
 * @throws DownhillError for whatever is wrong, before a device is asked for
 */
export async function dataOf(
  { config, open, json }: Pick<TrainCommand, 'config' | 'open' | 'json'>,
  io: Io,
  signal: AbortSignal,
): Promise<{ readonly config: TrainConfig; readonly data: JobData }> {
  const known = config.data.kind === 'named' ? DATASETS[config.data.name] : knownShape(config);
  if (known) checkFit(config, known);
  const files = await filesOf(config.data, { io, json, signal });
  const data = await unlessAborted(signal, loadData(config, files, open));
  const whole = fitted(config, open, data);
  checkFit(whole, shapeOf(data));
  return { config: whole, data };
}

const TOO_LATE = {
  code: 'INTERRUPTED',
  message: `The run did not end within ${STOP_MS / 1000} s; what it reached is not evaluated.`,
  fix: 'Go on with --resume where it has checkpoints, or start again.',
};

/** `parseTrain`, with the configuration of a run that is gone on with; whose errors a program that asked for JSON finds on stdout, too. */
function readCommand(args: readonly string[], io: Io): TrainCommand | 'help' {
  try {
    const { args: all, plan, note } = withConfigFile(args);
    const command = parseTrain(all);
    if (command === 'help') return command;
    if (note) io.stderr.write(`${note}\n`);
    return { ...command, config: { ...configOf(command), ...(plan && { plan }) } };
  } catch (error) {
    if (args.includes('--json') && error instanceof DownhillError)
      writeJson(io, { type: 'error', ...errorParts(error) });
    throw error;
  }
}
