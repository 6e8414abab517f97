/** `downhill predict`: what a saved network says of samples. */
import { existsSync } from 'node:fs';
import { createPredictor, DownhillError, describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { count } from '../common/format.js';
import { type Io, interruptible, painter } from '../common/io.js';
import { outputError } from '../common/output.js';
import { findGpu } from '../common/quiet.js';
import { labelled } from '../common/table.js';
import { writeWhole } from '../common/whole-file.js';
import { type PredictCommand, parsePredict, predictHelp } from './options.js';
import { csvText, npyBytes, type Predictions, tableLines, verdict } from './predictions.js';
import { type Asked, loadSamples } from './samples.js';
import { describeSaved, readSaved, type SavedFile } from './saved.js';

/** Characters of a line where there is no terminal. */
const COLUMNS = 100;

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong
 */
export async function predict(args: readonly string[], io: Io): Promise<number> {
  const command = parsePredict(args);
  if (command === 'help') {
    io.stdout.write(predictHelp());
    return 0;
  }
  return interruptible(io, async (signal) => {
    // Everything that can be wrong is looked at before a device is asked for.
    const file = readSaved(command.model);
    checkFree(command.out?.path, command.force);
    const asked = await loadSamples(command.source, file.saved, io, signal);
    const { adapter, outputs } = await ask(file, asked, signal);
    const predictions = { saved: file.saved, asked, outputs };
    report({ command, file, adapter, predictions }, io);
    return 0;
  });
}

/** @throws DownhillError OUTPUT-UNWRITABLE where there is something, and nobody said that it may go */
export function checkFree(path: string | undefined, force: boolean): void {
  if (path === undefined || force || !existsSync(path)) return;
  throw new DownhillError(
    'OUTPUT-UNWRITABLE',
    `There is a ${path} already.`,
    'Name another one with --out, or add --force.',
  );
}

async function ask({ saved }: SavedFile, { x }: Asked, signal: AbortSignal) {
  await findGpu();
  signal.throwIfAborted();
  const device = await requestDevice({ label: 'downhill:predict' });
  try {
    const predictor = await createPredictor(device, saved);
    const outputs = await predictor.predict(x);
    predictor.destroy();
    signal.throwIfAborted();
    return { adapter: describeAdapter(device), outputs };
  } finally {
    device.destroy();
  }
}

interface Answer {
  readonly command: PredictCommand;
  readonly file: SavedFile;
  readonly adapter: ReturnType<typeof describeAdapter>;
  readonly predictions: Predictions;
}

function report({ command: { out, show }, file, adapter, predictions }: Answer, io: Io): void {
  const paint = painter(io.stdout);
  const room = Math.max(54, (io.stdout.columns ?? COLUMNS) - 1);
  const say = (text = '') => io.stdout.write(`${text}\n`);
  const line = (label: string, text: string) => say(labelled(label.padEnd(8), text, { paint, room }).join('\n'));
  say();
  line('adapter', adapter.name);
  line('model', file.path);
  line('', describeSaved(file.saved));
  line('data', predictions.asked.words);
  const found = verdict(predictions);
  if (found !== undefined) line('result', paint('bold', found));
  say();
  for (const each of tableLines(predictions, show, paint, room)) say(each);
  const more = predictions.asked.samples - show;
  if (out) {
    try {
      writeWhole(out.path, out.format === 'csv' ? csvText(predictions) : npyBytes(predictions));
    } catch (cause) {
      throw outputError(out.path, cause);
    }
    say();
    line('saved in', out.path);
  } else if (more > 0) say(paint('gray', `  … and ${count(more)} more; --out FILE.csv keeps them all`));
  say();
}
