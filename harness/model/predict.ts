/** `downhill predict`: what a saved network says of samples. */
import { createPredictor, describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { count } from '../common/format.js';
import { interruptible, LEAVING } from '../common/interrupt.js';
import { type Io, painter } from '../common/io.js';
import { outFile } from '../common/out-folder.js';
import { findGpu } from '../common/quiet.js';
import { labelled } from '../common/table.js';
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
  return interruptible(io, LEAVING, async (signal) => {
    // Everything that can be wrong is looked at before a device is asked for.
    const file = readSaved(command.model);
    const write = command.out && outFile(command.out.path, command.force);
    const asked = await loadSamples(command.source, file.saved, io, signal);
    const { adapter, outputs } = await ask(file, asked, signal);
    const predictions = { saved: file.saved, asked, outputs };
    report({ command, file, adapter, predictions, write }, io);
    return 0;
  });
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
  /** Of --out. */
  readonly write: ReturnType<typeof outFile> | undefined;
}

function report({ command: { out, show }, file, adapter, predictions, write }: Answer, io: Io): void {
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
  if (out && write) {
    write(out.format === 'csv' ? csvText(predictions) : npyBytes(predictions));
    say();
    line('saved in', out.path);
  } else if (more > 0) say(paint('gray', `  … and ${count(more)} more; --out FILE.csv keeps them all`));
  say();
}
