/** Where a child trains its jobs: in this process, or in a page. */
import { describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { type RunPackOptions, runPack } from '../../src/search/index.js';
import type { Io } from '../common/io.js';
import { findGpu } from '../common/quiet.js';
import { prepare } from '../search/command.js';
import { objectiveOf } from '../search/spec.js';
import type { PackJob } from './spec.js';

export type Prepared = Awaited<ReturnType<typeof prepare>>;

export interface PackHost {
  /** As `runPack`: rejects with the signal's reason where that ended it. */
  run(job: PackJob, options: RunPackOptions & { readonly signal: AbortSignal }): Promise<void>;
  close(): void | Promise<void>;
}

/** Keeps the data of the last job: jobs of one sweep have the same. */
export class JobDataCache {
  #last: { readonly key: string; readonly prepared: Prepared } | undefined;

  constructor(readonly io: Io) {}

  async of({ train }: Pick<PackJob, 'train'>, signal: AbortSignal): Promise<Prepared> {
    const key = JSON.stringify(train);
    if (this.#last?.key !== key) {
      this.#last = undefined;
      this.#last = { key, prepared: await prepare({ train }, this.io, true, signal) };
    }
    return this.#last.prepared;
  }
}

/** @param onReady told of the adapter, once */
export async function nodeHost(io: Io, onReady: (adapter: string) => void): Promise<PackHost> {
  await findGpu();
  const device = await requestDevice({ label: 'downhill:sweep' });
  onReady(describeAdapter(device).name);
  const data = new JobDataCache(io);
  return {
    async run(job, options) {
      const prepared = await data.of(job, options.signal);
      await runPack(device, objectiveOf(job, prepared, prepared.steps), options);
    },
    close: () => device.destroy(),
  };
}
