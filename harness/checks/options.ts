/** The flags of `downhill gradcheck`, `init-loss` and `overfit-batch`. */
import { type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { explain, readSetting } from '../common/settings.js';
import { parseTrain, FLAGS as TRAIN, type TrainCommand, valueName } from '../train/options.js';
import { CHECKS, type CheckName } from './checks.js';

export interface CheckCommand extends Pick<TrainCommand, 'config' | 'open' | 'json'> {
  /** The check's own flags, where they were given. */
  readonly own: Readonly<Record<string, number>>;
}

const SHARED: Readonly<Record<string, Flags>> = {
  network: TRAIN.network!,
  data: { ...TRAIN.data!, seed: { value: 'N', help: 'seed of the weights, and of what layers draw', default: '0' } },
};

function flagsOf(name: CheckName): Readonly<Record<string, Flags>> {
  const { fields, training } = CHECKS[name];
  const own = Object.entries(fields).map(([flag, field]) => {
    return [flag, { value: valueName(field), help: explain(field), default: String(field.default) }] as const;
  });
  return {
    check: { ...Object.fromEntries(own), ...training },
    ...SHARED,
    output: { json: { help: 'one JSON object on stdout instead of text' }, ...HELP },
  };
}

export function checkHelp(name: CheckName): string {
  const lines = [`npx downhill ${name} [flags]`, '', ...wrap(CHECKS[name].help, 2)];
  for (const [heading, flags] of Object.entries(flagsOf(name))) lines.push('', heading, ...flagHelp(flags));
  return [...lines, '', 'examples', ...CHECKS[name].examples.map((line) => `  ${line}`), ''].join('\n');
}

/**
 * Reads and checks the flags; touches neither files nor GPU.
 *
 * @throws DownhillError OPTION-*, HYPER-*, RULE-UNKNOWN, SHAPE-INVALID
 */
export function parseCheck(name: CheckName, args: readonly string[]): CheckCommand | 'help' {
  const { fields, training = {} } = CHECKS[name];
  const { flags: given } = readFlags(name, args, Object.assign({}, ...Object.values(flagsOf(name))));
  if (given.has('help')) return 'help';
  const passed = Object.keys(Object.assign({}, training, ...Object.values(SHARED)));
  const shared = passed.flatMap((flag) => (given.has(flag) ? [`--${flag}`, given.get(flag)!] : []));
  // One batch, whatever its size.
  const { config, open } = parseTrain([...shared, '--sampling', 'full']) as TrainCommand;
  const own = Object.entries(fields).flatMap(([flag, field]) =>
    given.has(flag) ? [[flag, readSetting(`--${flag}`, field, given.get(flag)!)]] : [],
  );
  return { config, open, json: given.has('json'), own: Object.fromEntries(own) };
}
