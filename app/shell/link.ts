import { CONVENTION, complete, RULE_KEY, type Texts } from '../experiment/controls.js';
import { fromHash, parse } from '../experiment/settings.js';
import { count } from './format.js';
import { problemOf } from './problem.js';
import { notInLink } from './share.js';
import { VIEWS, type ViewName } from './view-names.js';

/* The page as a link: `#v=2&view=landscape&optimizer=adam&landscape.problem=beale`. Only what is not a default is in it; keys
 * of a view have its name in front. Links without a version are of the first page, which had settings only. */

const VERSION = '2';

/** Characters of a link, and of one value in it: what is longer was not made by this page, and is not looked at. */
const LONGEST = 16_384;
const LONGEST_VALUE = 4096;

export interface Link {
  readonly view: ViewName;
  /** The experiment's settings. */
  readonly experiment: Texts;
  /** The view's own. */
  readonly state: Texts;
  /** What in it means nothing to this page, in a sentence each. */
  readonly unknown: readonly string[];
}

export function toLink({ view, experiment, state }: Omit<Link, 'unknown'>): string {
  const { [RULE_KEY]: rule, [CONVENTION]: convention } = experiment;
  const usual = complete({ ...(rule && { [RULE_KEY]: rule }), ...(convention && { [CONVENTION]: convention }) });
  const first = complete({});
  const given = Object.entries(complete(experiment)).filter(
    ([key, text]) => text !== (key === RULE_KEY || key === CONVENTION ? first : usual)[key],
  );
  const own = Object.entries(state).map(([key, text]) => [`${view}.${key}`, text]);
  return `#${new URLSearchParams([['v', VERSION], ['view', view], ...given, ...own])}`;
}

export function fromLink(hash: string): Link {
  if (hash.length > LONGEST) {
    const long = `It has ${count(hash.length)} characters; ${count(LONGEST)} at most are read, so none of it was.`;
    return { view: 'train', experiment: {}, state: {}, unknown: [long] };
  }
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const version = parameters.get('v');
  const named = parameters.get('view') ?? 'train';
  const view = Object.hasOwn(VIEWS, named) ? (named as ViewName) : 'train';
  const state = new Map<string, string>();
  const rest = new URLSearchParams();
  const odd: string[] = [];
  const seen = new Set<string>();
  for (const [key, text] of parameters) {
    if (seen.has(key)) odd.push(`${short(key)} is there twice; the first counts.`);
    else if (text.length > LONGEST_VALUE)
      odd.push(`${short(key)} has ${count(text.length)} characters, and was not read.`);
    else if (key.startsWith(`${view}.`)) state.set(key.slice(view.length + 1), text);
    else if (key !== 'v' && key !== 'view') rest.append(key, text);
    seen.add(key);
  }
  const { texts, unknown } = fromHash(rest.toString());
  return {
    view,
    experiment: texts,
    // Own properties all of them, '__proto__' too.
    state: Object.fromEntries(state),
    unknown: [
      ...(version === null || version === VERSION
        ? []
        : [`It is of version ${short(version)}, which this page does not know.`]),
      ...(view === named ? [] : [`view: there is none called ${short(named)}.`]),
      ...odd,
      ...unknown.map((key) => `${short(key)}: this page has no such setting.`),
    ],
  };
}

/** Of a text that somebody else wrote, so much is shown. */
const SHOWN = 60;
const MOST_LINES = 12;
const short = (text: string, shown = SHOWN) => (text.length > shown ? `${text.slice(0, shown)} …` : text);

/**
 * What a person should know of a link, in a line each.
 *
 * @param refused keys of a view's own settings that it did not take
 */
export function linkProblems({ experiment, view, unknown }: Link, refused: readonly string[]): string[] {
  const wrong = [...parse(experiment).problems].map(
    ([key, error]) => `${key} is ${short(experiment[key] ?? '')}: ${short(problemOf(error).message, 200)}`,
  );
  const strange = refused.map((key) => `${view}.${short(key)}: the view has no such setting, or not with this value.`);
  const lines = [...wrong, ...unknown, ...strange];
  const more = lines.length - MOST_LINES;
  return [
    ...lines.slice(0, MOST_LINES),
    ...(more > 0 ? [`${more} more.`] : []),
    ...(notInLink(experiment) === ''
      ? []
      : [
          experiment.data === 'files'
            ? 'No link carries files: choose your own.'
            : 'No link carries painted points: paint your own.',
        ]),
  ];
}
