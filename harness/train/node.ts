/** Runs a job in this process, on Dawn; and what else of a run needs Node's files. */
import { DownhillError } from '../../src/index.js';
import { type IdxFiles, idxFolder, idxParts, requestDevice } from '../../src/node/index.js';
import { errorParts } from '../common/io.js';
import { findGpu } from '../common/quiet.js';
import { versionOf } from '../common/versions.js';
import type { TrainConfig } from './config.js';
import { buildData, type IdxParts, type JobData } from './data.js';
import type { Emit, JobResult } from './events.js';
import { runJob } from './job.js';

export async function runInNode(
  config: TrainConfig,
  data: JobData,
  emit: Emit,
  signal: AbortSignal,
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
    return await runJob(device, config, data, emit, signal);
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

/** `buildData` whose errors also name the folder. */
export async function loadData(config: TrainConfig, files?: IdxBytes): Promise<JobData> {
  try {
    return await buildData(config, files);
  } catch (error) {
    if (!(error instanceof DownhillError) || config.data.kind !== 'idx') throw error;
    const { message, fix } = errorParts(error);
    throw new DownhillError(error.code, `${config.data.folder}: ${message}`, fix, error);
  }
}
