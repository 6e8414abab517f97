/** `downhill train`: flags, data and folder are checked, then the job runs in Node or in Chrome. */
import { DownhillError } from '../../src/index.js';
import { DATASETS } from '../../src/node/index.js';
import { errorParts, type Io } from '../common/io.js';
import { defaultFolder } from '../common/output.js';
import { runInChrome } from './chrome.js';
import type { DataConfig } from './config.js';
import { checkFit, fitted, knownShape, shapeOf } from './data.js';
import type { Emit } from './events.js';
import { fetchNamed } from './fetch.js';
import { trainHelp } from './help.js';
import { loadData, readIdx, readPlain, runInNode } from './node.js';
import { parseTrain } from './options.js';
import { JsonReporter, TextReporter, writeJson } from './reporter.js';
import { RunFolder } from './run-folder.js';

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
  const { json, out, force, open } = command;
  let { config } = command;
  const reporter = new (json ? JsonReporter : TextReporter)(io, config);
  const controller = new AbortController();
  let folder: RunFolder | undefined;
  let interrupted = 0; // the exit code, once a signal came
  let late: ReturnType<typeof setTimeout> | undefined;
  const stopListening = io.onInterrupt((code) => {
    if (interrupted) return io.exit(code);
    interrupted = code;
    late = setTimeout(() => {
      const saved = folder?.abandon() ? folder.path : undefined;
      reporter.failed(TOO_LATE, saved);
      io.exit(interrupted);
    }, STOP_MS);
    if (folder) reporter.stopping();
    controller.abort();
  });

  try {
    // Everything that can be wrong is looked at before a device is asked for.
    const known = config.data.kind === 'named' ? DATASETS[config.data.name] : knownShape(config);
    if (known) checkFit(config, known);
    const files = await filesOf(config.data, { io, json, signal: controller.signal });
    // A page makes its own data; here IDX files are read for the check alone.
    const data = config.in === 'node' || files ? await loadData(config, files, open) : undefined;
    if (data) {
      config = fitted(config, open, data);
      reporter.config = config;
      checkFit(config, shapeOf(data));
    }
    folder = new RunFolder(out ?? defaultFolder(config.optimizer.name), config, force);

    const runFolder = folder;
    const emit: Emit = (event) => {
      runFolder.event(event);
      reporter.event(event);
    };
    const result =
      config.in === 'node' && data
        ? await runInNode(config, data, emit, controller.signal)
        : await runInChrome(config, files, emit, controller.signal);
    const diverged = folder.finish(result);
    reporter.done(result, folder.path, diverged);
    if (result.interrupted) return interrupted;
    return diverged && !command.allowDivergence ? DIVERGED : 0;
  } catch (error) {
    if (!folder && controller.signal.aborted && error === controller.signal.reason) return interrupted; // of a download
    const saved = folder?.abandon() ? folder.path : undefined;
    reporter.failed(error instanceof DownhillError ? errorParts(error) : undefined, saved);
    throw error;
  } finally {
    clearTimeout(late);
    stopListening();
  }
}

/** The files a run needs; none where it draws its data. */
export async function filesOf(data: DataConfig, fetching: Parameters<typeof fetchNamed>[1]) {
  if (data.kind === 'idx') return readIdx(data.folder);
  if (data.kind === 'csv') return readPlain([data.file]);
  if (data.kind === 'npy') return readPlain(data.files);
  return data.kind === 'named' ? fetchNamed(data.name, fetching) : undefined;
}

const TOO_LATE = {
  code: 'INTERRUPTED',
  message: `The run did not end within ${STOP_MS / 1000} s; what it reached is not evaluated.`,
  fix: 'Start again.',
};

/** `parseTrain`, whose errors a program that asked for JSON finds on stdout, too. */
function readCommand(args: readonly string[], io: Io) {
  try {
    return parseTrain(args);
  } catch (error) {
    if (args.includes('--json') && error instanceof DownhillError)
      writeJson(io, { type: 'error', ...errorParts(error) });
    throw error;
  }
}
