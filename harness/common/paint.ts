import { styleText } from 'node:util';

/** How a stream shows a text: colours, or nothing. */

export type Style = Parameters<typeof styleText>[0];

export type Paint = (style: Style, text: string) => string;

/** What of a stream says whether it shows colours. */
interface Shown {
  readonly isTTY?: boolean;
}

/** Colours text for one stream, where that stream shows colours: https://no-color.org. */
export function painter(stream: Shown): Paint {
  const colours = stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  return (style, text) => (colours ? styleText(style, text) : text);
}
