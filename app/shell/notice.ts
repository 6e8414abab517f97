import { byId, make, setText } from './dom.js';
import { problemOf } from './problem.js';

let latest = 0;

/**
 * Shows an error above everything else.
 *
 * @param retry the label of a button that may help
 * @returns takes it away, where nothing else is shown by then
 */
export function showProblem(error: unknown, title: string, retry?: string): () => void {
  const { message, fix, code } = problemOf(error);
  setText(byId('problem-title'), code ? `${title} (${code})` : title);
  setText(byId('problem-message'), message);
  setText(byId('problem-fix'), fix);
  byId('problem-retry').hidden = retry === undefined;
  if (retry !== undefined) setText(byId('problem-retry'), retry);
  byId('problem').hidden = false;
  byId('problem').scrollIntoView({ block: 'nearest' });
  const own = ++latest;
  return () => {
    if (own === latest) hideProblem();
  };
}

/** Says what became of a link; nothing without lines. It stays until it is dismissed, whatever else is said. */
export function showLinkNotice(title: string, lines: readonly string[]): void {
  setText(byId('link-title'), title);
  byId('link-lines').replaceChildren(...lines.map((line) => make('li', {}, line)));
  byId('link-notice').hidden = lines.length === 0;
}

export const hideProblem = (): void => {
  byId('problem').hidden = true;
};
