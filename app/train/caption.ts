import type { AdapterReport } from '../../src/index.js';
import { CONVENTION, complete } from '../experiment/controls.js';
import { describeRule, RULE_KEY, type Settings, type Texts } from '../experiment/settings.js';
import { count } from '../shell/format.js';

const PREFIX = `${RULE_KEY}.`;

/** A run's short name: the rule's title and its rate. */
export function nameOf({ rule }: Settings): string {
  const { title } = describeRule(rule.row.name);
  return `${title}, lr ${rule.hyper.lr}`;
}

/** Said in words of their own. */
const SAID = new Set([
  'data',
  'samples',
  'points',
  'hidden',
  'activation',
  'batch',
  'sampling',
  'seed',
  RULE_KEY,
  `${PREFIX}lr`,
]);

function dataOf({ source, samples, points }: Settings): string {
  if (source === 'files') return 'own files';
  if (source === 'painted') return 'painted points';
  return source === 'digits' ? `${count(samples)} drawn digits` : `${count(points)} points of ${source}`;
}

/**
 * What a run was, in one line: it stands beside its figures whatever the form says by then. Of settings that are as they are
 * at first only those that everybody asks for.
 */
export function captionOf(settings: Settings, texts: Texts, adapter: AdapterReport | undefined): string {
  const { [RULE_KEY]: rule = '', [CONVENTION]: convention } = texts;
  const usual = complete({ [RULE_KEY]: rule, ...(convention !== undefined && { [CONVENTION]: convention }) });
  const first = complete({ [RULE_KEY]: rule });
  const others = Object.entries(texts).filter(
    ([key, text]) => !SAID.has(key) && text !== (key === CONVENTION ? first : usual)[key],
  );
  const options = others
    .filter(([key]) => key.startsWith(PREFIX))
    .map(([key, text]) => `, ${key.slice(PREFIX.length)} ${text}`);
  return [
    `${describeRule(settings.rule.row.name).title} (lr ${settings.rule.hyper.lr}${options.join('')})`,
    `hidden ${settings.hidden.join('-') || 'none'}, ${settings.activation}`,
    ...others.filter(([key]) => !key.startsWith(PREFIX)).map(([key, text]) => `${key.replaceAll('-', ' ')} ${text}`),
    dataOf(settings),
    settings.sampling === 'full' ? 'full batch' : `batch ${settings.batchSize}`,
    `seed ${settings.seed}`,
    ...(adapter ? [adapter.name] : []),
  ].join(' · ');
}
