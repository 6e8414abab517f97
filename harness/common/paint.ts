import { styleText } from 'node:util';
import { hasCursor, marked, type Stream } from './terminal.js';

/** How a stream shows a text: colours, or nothing. */

export type Style = Parameters<typeof styleText>[0];

export type Paint = (style: Style, text: string) => string;

/** Colours text for one stream, where that stream shows colours: https://no-color.org. */
export function painter(stream: Pick<Stream, 'isTTY' | 'mark'>): Paint {
  const colours = hasCursor(stream) && !process.env.NO_COLOR;
  if (!colours) return (_, text) => text;
  // What Node would look at is stdout, whichever stream this is for. The text's own codes get no mark.
  const code = (style: Style) => marked(stream, styleText(style, '\0', { validateStream: false }));
  return (style, text) => code(style).replace('\0', () => text);
}
