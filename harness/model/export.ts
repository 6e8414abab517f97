/** `downhill export`: a saved network in the formats of other programs. */
import { basename, dirname, join } from 'node:path';
import { decodeSafetensors, encodeNpy, encodeSafetensors, type SavedModel } from '../../src/index.js';
import { toOnnx } from '../../src/onnx/index.js';
import { bytesText, plural } from '../common/format.js';
import { type Io, painter } from '../common/io.js';
import { OutFolder, outFile } from '../common/out-folder.js';
import { labelled } from '../common/table.js';
import { exportHelp, type Format, parseExport } from './options.js';
import { describeSaved, readSaved, type SavedFile } from './saved.js';

interface Exporter {
  /** What comes behind the model's own name. */
  readonly suffix: string;
  /** Writes it. @param force over what is there @returns what it is, for people */
  write(file: SavedFile, path: string, force: boolean): string[];
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
    write({ saved }, path, force) {
      const bytes = toOnnx(saved);
      outFile(path, force)(bytes);
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
    write({ saved }, path, force) {
      const tensors = tensorsOf(saved);
      const files = Object.fromEntries(
        tensors.map(([name, { values, shape }]) => [`${name}.npy`, encodeNpy(values, shape)]),
      );
      const folder = new OutFolder(path, { what: 'an export', files: Object.keys(files), force });
      try {
        folder.write(files);
      } finally {
        folder.close();
      }
      return [
        `${plural(tensors.length, 'file')}: ${tensors.map(([name]) => `${name}.npy`).join(', ')}`,
        'weights are [out, in]',
      ];
    },
  },
  safetensors: {
    suffix: '-weights.safetensors',
    write({ saved, bytes }, path, force) {
      const { tensors, metadata } = decodeSafetensors(bytes);
      const own = new Map(tensorsOf(saved).map(([name]) => [name, tensors.get(name)!]));
      const { 'downhill.state': _, ...texts } = Object.fromEntries(metadata);
      const kind = { ...JSON.parse(texts.downhill ?? '{}'), kind: 'model' };
      const file = encodeSafetensors(own, { ...texts, downhill: JSON.stringify(kind) });
      outFile(path, force)(file);
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
  const words = write(file, path, command.force);
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
