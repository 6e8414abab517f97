import { flagOf, quoted } from '../../harness/common/flag-names.js';
import { kebab } from '../../harness/common/settings.js';
import { isDrawn } from '../../harness/train/config.js';
import { flagsOf } from '../../harness/train/spell.js';
import type { Field } from '../../src/index.js';
import { outlineOf } from '../experiment/config.js';
import { describeRule, parse, RULE_KEY } from '../experiment/settings.js';
import { judgedTexts, type SearchOf } from './searching.js';
import { spaceText } from './space.js';

/** Flags of a training that a search has in its own way, or not at all. */
const LEFT_OUT = ['epochs', 'steps', 'seed', 'in', 'validate-every', 'patience', 'stop-metric'];

/** The same search for the command line, or why it has none. */
export function commandOf({ space, method, metric, trials, steps, seed, texts }: SearchOf): string {
  const { settings } = parse(judgedTexts(texts));
  const known = settings && settings.source !== 'files' ? outlineOf(settings, undefined) : undefined;
  if (!known || !isDrawn(known.config.data))
    return 'The command line does not have this data; files it needs by their folder: npx downhill search --data idx:FOLDER …';
  if (known.config.seed !== 0)
    return `The command line's trials begin with seed 0, these with seed ${known.config.seed}: with the run's seed 0 both are the same.`;
  const fields: Readonly<Record<string, Field>> = describeRule(texts[RULE_KEY] ?? '').fields;
  const searched = Object.keys(space).map((name) => (fields[name] ? flagOf(name, fields[name]) : kebab(name)));
  const own: (readonly [string, string])[] = [
    ['space', spaceText(space)],
    ['method', method],
    ['trials', String(trials)],
    ['steps', String(steps)],
    ...(metric === 'loss' ? [] : [['metric', metric] as const]),
    ...(seed === 0 ? [] : [['seed', String(seed)] as const]),
  ];
  const rest = [...flagsOf(known.config)].filter(([flag]) => !LEFT_OUT.includes(flag) && !searched.includes(flag));
  const words = [...own, ...rest].flatMap(([flag, value]) => [`--${flag}`, ...(value === '' ? [] : [quoted(value)])]);
  return ['npx downhill search', ...words].join(' ');
}
