/** `npx downhill <command>`: finds the command, and turns what goes wrong into a calm message and an exit code. */
import { DownhillError, suggest } from '../src/index.js';
import { bench } from './bench/command.js';
import { parseBench } from './bench/options.js';
import { CHECKS, type CheckName } from './checks/checks.js';
import { check } from './checks/command.js';
import { parseCheck } from './checks/options.js';
import { type Io, isSignalled, printError, processIo } from './common/io.js';
import { clearRemains } from './common/scratch.js';
import { versionOf } from './common/versions.js';
import { compare } from './compare/command.js';
import { parseCompare } from './compare/options.js';
import { doctor } from './doctor/command.js';
import { inspect } from './inspect/command.js';
import { parseInspect } from './inspect/options.js';
import { landscape } from './landscape/command.js';
import { parseLandscape } from './landscape/options.js';
import { exportModel } from './model/export.js';
import { parsePredict } from './model/options.js';
import { predict } from './model/predict.js';
import { page } from './pages/command.js';
import { lossPlane } from './plane/command.js';
import { parsePlane } from './plane/options.js';
import { search } from './search/command.js';
import { parseSearch } from './search/options.js';
import { parseRange, range } from './search/range.js';
import { trial } from './search/trial.js';
import { sweep } from './sweep/command.js';
import { parseSweep } from './sweep/options.js';
import { configOf } from './train/checkpoints.js';
import { train } from './train/command.js';
import { withConfigFile } from './train/config-file.js';
import { parseTrain } from './train/options.js';
import { tune } from './tune/command.js';
import { parseTune } from './tune/options.js';

const checkNames = Object.keys(CHECKS) as CheckName[];

const COMMANDS: Readonly<Record<string, (args: readonly string[], io: Io) => Promise<number>>> = {
  page,
  train,
  predict,
  export: exportModel,
  inspect,
  ...Object.fromEntries(checkNames.map((name) => [name, (args: readonly string[], io: Io) => check(name, args, io)])),
  search,
  sweep,
  trial,
  range,
  landscape,
  'loss-plane': lossPlane,
  compare,
  tune,
  bench,
  doctor,
};

const HELP = `npx downhill <command>

  page           serve the page: train, compare, landscapes, search, in your own browser
  train          train a network on WebGPU, in Node or in a headless Chrome
  predict        what a trained network says of samples
  export         a trained network for other programs: ONNX, npy, safetensors
  inspect        show what initialisations make of a network's activations
  gradcheck      compare gradients: differences, float64, the GPU
  init-loss      compare the loss at the start with that of a network which knows nothing
  overfit-batch  see whether a network learns one batch by heart
  search         search hyper-parameters: many trainings, the best of them
  sweep          a search whose trials are run by workers, here or on many machines
  trial          run one trial of a search from a file, for queues
  range          a learning-rate range test: which rates a network learns with
  landscape      draw the ways of optimizers down an analytic function
  loss-plane     draw the loss round a trained network, with the way that training took
  compare        reproduce a chapter of the lecture, with its picture
  tune           measure which form of each kernel is fastest here, for train --plan auto
  bench          measure the kernels and the trainer beside other libraries
  doctor         show the adapter and the browser of this machine, and test the kernels
  help           this text; downhill <command> --help tells about a command

  --version      the version of downhill
`;

/**
 * @returns the exit code: 0, 1 when something failed, 2 when it was asked for in a wrong way, 3 when a training diverged,
 * 128 and a signal's number after that signal
 */
export async function main(args: readonly string[], io: Io = processIo()): Promise<number> {
  try {
    checkFolder();
    const code = await run(args, io);
    // At once: what was begun and is not wanted any more, as a browser's start, would hold the process.
    if (isSignalled(code)) io.exit(code);
    return code;
  } catch (error) {
    printError(error, io.stderr);
    return exitCode(error);
  }
}

/** What is started in a folder that was deleted finds no path at all. */
function checkFolder(): void {
  try {
    process.cwd();
  } catch (cause) {
    const message = 'The folder that this was started in is no longer there.';
    throw new DownhillError('OUTPUT-UNWRITABLE', message, 'Change to one that is: cd ~', cause);
  }
}

async function run([command, ...args]: readonly string[], io: Io): Promise<number> {
  if (command === undefined || ['help', '--help', '-h'].includes(command)) {
    io.stdout.write(HELP);
    return command === undefined ? 2 : 0;
  }
  if (['--version', '-v', 'version'].includes(command)) {
    io.stdout.write(`${versionOf('downhill')}\n`);
    return 0;
  }
  const start = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (start) {
    clearRemains();
    return start(args, io);
  }
  throw new DownhillError(
    'COMMAND-UNKNOWN',
    `There is no command '${command}'.`,
    suggest(command, Object.keys(COMMANDS)),
  );
}

/** What a machine must have for a command line; the set-up of a clone (harness/setup) sees to it. */
export interface Needs {
  readonly adapter: boolean;
  readonly browser: boolean;
  /** The libraries that benchmarks compare with. */
  readonly peers?: boolean;
}

/**
 * Commands that train, inspect, check or measure need the place where they run. The doctor looks at what is there; help and what will be refused need
 * nothing: none of them may install a driver or a browser.
 */
export function needs([command, ...args]: readonly string[]): Needs {
  const nothing = { adapter: false, browser: false };
  try {
    if (command === 'train') {
      const train = parseTrain(withConfigFile(args).args);
      if (train === 'help') return nothing;
      const place = configOf(train).in;
      return { adapter: place === 'node', browser: place === 'chrome' };
    }
    if (command === 'tune') {
      const tuned = parseTune(args);
      if (tuned === 'help') return nothing;
      return { adapter: tuned.config.in === 'node', browser: tuned.config.in === 'chrome' };
    }
    if (command === 'search') return { ...nothing, adapter: parseSearch(args) !== 'help' };
    if (command === 'sweep') {
      const parsed = parseSweep(args);
      return { ...nothing, adapter: parsed !== 'help' && ['work', 'child'].includes(parsed.action) };
    }
    if (command === 'range') return { ...nothing, adapter: parseRange(args) !== 'help' };
    if (command === 'trial') return { ...nothing, adapter: !args.some((each) => each === '--help' || each === '-h') };
    if (command === 'predict') return { ...nothing, adapter: parsePredict(args) !== 'help' };
    if (command === 'compare') {
      // Of all chapters the place is that of any.
      const compared = parseCompare(args[0] === 'all' ? ['batching', ...args.slice(1)] : args);
      if ('help' in compared) return nothing;
      return { adapter: compared.config.in === 'node', browser: compared.config.in === 'chrome' };
    }
    if (command === 'landscape') {
      const drawn = parseLandscape(args);
      return { ...nothing, adapter: typeof drawn === 'object' && drawn.in === 'node' };
    }
    if (command === 'inspect') return { ...nothing, adapter: parseInspect(args) !== 'help' };
    if (command === 'loss-plane') return { ...nothing, adapter: parsePlane(args) !== 'help' };
    const name = checkNames.find((each) => each === command);
    if (name) return { ...nothing, adapter: parseCheck(name, args) !== 'help' };
    if (command !== 'bench') return nothing;
    const bench = parseBench(args);
    if (bench === 'help') return nothing;
    const peers = bench.config.peers.length > 0;
    // A browser elsewhere, or the reader's own, needs none here.
    if (bench.connect || bench.page) return { ...nothing, peers };
    return { adapter: bench.places.includes('node'), browser: bench.places.includes('chrome'), peers };
  } catch {
    return nothing;
  }
}

/** Flags and their values are the caller's to correct; all else is a failure. */
function exitCode(error: unknown): number {
  const usage = error instanceof DownhillError && /^(OPTION|HYPER|RULE|PROBLEM|SHAPE|COMMAND)-/.test(error.code);
  return usage ? 2 : 1;
}
