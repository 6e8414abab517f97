/** How flags are called. No Node here: a page imports this. */
import type { Field } from '../../src/index.js';
import { kebab } from './settings.js';

/** The flag that turns a switch off: 'no-nesterov' of 'nesterov', 'prox' of 'no-prox'. */
export const opposite = (name: string): string => (name.startsWith('no-') ? name.slice(3) : `no-${name}`);

/** The flag of an option: its name, unless the field says another. */
export const flagOf = (name: string, field?: Field): string => field?.flag ?? kebab(name);

/** A word of a command line as a shell takes it. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
