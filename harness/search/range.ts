/** `downhill range`: the learning-rate range test. */
import { integer, number } from '../../src/fields.js';
import { DownhillError, describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { type RangeReport, rangeTest } from '../../src/search/index.js';
import { type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { count, lossText, plural } from '../common/format.js';
import { interruptible, LEAVING } from '../common/interrupt.js';
import { type Io, painter } from '../common/io.js';
import { OutFolder } from '../common/out-folder.js';
import { defaultFolder } from '../common/output.js';
import { Progress } from '../common/progress.js';
import { findGpu } from '../common/quiet.js';
import { explain, readSetting } from '../common/settings.js';
import { labelled } from '../common/table.js';
import { dataOf } from '../train/command.js';
import type { TrainConfig } from '../train/config.js';
import type { JobData } from '../train/data.js';
import { modelOf } from '../train/model.js';
import { knownFlags, parseTrain, FLAGS as TRAIN, type TrainCommand } from '../train/options.js';
import { writeJson } from '../train/reporter.js';
import { rangeSvg } from './charts/range.js';
import { valueText } from './lines.js';
import { argsOf, ruleOf } from './spec.js';

const FROM = number('lowest rate', 1e-6, { above: 0 });
const TO = number('highest rate', 10, { above: 0 });
const STEPS = integer('steps: of the sweep, or of each rate with --parallel', 300, { min: 1, max: 100_000 });
const PARALLEL = integer('so many constant rates side by side, instead of one that rises', 32, { min: 3, max: 1024 });

const FLAGS: Flags = {
  from: { value: 'X', help: explain(FROM), default: String(FROM.default) },
  to: { value: 'X', help: explain(TO), default: String(TO.default) },
  steps: { value: 'N', help: explain(STEPS), default: '300, or 100 with --parallel' },
  parallel: { value: 'N', help: explain(PARALLEL), default: 'off: a sweep' },
  out: { value: 'DIR', help: 'folder of range.svg and range.json', default: 'runs/<time>-range' },
  force: { help: 'overwrite what is in --out' },
  json: { help: 'one JSON object on stdout instead of text' },
  ...HELP,
};

/** Flags of a training that have no meaning here. */
const LEFT_OUT = [
  ...Object.keys({ ...TRAIN.checkpoints, ...TRAIN.output, ...TRAIN.validation, ...TRAIN.schedule }),
  ...[
    'epochs',
    'steps',
    'in',
    'lr',
    'wrap',
    'penalty-l1',
    'penalty-l2',
    'mixup',
    'cutout',
    'clip-norm',
    'clip-value',
    'drop-last',
  ],
];
const trained = (): Flags =>
  Object.fromEntries(Object.entries(knownFlags()).filter(([name]) => !LEFT_OUT.includes(name)));

export function rangeHelp(): string {
  const what =
    'Learning-rate range test: a rate that rises from step to step, and what becomes of the loss. Suggests a rate to begin with. Takes the network, ' +
    'data, batch and optimizer of train, with its hyper-parameters.';
  return [
    'npx downhill range [flags]',
    '',
    ...wrap(what, 2),
    '',
    'range',
    ...flagHelp(FLAGS),
    '',
    'examples',
    '  npx downhill range --optimizer sgd --momentum 0.9',
    '  npx downhill range --optimizer adam --parallel 32 --from 1e-5 --to 1',
    '',
  ].join('\n');
}

export interface RangeCommand {
  readonly train: TrainCommand;
  readonly from: number;
  readonly to: number;
  readonly steps: number;
  readonly parallel: number | undefined;
  readonly out: string | undefined;
  readonly force: boolean;
  readonly json: boolean;
}

/** @throws DownhillError OPTION-*, HYPER-*, RULE-UNKNOWN, SHAPE-INVALID */
export function parseRange(args: readonly string[]): RangeCommand | 'help' {
  const { flags: given } = readFlags('range', args, { ...trained(), ...FLAGS });
  if (given.has('help')) return 'help';
  const shared = Object.fromEntries([...given].filter(([name]) => !Object.hasOwn(FLAGS, name)));
  const train = parseTrain([...argsOf(shared), '--steps', '1']) as TrainCommand;
  const { row } = ruleOf(train.config, 1);
  if (!('lr' in row.fields))
    throw new DownhillError('OPTION-RANGE', `${row.name} has no --lr to test.`, 'Take another --optimizer.');
  const from = readSetting('--from', FROM, given.get('from') ?? String(FROM.default));
  const to = readSetting('--to', TO, given.get('to') ?? String(TO.default));
  if (from >= to) throw new DownhillError('OPTION-RANGE', `--from ${from} is not below --to ${to}.`, 'Swap them.');
  const parallel = given.has('parallel') ? readSetting('--parallel', PARALLEL, given.get('parallel')!) : undefined;
  const steps = readSetting('--steps', STEPS, given.get('steps') ?? (parallel === undefined ? '300' : '100'));
  if (parallel === undefined && steps < 10)
    throw new DownhillError('OPTION-RANGE', `A sweep takes 10 steps at least, got ${steps}.`, 'Leave out --steps.');
  return {
    train,
    from,
    to,
    steps,
    parallel,
    out: given.get('out'),
    force: given.has('force'),
    json: given.has('json'),
  };
}

const [SVG, JSON_FILE] = ['range.svg', 'range.json'];
/** Characters of a line where there is no terminal. */
const COLUMNS = 100;

/** @returns the exit code */
export async function range(args: readonly string[], io: Io): Promise<number> {
  const command = parseRange(args);
  if (command === 'help') {
    io.stdout.write(rangeHelp());
    return 0;
  }
  return interruptible(io, LEAVING, async (signal) => {
    const { train, json } = command;
    const { config, data } = await dataOf({ ...train, json }, io, signal);
    const out = { what: 'a range test', files: [SVG, JSON_FILE], force: command.force };
    const folder = new OutFolder(command.out ?? defaultFolder('range'), out);
    try {
      const { adapter, report } = await testRange(command, config, data, io, signal);
      write(folder, command, config, adapter, report);
      say(folder, command, config, adapter, report, io);
      return report.suggestion === undefined ? 3 : 0;
    } finally {
      folder.close();
    }
  });
}

async function testRange(command: RangeCommand, config: TrainConfig, data: JobData, io: Io, signal: AbortSignal) {
  const { from, to, steps, parallel } = command;
  await findGpu();
  const device = await requestDevice({ label: 'downhill:range' });
  const progress = new Progress(io.stderr);
  try {
    const report = await rangeTest(device, {
      ...{ model: modelOf(config), rule: ruleOf(config, steps), data: data.train, from, to, steps, signal },
      ...{ sampling: config.sampling, seed: config.seed, ...(parallel !== undefined && { parallel }) },
      ...(config.batchSize !== undefined && { batchSize: config.batchSize }),
      onStep: (done, of) => progress.draw([`${count(done)} of ${plural(of, 'step')}`], done / of),
    });
    return { report, adapter: describeAdapter(device).name };
  } finally {
    progress.clear();
    device.destroy();
  }
}

const what = ({ parallel, steps, train }: RangeCommand, config: TrainConfig): string => {
  const batch = config.batchSize === undefined ? 'full batch' : `batch ${config.batchSize}`;
  const form = parallel === undefined ? `${plural(steps, 'step')}` : `${parallel} rates, ${plural(steps, 'step')} each`;
  return `${config.model.sizes.join('-')}, ${train.config.optimizer.name}, ${batch}; ${form}`;
};

function write(
  folder: OutFolder,
  command: RangeCommand,
  config: TrainConfig,
  adapter: string,
  report: RangeReport,
): void {
  const subtitle = `${what(command, config)}; ${adapter}`;
  const { model, optimizer, batchSize } = config;
  folder.write({
    [SVG]: rangeSvg({ title: 'Learning-rate range test', subtitle, report }),
    [JSON_FILE]: `${JSON.stringify({ model, optimizer, batchSize, adapter, ...report }, null, 2)}\n`,
  });
}

function say(
  folder: OutFolder,
  command: RangeCommand,
  config: TrainConfig,
  adapter: string,
  report: RangeReport,
  io: Io,
): void {
  const files = { svg: folder.shown(SVG), json: folder.shown(JSON_FILE) };
  const { minimum, steepest, blowUp, suggestion, kind } = report;
  if (command.json) {
    writeJson(io, { kind, minimum, steepest, blowUp, suggestion, adapter, files });
    return;
  }
  const paint = painter(io.stdout);
  const options = { paint, room: (io.stdout.columns ?? COLUMNS) - 1 };
  const at = (point: RangeReport['minimum']) =>
    point ? `lr ${valueText(point.lr)}, loss ${lossText(point.smooth)}` : 'none';
  const why = kind === 'sweep' ? 'a tenth of the lowest' : 'the lowest';
  const lines = [
    '',
    `  ${paint('bold', what(command, config))}`,
    `  ${paint('gray', adapter)}`,
    '',
    ...labelled('lowest    ', at(minimum), options),
    ...labelled('steepest  ', at(steepest), options),
    ...labelled(
      kind === 'sweep' ? 'blows up  ' : 'fails     ',
      blowUp === undefined ? 'not in this range' : `from lr ${valueText(blowUp)}`,
      options,
    ),
    ...labelled(
      'suggestion',
      suggestion === undefined ? 'none: no rate worked' : `--lr ${valueText(suggestion)} (${why})`,
      { ...options, style: 'green' },
    ),
    '',
    `  ${paint('cyan', 'picture')}  ${files.svg}`,
    `  ${paint('cyan', 'numbers')}  ${files.json}`,
    '',
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}
