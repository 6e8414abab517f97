/** `downhill export`: a saved network in the formats of other programs. */
import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { decodeSafetensors, encodeNpy, encodeSafetensors, type SavedModel } from '../../src/index.js';
import { toOnnx } from '../../src/onnx/index.js';
import { bytesText, plural } from '../common/format.js';
import { type Io, painter } from '../common/io.js';
import { outputError } from '../common/output.js';
import { labelled } from '../common/table.js';
import { writeWhole } from '../common/whole-file.js';
import { exportHelp, type Format, parseExport } from './options.js';
import { checkFree } from './predict.js';
import { describeSaved, readSaved, type SavedFile } from './saved.js';

interface Exporter {
  /** What comes behind the model's own name. */
  readonly suffix: string;
  /** Writes it. @returns what it is, for people */
  write(file: SavedFile, path: string): string[];
}

/** What the columns of the input are. */
const inputsOf = ({ featureNames = [] }: SavedModel): string =>
  featureNames.length > 0 && featureNames.length <= 12
    ? `raw values of ${featureNames.join(', ')}`
    : 'raw values, as in the data';

const tensorsOf = ({ tensors, statistics }: SavedModel) => [...tensors, ...statistics];

const EXPORTERS: Readonly<Record<Format, Exporter>> = {
  onnx: {
    suffix: '.onnx',
    write({ saved }, path) {
      const bytes = toOnnx(saved);
      writeWhole(path, bytes);
      const { input, output, loss } = saved.model;
      const gives = loss.row.predict ? 'probabilities' : 'values in units of the targets';
      return [
        `${bytesText(bytes.length)}, opset 17`,
        `input [batch, ${input}]: ${inputsOf(saved)}; output [batch, ${output}]: ${gives}`,
      ];
    },
  },
  npy: {
    suffix: '-npy',
    write({ saved }, path) {
      mkdirSync(path, { recursive: true });
      const tensors = tensorsOf(saved);
      for (const [name, { values, shape }] of tensors) writeWhole(join(path, `${name}.npy`), encodeNpy(values, shape));
      return [
        `${plural(tensors.length, 'file')}: ${tensors.map(([name]) => `${name}.npy`).join(', ')}`,
        'weights are [out, in]',
      ];
    },
  },
  safetensors: {
    suffix: '-weights.safetensors',
    write({ saved, bytes }, path) {
      const { tensors, metadata } = decodeSafetensors(bytes);
      const own = new Map(tensorsOf(saved).map(([name]) => [name, tensors.get(name)!]));
      const { 'downhill.state': _, ...texts } = Object.fromEntries(metadata);
      const kind = { ...JSON.parse(texts.downhill ?? '{}'), kind: 'model' };
      const file = encodeSafetensors(own, { ...texts, downhill: JSON.stringify(kind) });
      writeWhole(path, file);
      return [`${bytesText(file.length)}, ${plural(own.size, 'tensor')} by PyTorch's names`];
    },
  },
};

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong
 */
export async function exportModel(args: readonly string[], io: Io): Promise<number> {
  const command = parseExport(args);
  if (command === 'help') {
    io.stdout.write(exportHelp());
    return 0;
  }
  const file = readSaved(command.model);
  const { suffix, write } = EXPORTERS[command.to];
  const path = command.out ?? join(dirname(file.path), basename(file.path, '.safetensors') + suffix);
  checkFree(path, command.force);
  let words: string[];
  try {
    words = write(file, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw outputError(path, cause);
  }
  const paint = painter(io.stdout);
  const room = Math.max(54, (io.stdout.columns ?? 100) - 1);
  const line = (label: string, text: string) =>
    io.stdout.write(`${labelled(label.padEnd(8), text, { paint, room }).join('\n')}\n`);
  io.stdout.write('\n');
  line('model', file.path);
  line('', describeSaved(file.saved));
  line('saved in', path);
  for (const each of words) line('', each);
  io.stdout.write('\n');
  return 0;
}
