/** Runs a job in a page of a headless browser: the page trains, its events come back as they do in Node. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DownhillError, type MeasuredPlan } from '../../src/index.js';
import { scratchFolder } from '../common/scratch.js';
import { callPage, SILENCE_MS, unlessSilent, withPage } from '../pages/job.js';
import type { TrainConfig } from './config.js';
import type { JobFiles } from './data.js';
import type { Emit, JobCheckpoints, JobEvent, JobResult } from './events.js';
import type { JobBytes } from './node.js';
import type { SavedPart } from './page.js';

export async function runInChrome(
  config: TrainConfig,
  files: JobBytes | undefined,
  emit: Emit,
  signal: AbortSignal,
  { silenceMs = SILENCE_MS, from, goOn = false, save, plans }: JobCheckpoints & { readonly silenceMs?: number } = {},
): Promise<JobResult> {
  const { served, files: addresses, checkpoint } = shareFiles(files, from);
  return withPage('train.html', served, signal, ({ page, url, versions }) => {
    emit({ type: 'runtime', versions });
    return unlessSilent(silenceMs, emit, async (heard) => {
      let result: JobResult | undefined;
      const pieces: Buffer[] = [];
      await callPage<null>(page, url, {
        ...{ signal, args: [config, addresses, checkpoint, goOn] },
        told: {
          downhillEmit: (event: JobEvent) => {
            if (event.type === 'result') result = event.result;
            heard(event);
          },
          downhillSave: async (base64: string, last: SavedPart | null) => {
            pieces.push(Buffer.from(base64, 'base64'));
            if (!last) return;
            const bytes = Buffer.concat(pieces.splice(0));
            await save?.(bytes, last.kind, last.step);
          },
        },
        asked: {
          // Of nothing a page gets null, which is no plan.
          downhillPlan: async (key: string) => plans?.load(key),
          downhillKeepPlan: async (key: string, plan: MeasuredPlan) => plans?.save(key, plan),
        },
      });
      if (!result) throw new DownhillError('INTERNAL', 'The page gave no result.', 'Report this with the message.');
      return result;
    });
  });
}

/** What the page reads, by its addresses. */
interface Shared {
  /** Path in the URL to path on the disk. */
  readonly served: Readonly<Record<string, string>>;
  readonly files: JobFiles | undefined;
  readonly checkpoint: string | undefined;
}

/** Puts the bytes where the server can serve them from: a folder of their own, and nothing else of the disk. */
export function shareFiles(files: JobBytes | undefined, checkpoint?: Uint8Array): Shared {
  const served: Record<string, string> = {};
  let folder: string | undefined;
  const share = (name: string, bytes: Uint8Array) => {
    folder ??= scratchFolder();
    served[`/data/${name}`] = join(folder, name);
    writeFileSync(join(folder, name), bytes);
    return `/data/${name}`;
  };
  const pair = (part: string, { images, labels }: { images: Uint8Array; labels: Uint8Array }) => ({
    images: share(`${part}-images`, images),
    labels: share(`${part}-labels`, labels),
  });
  const addresses = (all: JobBytes): JobFiles =>
    'files' in all
      ? { files: all.files.map((bytes, i) => share(`file-${i}`, bytes)) }
      : { train: pair('train', all.train), ...(all.test ? { test: pair('test', all.test) } : {}) };
  return { served, files: files && addresses(files), checkpoint: checkpoint && share('checkpoint', checkpoint) };
}
