import { modelOf } from '../../harness/train/model.js';
import { type AdapterReport, tensorsOf } from '../../src/index.js';
import { configOf, outlineOf } from '../experiment/config.js';
import type { FileChooser } from '../experiment/files.js';
import type { Settings } from '../experiment/settings.js';
import { bytes, count } from '../shell/format.js';

/* What no trainer of this adapter can do, told before anything of the last run goes. What is not found here the library refuses
 * before any GPU work, and the last run stays in sight as well. */

/** Why these settings cannot be trained; '' where nothing speaks against it. */
export function limitOf(settings: Settings, files: FileChooser, adapter: AdapterReport): string {
  const shape = outlineOf(settings, files.read)?.shape;
  if (!shape) return '';
  const { sampling, batchSize, rule } = settings;
  if (sampling !== 'full' && batchSize > shape.train)
    return `The batch size, ${count(batchSize)}, is more than the ${count(shape.train)} samples to train on.`;
  const parameters = tensorsOf(modelOf(configOf(settings, shape))).reduce(
    (sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1),
    0,
  );
  // The weights, their gradient, and what the rule remembers. A network is in several buffers where it must; a page stays
  // within one's size, so that it draws the weights in seconds, and no tab ends for want of memory.
  const needed = 4 * parameters * (2 + rule.row.slots(rule.hyper as never).length);
  const { maxBufferSize } = adapter.limits;
  if (needed <= maxBufferSize) return '';
  return `${count(parameters)} parameters take ${bytes(needed)} with gradient and state; a page takes ${bytes(maxBufferSize)} here.`;
}
