/** Data sets by name: downloads them the first time, and tells how far that is. */
import { DATASETS, type DownloadProgress, datasetFiles, type NamedDataset } from '../../src/node/index.js';
import { bytesText, duration } from '../common/format.js';
import type { Io } from '../common/io.js';
import { Progress } from '../common/progress.js';
import type { IdxBytes } from './node.js';
import { writeJson } from './reporter.js';

/** The sets that --data takes by name. */
export const NAMED = Object.keys(DATASETS) as readonly NamedDataset[];

/** Over which the rate is taken, and before which it says little. */
const RATE_MS = 3000;
const RATE_LEAST_MS = 500;

/** '4.1/11.6 MB', the rate and the time left, the file. */
export function downloadParts({ file, received, bytes }: DownloadProgress, rate: number | undefined): string[] {
  const total = bytesText(bytes);
  const [, unit] = total.split(' ') as [string, string];
  const parts = [
    `${bytesText(received, unit)
      .replace(` ${unit}`, '')
      .padStart(total.length - unit.length - 1)}/${total}`,
  ];
  if (rate !== undefined && rate > 0) {
    parts.push(`${bytesText(rate)}/s`.padStart(10));
    if (received < bytes) parts.push(`${duration((bytes - received) / rate)} left`.padEnd(11));
  }
  return [...parts, file];
}

/**
 * The files of a set: from the cache, or downloaded into it.
 *
 * @throws DownhillError DATA-NOT-FOUND, OUTPUT-UNWRITABLE; the signal's reason.
 */
export async function fetchNamed(
  name: NamedDataset,
  { io, json, signal, now = () => performance.now() }: Fetching,
): Promise<IdxBytes & { readonly folder: string }> {
  const line = new Progress(io.stdout, now);
  const { title } = DATASETS[name];
  const times: { received: number; time: number }[] = [];
  let first: DownloadProgress | undefined;
  const onProgress = (progress: DownloadProgress) => {
    if (!first && json) writeJson(io, { type: 'download', name, bytes: progress.bytes, host: progress.host });
    if (!first && !json) line.say(`Downloading ${title}, ${bytesText(progress.bytes)}, from ${progress.host}`);
    first ??= progress;
    const time = now();
    times.push({ received: progress.received, time });
    while (times.length > 2 && times[1]!.time < time - RATE_MS) times.shift();
    const span = time - times[0]!.time;
    const rate = span >= RATE_LEAST_MS ? (1000 * (progress.received - times[0]!.received)) / span : undefined;
    if (!json) line.draw(downloadParts(progress, rate), progress.received / progress.bytes);
  };
  try {
    const files = await datasetFiles(name, { signal, onProgress });
    line.clear();
    if (first && !json) line.say(`It is kept in ${files.folder}`);
    return files;
  } catch (error) {
    if (signal.aborted && json) writeJson(io, { type: 'stopping' });
    else if (signal.aborted) line.say('Stopped; the next time the download goes on from here.');
    throw error;
  } finally {
    line.clear();
  }
}

interface Fetching {
  readonly io: Io;
  readonly json: boolean;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}
