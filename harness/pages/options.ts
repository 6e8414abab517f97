/** The flags of `downhill page`. */
import { checkInteger } from '../../src/index.js';
import { type Flags, flagHelp, HELP, readFlags } from '../common/flags.js';
import { toNumber } from '../common/settings.js';

export interface PageCommand {
  /** Undefined: the usual one, or another where that is taken. */
  readonly port: number | undefined;
  readonly open: boolean;
}

/** Always the same, since a browser keeps the runs of a page by its address, port included. */
export const PORT = 7531;

const FLAGS: Flags = {
  port: {
    value: 'N',
    help: 'of the address; 0 for one that is free. The browser keeps runs by the address, so keep to one',
    default: `${PORT}, or a free one where that is taken`,
  },
  open: { help: "open the address in this system's browser" },
  ...HELP,
};

export const pageHelp = (): string =>
  [
    'npx downhill page [flags]',
    '',
    '  Serves the page: train, compare optimizers, landscapes, search, benchmarks, in your own browser.',
    '  On this machine only, until Ctrl+C; nothing leaves the page. What it can do: docs/page.md',
    '',
    ...flagHelp(FLAGS),
    '',
  ].join('\n');

/**
 * @returns 'help' where that was asked for
 * @throws DownhillError OPTION-* for flags that there are not, and ports that are none
 */
export function parsePage(args: readonly string[]): PageCommand | 'help' {
  const { flags } = readFlags('page', args, FLAGS);
  if (flags.has('help')) return 'help';
  const port = flags.get('port');
  if (port === undefined) return { port, open: flags.has('open') };
  const number = checkInteger('--port', toNumber(port), 0, 65_535);
  return { port: number, open: flags.has('open') };
}
