/** --wrap: what goes round the update rule, by the names of the library's table. No Node here: a page imports this. */
import { DownhillError, describeField, type Field, suggest, type Wrapper, wrappers } from '../../src/index.js';
import { kebab, toNumber } from '../common/settings.js';

/** One of them with the option that was given. */
export interface WrapConfig {
  readonly name: string;
  readonly options: Readonly<Record<string, number | string>>;
}

type Make = ((options?: object) => Wrapper) & { readonly row: Wrapper['row'] };
const table = wrappers as unknown as Readonly<Record<string, Make>>;
/** By what they are called on the command line. */
const byFlag = new Map(Object.keys(table).map((name) => [kebab(name), name]));
/** Its first option is the one that --wrap takes. */
const optionOf = (name: string): [string, Field] | undefined => Object.entries(table[name]!.row.fields)[0];

/** Names with their option and its default: 'lookahead=5'. */
export const WRAPPERS = [...byFlag].map(([flag, name]) => {
  const [, field] = optionOf(name) ?? [];
  return field ? `${flag}=${field.default}` : flag;
});

/** A line for each: what it does, and what its option is. */
export const wrapLines = (): [string, string][] =>
  [...byFlag].map(([flag, name]) => {
    const [, field] = optionOf(name) ?? [];
    return [flag, `${table[name]!.row.title}${field ? `: ${field.help}, ${describeField(field)}` : ''}`];
  });

/** 'cautious,lookahead=5'. @throws DownhillError OPTION-* */
export function readWrap(text: string): WrapConfig[] {
  const seen = new Set<string>();
  return text.split(',').map((item) => {
    const [flag = '', value] = item.trim().split('=', 2);
    const name = byFlag.get(flag);
    if (name === undefined) {
      const fix = suggest(flag, [...byFlag.keys()]);
      throw new DownhillError(
        'OPTION-RANGE',
        `--wrap has no ${JSON.stringify(flag)}; it takes ${WRAPPERS.join(', ')}.`,
        fix,
      );
    }
    if (seen.has(name)) throw new DownhillError('OPTION-RANGE', `--wrap has ${flag} twice.`, 'Leave one out.');
    seen.add(name);
    const [key] = optionOf(name) ?? [];
    if (value !== undefined && key === undefined)
      throw new DownhillError('OPTION-RANGE', `--wrap: ${flag} takes no value, got ${value}.`, `Write ${flag}.`);
    const config = { name, options: value === undefined ? {} : { [key!]: toNumber(value) } };
    wrapperOf(config);
    return config;
  });
}

/** @throws DownhillError OPTION-* */
export const wrapperOf = ({ name, options }: WrapConfig): Wrapper => table[name]!(options);
