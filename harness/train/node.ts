/** Runs a job in this process, on Dawn; and what else of a run needs Node's files. */
import { DownhillError } from '../../src/index.js';
import { type IdxFiles, idxFolder, idxParts, readPlainFile, requestDevice } from '../../src/node/index.js';
import { errorParts } from '../common/io.js';
import { findGpu } from '../common/quiet.js';
import { versionOf } from '../common/versions.js';
import { placeOf, type TrainConfig } from './config.js';
import { buildData, type IdxParts, type JobData, type Open, type PlainFiles } from './data.js';
import type { Emit, JobCheckpoints, JobResult } from './events.js';
import { runJob } from './job.js';

export async function runInNode(
  config: TrainConfig,
  data: JobData,
  emit: Emit,
  signal: AbortSignal,
  checkpoints: JobCheckpoints,
): Promise<JobResult> {
  emit({
    type: 'runtime',
    versions: {
      downhill: versionOf('downhill') ?? 'unknown',
      node: process.versions.node,
      webgpu: versionOf('webgpu') ?? 'unknown',
    },
  });
  await findGpu();
  const device = await requestDevice({ label: 'downhill:train' });
  try {
    return await runJob(device, config, data, emit, signal, checkpoints);
  } finally {
    device.destroy();
  }
}

/** The files of an IDX folder, as bytes. */
export interface IdxBytes extends IdxParts {
  readonly train: IdxFiles;
  readonly test?: IdxFiles;
}

/**
 * Reads the parts of a folder: train and t10k, or the one that is there.
 *
 * @throws DownhillError DATA-NOT-FOUND.
 */
export async function readIdx(folder: string): Promise<IdxBytes> {
  const parts = await idxParts(folder);
  const train = await idxFolder(folder);
  return parts.length === 2 ? { train, test: await idxFolder(folder, 't10k') } : { train };
}

/** The files of a table or of NumPy, as bytes. */
export interface PlainBytes extends PlainFiles {
  readonly files: readonly Uint8Array[];
}

export type JobBytes = IdxBytes | PlainBytes;

/** @throws DownhillError DATA-NOT-FOUND. */
export async function readPlain(paths: readonly string[]): Promise<PlainBytes> {
  const files = paths.map(async (path) => {
    try {
      return await readPlainFile(path);
    } catch (cause) {
      const message = `The data file '${path}' cannot be read: ${(cause as Error).message}.`;
      throw new DownhillError('DATA-NOT-FOUND', message, 'Check that it is a file and that you may read it.', cause);
    }
  });
  return { files: await Promise.all(files) };
}

/** `buildData` whose errors also name the folder or file. */
export async function loadData(config: TrainConfig, files?: JobBytes, open?: Open): Promise<JobData> {
  try {
    return await buildData(config, files, open);
  } catch (error) {
    const place = placeOf(config.data);
    if (!(error instanceof DownhillError) || place === undefined) throw error;
    const { message, fix } = errorParts(error);
    throw new DownhillError(error.code, `${place}: ${message}`, fix, error);
  }
}
