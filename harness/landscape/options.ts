/** The flags of `downhill landscape`: what they are called, what they mean, and what they ask for. */
import { checkField, number } from '../../src/fields.js';
import { checkChoice, checkInteger, DownhillError, type Rule, show } from '../../src/index.js';
import { checkPoint, type Problem, problems, resolveProblem } from '../../src/trajectory/index.js';
import { type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { LECTURE_OPTIMIZERS, MINIMIZERS, OPTIMIZERS, readOptimizers } from '../common/optimizers.js';
import { toNumber } from '../common/settings.js';

/** An optimizer as a picture names it, at any rate. */
export interface Contender {
  readonly name: string;
  /** Whether it goes at a rate that is chosen: not a minimizer, which finds its steps' lengths. */
  readonly rated: boolean;
  rule(lr: number): Rule;
}

export interface LandscapeCommand {
  readonly problem: Problem;
  readonly contenders: readonly Contender[];
  /** By optimizer; undefined where each gets the best of a grid. */
  readonly rates: readonly number[] | undefined;
  readonly start: readonly number[];
  readonly steps: number;
  readonly tolerance: number;
  readonly seed: number;
  readonly in: 'cpu' | 'node';
  /** As given; undefined for a new file under runs/. */
  readonly out: string | undefined;
  readonly force: boolean;
  readonly json: boolean;
}

const DEFAULT_OPTIMIZERS = LECTURE_OPTIMIZERS.join(',');
/** The rate where nothing says which one is best: on a saddle, that has no lowest point. */
const SADDLE_RATE = 0.01;
/** More lines than so many are told apart by no colours. */
const MOST = 8;

export const FLAGS: Readonly<Record<string, Flags>> = {
  way: {
    optimizers: {
      value: 'NAMES',
      help: 'rules and minimizers (lbfgs), with momentum and nesterov for SGD with momentum 0.9',
      default: DEFAULT_OPTIMIZERS,
    },
    lr: {
      value: 'X',
      help: 'rate of all of them, or one for each, separated by commas; or tuned: for each the best of 41 from 1e-4 to 10, an eighth of a decade apart',
      default: `tuned; ${SADDLE_RATE} where there is no minimum`,
    },
    start: { value: 'X,Y', help: 'where they start', default: "the problem's own" },
    steps: { value: 'N', help: 'how many steps', default: '100' },
    tolerance: { value: 'X', help: 'what f is to get below, above its lowest value', default: '1e-3' },
    in: { value: 'PLACE', help: 'cpu: float64 references, without a GPU; node: the kernels', default: 'cpu' },
  },
  problem: {
    list: { help: 'the problems there are' },
    spectrum: { value: 'A,B', help: 'of quadratic and noisyQuadratic: the eigenvalues of the Hessian' },
    sigma: { value: 'X', help: 'of noisyQuadratic: deviation of the noise', default: '1' },
    seed: { value: 'N', help: 'of the noise', default: '0' },
  },
  output: {
    out: { value: 'FILE', help: 'the picture, .svg or .png', default: 'runs/<time>-<problem>.svg' },
    force: { help: 'overwrite --out' },
    json: { help: 'one JSON object on stdout instead of text' },
    ...HELP,
  },
};

const all: Flags = Object.assign({}, ...Object.values(FLAGS));

export function landscapeHelp(): string {
  const lines = [
    'npx downhill landscape PROBLEM [flags]',
    '',
    ...wrap(
      'Draws the contours of an analytic function with the ways that optimizers take down it, and tells how many steps each ' +
        'needs: until f is below the tolerance for the first time, and until it stays there.',
      2,
    ),
  ];
  for (const [heading, flags] of Object.entries(FLAGS)) lines.push('', heading, ...flagHelp(flags));
  return [
    ...lines,
    '',
    'examples',
    '  npx downhill landscape ravine',
    '  npx downhill landscape saddle --lr 0.01 --steps 400 --out saddle.png',
    '  npx downhill landscape rosenbrock --optimizers sgd,momentum,adam --steps 500',
    '  npx downhill landscape --list',
    '',
  ].join('\n');
}

/**
 * Reads and checks the flags; touches neither files nor GPU.
 *
 * @throws DownhillError PROBLEM-UNKNOWN, RULE-UNKNOWN, OPTION-*, SHAPE-MISMATCH
 */
export function parseLandscape(args: readonly string[]): LandscapeCommand | 'help' | 'list' {
  const { flags: given, words } = readFlags('landscape', args, all, true);
  if (given.has('help')) return 'help';
  if (given.has('list')) return 'list';
  const problem = readProblem(words, given);
  const numberOf = (flag: string, fallback: number) => toNumber(given.get(flag) ?? String(fallback));
  const rate = given.get('lr') ?? (problem.minima.length > 0 ? 'tuned' : String(SADDLE_RATE));
  const contenders = readContenders(given.get('optimizers') ?? DEFAULT_OPTIMIZERS);
  const rates = rate === 'tuned' ? undefined : readRates(rate, contenders.length);
  const out = given.get('out');
  if (out !== undefined && !/\.(svg|png)$/i.test(out)) {
    throw new DownhillError('OPTION-RANGE', `--out must end in .svg or .png, got ${show(out)}.`, 'Name such a file.');
  }
  const start = given.get('start');
  return {
    problem,
    contenders,
    rates,
    start: [...checkPoint('--start', problem, start === undefined ? problem.start : start.split(',').map(toNumber))],
    steps: checkInteger('--steps', numberOf('steps', 100), 1, 100_000),
    tolerance: positive('--tolerance', numberOf('tolerance', 1e-3)),
    seed: checkInteger('--seed', numberOf('seed', 0), 0, 2 ** 32 - 1),
    in: checkChoice('--in', given.get('in') ?? 'cpu', ['cpu', 'node']),
    out,
    force: given.has('force'),
    json: given.has('json'),
  };
}

/** One for all, or one for each. */
function readRates(text: string, wanted: number): number[] {
  const rates = text.split(',').map((each) => positive('--lr', toNumber(each)));
  if (rates.length === 1) return Array.from({ length: wanted }, () => rates[0]!);
  if (rates.length === wanted) return rates;
  throw new DownhillError(
    'OPTION-RANGE',
    `--lr has ${rates.length} rates, but there are ${wanted} optimizers.`,
    'Give one rate for all, or one for each.',
  );
}

const positive = (where: string, value: unknown) =>
  checkField(where, number('', 1, { above: 0 }), value, 'OPTION') as number;

function readProblem(words: readonly string[], given: ReadonlyMap<string, string>): Problem {
  const [name, more] = words;
  if (name === undefined || more !== undefined) {
    throw new DownhillError(
      'OPTION-TYPE',
      name === undefined
        ? 'landscape needs the name of a problem.'
        : `landscape takes one problem, got ${show(more)} too.`,
      'Write downhill landscape ravine; downhill landscape --list tells the names.',
    );
  }
  const { row } = resolveProblem(problems, name);
  const options: Record<string, unknown> = {};
  for (const key of ['spectrum', 'sigma']) {
    const value = given.get(key);
    if (value === undefined) continue;
    const field = row.fields[key];
    if (!field)
      throw new DownhillError(
        'OPTION-UNKNOWN',
        `The problem ${name} has no --${key}.`,
        'Leave it out, or name another problem.',
      );
    const read = field.kind === 'list' ? value.split(',').map(toNumber) : toNumber(value);
    options[key] = checkField(`--${key}`, field, read, 'OPTION');
  }
  const problem = resolveProblem(problems, name, { ...('n' in row.fields && { n: 2 }), ...options });
  if (problem.n !== 2) {
    throw new DownhillError(
      'OPTION-RANGE',
      `A picture has two dimensions, and ${row.title} has ${problem.n} here.`,
      'Choose one of those that downhill landscape --list tells as of two dimensions.',
    );
  }
  return problem;
}

const CONTENDERS = { ...OPTIMIZERS, ...MINIMIZERS };

function readContenders(text: string): Contender[] {
  const names = readOptimizers('--optimizers', text, CONTENDERS);
  checkInteger('--optimizers: their number', names.length, 1, MOST);
  return names.map((name) => ({
    name,
    rated: !Object.hasOwn(MINIMIZERS, name),
    rule: (lr: number) => CONTENDERS[name]!.make(lr),
  }));
}
