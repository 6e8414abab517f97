/** The flags of data: where it comes from, and how a table is to be read. */
import { resolve } from 'node:path';
import type { Missing } from '../../src/csv.js';
import { checkChoice, DownhillError, suggest, type Toy, toys } from '../../src/index.js';
import { isToy, toNumber } from '../common/settings.js';
import type { DataConfig } from './config.js';
import { NAMED } from './fetch.js';

const wrong = (what: string, fix: string) => new DownhillError('OPTION-RANGE', what, fix);

/** Flags of tables. */
const TABLE_FLAGS = ['target', 'ignore', 'missing', 'delimiter', 'decimal'] as const;

/** @throws DownhillError OPTION-RANGE */
export function readData(
  text: string,
  given: ReadonlyMap<string, string>,
  setting: (name: 'samples' | 'points' | 'noise') => number,
): DataConfig {
  const [, kind, place] = /^(idx|csv|npy):(.+)$/.exec(text) ?? [];
  const stray = kind === 'csv' ? undefined : TABLE_FLAGS.find((flag) => given.has(flag));
  if (stray) throw wrong(`--${stray} is for --data csv:FILE.`, `Leave out --${stray}.`);
  if (text === 'digits') {
    checkDrawn(given, ['samples']);
    return { kind: 'digits', samples: setting('samples') };
  }
  checkDrawn(given, isToy(text) ? ['points', 'noise'] : []);
  if (isToy(text)) return { kind: text, samples: setting('points'), noise: setting('noise') };
  const named = NAMED.find((name) => name === text);
  if (named) return { kind: 'named', name: named };
  if (kind === 'idx') return { kind, folder: resolve(place!) };
  if (kind === 'csv') return readTable(resolve(place!), given);
  if (kind === 'npy') return { kind, files: readNpyFiles(place!) };
  const near = suggest(text, ['digits', ...TOYS, ...NAMED]);
  throw wrong(
    `--data must be digits, ${[...TOYS, ...NAMED].join(', ')}, idx:DIR, csv:FILE or npy:FILE, got '${text}'.`,
    near.startsWith('Did') ? near : 'Write --data idx:DIR for a folder with IDX files, csv:FILE for a table.',
  );
}

const TOYS = Object.keys(toys) as Toy[];
/** Flags of what is drawn, and whom they are for. */
const DRAWN_FLAGS = { samples: 'digits', points: TOYS.join(', '), noise: TOYS.join(', ') };

/** @throws DownhillError OPTION-RANGE for a flag of other data than that which is drawn */
function checkDrawn(given: ReadonlyMap<string, string>, own: readonly string[]): void {
  for (const [flag, data] of Object.entries(DRAWN_FLAGS)) {
    if (!given.has(flag) || own.includes(flag)) continue;
    throw wrong(
      `--${flag} is for --data ${data}${own.length > 0 ? '' : '; others are used whole'}.`,
      `Leave out --${flag}.`,
    );
  }
}

function readTable(file: string, given: ReadonlyMap<string, string>): DataConfig {
  const names = (flag: string) => given.get(flag)?.split(',') ?? [];
  const target = names('target');
  if (target.length === 0) throw wrong('--data csv needs to know what to predict.', 'Name the column with --target.');
  const [delimiter, decimal] = [given.get('delimiter'), given.get('decimal')];
  return {
    kind: 'csv',
    file,
    target,
    ignore: names('ignore'),
    ...readMissing(given.get('missing') ?? 'refuse'),
    ...(delimiter !== undefined && { delimiter: readDelimiter(delimiter) }),
    ...(decimal !== undefined && { decimal: checkChoice('--decimal', decimal, ['.', ','] as const) }),
  };
}

/** 'median', 'garden=category', and both: one way for all columns, others by name. */
function readMissing(text: string): { missing: Missing; missingIn?: Record<string, Missing> } {
  const parts = text.split(',').map((part) => {
    const at = part.lastIndexOf('=');
    return { name: part.slice(0, Math.max(at, 0)), way: readWay(part.slice(at + 1)) };
  });
  const all = parts.filter(({ name }) => name === '');
  const each = parts.filter(({ name }) => name !== '').map(({ name, way }) => [name, way] as const);
  if (all.length > 1 || new Set(each.map(([name]) => name)).size < each.length)
    throw wrong(`--missing ${text} says two things of the same columns.`, 'Write --missing median,garden=category.');
  return { missing: all[0]?.way ?? 'refuse', ...(each.length > 0 && { missingIn: Object.fromEntries(each) }) };
}

function readWay(text: string): Missing {
  const way = toNumber(text);
  if (typeof way === 'number' && Number.isFinite(way)) return way;
  return checkChoice('--missing', text, ['refuse', 'mean', 'median', 'category'] as const);
}

function readDelimiter(text: string): string {
  const delimiter = text === 'tab' || text === '\\t' ? '\t' : text;
  if (delimiter.length === 1 && !/["\r\n]/.test(delimiter)) return delimiter;
  throw wrong(`--delimiter must be one character, or tab, got '${text}'.`, "Write --delimiter ';'.");
}

function readNpyFiles(text: string): string[] {
  const files = text.split(',').map((file) => resolve(file));
  if (files.length === 2 || (files.length === 1 && text.endsWith('.npz'))) return files;
  throw wrong(
    `--data npy needs a file of samples and one of targets, or one archive, got '${text}'.`,
    'Write --data npy:x.npy,y.npy, or npy:data.npz with the arrays x and y.',
  );
}
