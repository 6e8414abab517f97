/** The flags of `npm run torture`. */
import { choice, integer, number } from '../../src/fields.js';
import { DownhillError, MAX_SEED, suggest } from '../../src/index.js';
import { entry, type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { explain, readSetting } from '../common/settings.js';
import type { Campaign, Size } from './campaign.js';

export interface TortureCommand {
  readonly campaigns: readonly Campaign[];
  readonly size: Size;
  readonly seed: number;
  readonly only: number | undefined;
  readonly minutes: number;
  readonly out: string | undefined;
}

/** Minutes for all campaigns together, where nothing else is said. */
const MINUTES: Readonly<Record<Size, number>> = { short: 5, full: 300 };

const SIZE = choice('how much is tried', Object.keys(MINUTES) as Size[], 'short');
const SEED = integer('what all cases are drawn from', 0, { min: 0, max: MAX_SEED });
const BOUND = number('longest that all of it may take', MINUTES.short, { above: 0 });
const CASE = integer('tries this one case of a campaign', 0, { min: 0 });

const FLAGS: Flags = {
  size: { value: 'NAME', help: explain(SIZE), default: SIZE.default },
  seed: { value: 'N', help: explain(SEED), default: String(SEED.default) },
  minutes: { value: 'X', help: explain(BOUND), default: `${MINUTES.short}, ${MINUTES.full} of full` },
  case: { value: 'N', help: explain(CASE), default: 'all' },
  out: { value: 'FILE', help: 'writes what was tried and failed there, as JSON' },
  ...HELP,
};

export function tortureHelp(campaigns: readonly Campaign[]): string {
  const what = 'Attacks the project in many ways, drawn by seed, each of which must hold: docs/reliability.md.';
  const lines = [
    'npm run torture [-- NAME ...] [flags]',
    '',
    ...wrap(what, 2),
    '',
    ...flagHelp(FLAGS),
    '',
    'campaigns',
  ];
  for (const { name, attacks, unit, sizes } of campaigns)
    lines.push(...entry(name, `${attacks} [${sizes.short}, ${sizes.full} ${unit}]`));
  return `${lines.join('\n')}\n`;
}

/**
 * Reads and checks the flags; touches neither files nor GPU.
 *
 * @param all the campaigns there are
 * @throws DownhillError OPTION-*
 */
export function parseTorture(args: readonly string[], all: readonly Campaign[]): TortureCommand | 'help' {
  const { flags, words } = readFlags('torture', args, FLAGS, true, 'npm run torture --');
  if (flags.has('help')) return 'help';
  for (const word of words) {
    const names = all.map(({ name }) => name);
    if (!names.includes(word))
      throw new DownhillError('OPTION-UNKNOWN', `There is no campaign '${word}'.`, suggest(word, names));
  }
  const read = <T>(name: string, field: Parameters<typeof readSetting>[1], otherwise: T) =>
    flags.has(name) ? (readSetting(`--${name}`, field, flags.get(name)!) as T) : otherwise;
  const size = read<Size>('size', SIZE, 'short');
  const only = read<number | undefined>('case', CASE, undefined);
  if (only !== undefined && words.length !== 1) {
    const fix = 'Name one campaign in front of it.';
    throw new DownhillError('OPTION-RANGE', `--case is a case of one campaign, got ${words.length}.`, fix);
  }
  return {
    campaigns: words.length === 0 ? all : all.filter(({ name }) => words.includes(name)),
    ...{
      size,
      only,
      seed: read('seed', SEED, 0),
      minutes: read('minutes', BOUND, MINUTES[size]),
      out: flags.get('out'),
    },
  };
}
