/** The flags of `downhill tune`. */
import { number } from '../../src/fields.js';
import { type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { explain, readSetting } from '../common/settings.js';
import { knownFlags, parseTrain, FLAGS as TRAIN, type TrainCommand } from '../train/options.js';

export interface TuneCommand extends Pick<TrainCommand, 'config' | 'open' | 'json'> {
  readonly out: string | undefined;
  readonly force: boolean;
}

const BUDGET = number('longest to measure, in seconds', 10, { above: 0 });

const OWN: Flags = {
  budget: { value: 'X', help: explain(BUDGET), default: String(BUDGET.default) },
  out: { value: 'FILE', help: 'writes the plan there, too: for --plan FILE of train, and for plan of createTrainer' },
  force: { help: 'overwrite --out' },
  json: { help: 'the plan as one JSON object on stdout instead of text' },
  ...HELP,
};

/** What of a training decides how its kernels are sized. */
const SHARED = { network: TRAIN.network!, data: TRAIN.data!, training: TRAIN.training! };

export function tuneHelp(): string {
  const what =
    'Measures which form of every kernel is fastest for a network, batch size and update rule on this adapter, and keeps the ' +
    'plan for train --plan auto. The rule takes its hyper-parameters as in train.';
  const lines = ['npx downhill tune [flags]', '', ...wrap(what, 2)];
  for (const [heading, flags] of Object.entries({ tune: OWN, ...SHARED })) lines.push('', heading, ...flagHelp(flags));
  const examples = [
    'npx downhill tune --model 784-1024-10 --batch 128',
    'npx downhill tune --out plan.json --in chrome',
  ];
  return [...lines, '', 'examples', ...examples.map((line) => `  ${line}`), ''].join('\n');
}

/**
 * Reads and checks the flags; touches neither files nor GPU.
 *
 * @throws DownhillError OPTION-*, HYPER-*, RULE-UNKNOWN, SHAPE-INVALID
 */
export function parseTune(args: readonly string[]): TuneCommand | 'help' {
  const all = knownFlags();
  const rest = Object.keys({ ...TRAIN.checkpoints, ...TRAIN.output, ...TRAIN.validation });
  const known = Object.fromEntries(Object.entries(all).filter(([name]) => !rest.includes(name)));
  const { flags: given } = readFlags('tune', args, { ...known, ...OWN });
  if (given.has('help')) return 'help';
  const shared = [...given].flatMap(([name, value]) =>
    Object.hasOwn(OWN, name) ? [] : [`--${name}`, ...(value === '' ? [] : [value])],
  );
  const seconds = readSetting('--budget', BUDGET, given.get('budget') ?? OWN.budget!.default!);
  // A step, since a job is one of training: what is measured comes before it.
  const { config, open } = parseTrain([...shared.filter(notLength), '--steps', '1']) as TrainCommand;
  return {
    config: { ...config, plan: 'measure', planBudgetMs: 1000 * seconds },
    open,
    json: given.has('json'),
    out: given.get('out'),
    force: given.has('force'),
  };
}

/** Without --steps and --epochs, and what follows them. */
const notLength = (arg: string, i: number, args: readonly string[]) =>
  ![arg, args[i - 1]].some((each) => each === '--steps' || each === '--epochs');
