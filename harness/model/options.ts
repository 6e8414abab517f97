/** The flags of `downhill predict` and `downhill export`. */
import { resolve } from 'node:path';
import { checkChoice, checkInteger, DownhillError } from '../../src/index.js';
import type { NamedDataset } from '../../src/node/index.js';
import { type Flags, flagHelp, HELP, readFlags, wrap } from '../common/flags.js';
import { SETTINGS, toNumber } from '../common/settings.js';
import { NAMED } from '../train/fetch.js';

const MODEL_FLAG = {
  model: { value: 'FILE', help: 'model.safetensors of a run, a checkpoint, or the folder of a run' },
};

const PREDICT: Flags = {
  ...MODEL_FLAG,
  data: {
    value: 'SOURCE',
    help:
      `csv:FILE (read as the training's table was; the target may be missing), npy:X.npy (or npy:X.npy,Y.npy, npy:FILE.npz), ` +
      `idx:DIR, ${NAMED.join(', ')} (their test parts, where there are), digits`,
  },
  out: { value: 'FILE', help: 'keeps every prediction: in a table (.csv), or the outputs as a matrix (.npy)' },
  show: { value: 'N', help: 'predictions that are shown', default: '10' },
  force: { help: 'overwrite --out' },
  ...HELP,
};

export const FORMATS = ['onnx', 'npy', 'safetensors'] as const;
export type Format = (typeof FORMATS)[number];

const EXPORT: Flags = {
  ...MODEL_FLAG,
  to: {
    value: 'FORMAT',
    help:
      'onnx (scaling, softmax and all that predict does are in it), npy (a folder with a file for each tensor), or ' +
      "safetensors (the network alone, by PyTorch's names, without what training goes on from)",
    default: 'onnx',
  },
  out: { value: 'PATH', help: 'file or folder to write', default: 'beside the model' },
  force: { help: 'overwrite --out' },
  ...HELP,
};

/** Where samples come from. */
export type Source =
  | { readonly kind: 'digits' }
  | { readonly kind: 'named'; readonly name: NamedDataset }
  | { readonly kind: 'idx'; readonly folder: string }
  | { readonly kind: 'csv'; readonly file: string }
  | { readonly kind: 'npy'; readonly files: readonly string[] };

export interface PredictCommand {
  readonly model: string;
  readonly source: Source;
  readonly out: { readonly path: string; readonly format: 'csv' | 'npy' } | undefined;
  readonly show: number;
  readonly force: boolean;
}

export interface ExportCommand {
  readonly model: string;
  readonly to: Format;
  /** As given; undefined for beside the model. */
  readonly out: string | undefined;
  readonly force: boolean;
}

const wrong = (what: string, fix: string) => new DownhillError('OPTION-RANGE', what, fix);

function needed(command: string, given: ReadonlyMap<string, string>, name: string, example: string): string {
  const value = given.get(name);
  if (value !== undefined) return value;
  throw wrong(`downhill ${command} needs --${name}.`, `Write --${name} ${example}.`);
}

/** @throws DownhillError OPTION-* */
export function parsePredict(args: readonly string[]): PredictCommand | 'help' {
  const { flags } = readFlags('predict', args, PREDICT);
  if (flags.has('help')) return 'help';
  const model = needed('predict', flags, 'model', 'runs/…/model.safetensors');
  const source = readSource(needed('predict', flags, 'data', 'csv:FILE'));
  return {
    model,
    source,
    out: readOut(flags.get('out')),
    show: checkInteger('--show', toNumber(flags.get('show') ?? PREDICT.show!.default!), 0),
    force: flags.has('force'),
  };
}

function readOut(path: string | undefined): PredictCommand['out'] {
  if (path === undefined) return undefined;
  const format = /\.(csv|npy)$/i.exec(path)?.[1]?.toLowerCase() as 'csv' | 'npy' | undefined;
  if (format) return { path, format };
  throw wrong(`--out must end in .csv or .npy, got '${path}'.`, 'Name a file such as predictions.csv.');
}

function readSource(text: string): Source {
  if (text === 'digits') return { kind: 'digits' };
  const name = NAMED.find((each) => each === text);
  if (name) return { kind: 'named', name };
  const [, kind, place] = /^(idx|csv|npy):(.+)$/.exec(text) ?? [];
  if (kind === 'idx') return { kind, folder: resolve(place!) };
  if (kind === 'csv') return { kind, file: resolve(place!) };
  if (kind === 'npy') return { kind, files: place!.split(',').map((file) => resolve(file)) };
  throw wrong(
    `--data must be csv:FILE, npy:FILE, idx:DIR, ${NAMED.join(', ')} or digits, got '${text}'.`,
    'Write --data csv:FILE for a table.',
  );
}

/** @throws DownhillError OPTION-* */
export function parseExport(args: readonly string[]): ExportCommand | 'help' {
  const { flags } = readFlags('export', args, EXPORT);
  if (flags.has('help')) return 'help';
  return {
    model: needed('export', flags, 'model', 'runs/…/model.safetensors'),
    to: checkChoice('--to', flags.get('to') ?? EXPORT.to!.default!, FORMATS),
    out: flags.get('out'),
    force: flags.has('force'),
  };
}

const help = (name: string, about: string, flags: Flags, examples: readonly string[]) =>
  [
    `npx downhill ${name} [flags]`,
    '',
    ...wrap(about, 2),
    '',
    ...flagHelp(flags),
    '',
    'examples',
    ...examples.map((line) => `  npx downhill ${line}`),
    '',
  ].join('\n');

export const predictHelp = () =>
  help(
    'predict',
    'What a trained network says of samples: classes with their probability, or values in their own units; and how often ' +
      'it is right, where the data tells.',
    PREDICT,
    [
      'predict --model runs/mine --data csv:new.csv --out predictions.csv',
      'predict --model runs/mine/checkpoints/step-000500.safetensors --data mnist',
    ],
  );

export const exportHelp = () =>
  help('export', 'A trained network for other programs.', EXPORT, [
    'export --model runs/mine --to onnx --out model.onnx',
    'export --model runs/mine --to npy --out weights',
  ]);

/** Samples of `digits` that are asked for: the generator's test part. */
export const DIGIT_SAMPLES = SETTINGS.samples.default;
