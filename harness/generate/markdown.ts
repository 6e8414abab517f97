/* Markdown of rows and comments, for the pages that are generated. */

/** Text as Markdown shows it: nothing in it is markup, and it stays on one line. */
export const escapeMarkdown = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_[\]|~>#$]/g, '\\$&');

/** Markdown of a comment: what stands in backticks stays code, the rest is text. */
export const prose = (text: string): string =>
  text
    .split(/(`[^`]*`)/)
    .map((part, i) => (i % 2 ? part : escapeMarkdown(part)))
    .join('');

export const code = (text: string): string => {
  const fence = '`'.repeat(Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length)) + 1);
  return `${fence}${text.replace(/\s+/g, ' ').replaceAll('|', '\\|')}${fence}`;
};

/** A block of code, in a fence longer than any in it. */
export const block = (language: string, text: string): string => {
  const fence = '`'.repeat(Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length)) + 1);
  return `${fence}${language}\n${text}\n${fence}`;
};

export const table = (head: readonly string[], body: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Papers, each with its link behind it: the row's belongs to the first where the text does not have it. */
export function papers(text: string, link = ''): string {
  const [first = '', ...others] = text.replace(/\.$/, '').split(/;\s*/);
  return [text.includes(link) ? first : `${first}, ${link}`, ...others]
    .map((each) =>
      each
        .split(/(https:\S+)/)
        .map((part, i) => (i % 2 ? `<${encodeURI(part)}>` : escapeMarkdown(part)))
        .join(''),
    )
    .join('; ');
}
