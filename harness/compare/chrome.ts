/** Does a chapter in a page of a headless browser; what comes back is as it is in Node. */
import { callPage, unlessSilent, withPage } from '../pages/job.js';
import { shareFiles } from '../train/chrome.js';
import type { TrainConfig } from '../train/config.js';
import type { JobBytes } from '../train/node.js';
import type { Asked, LabEvent } from './lab.js';
import type { CompareAnswer, CompareJob } from './page.js';

/** Between two steps a shape of network may be compiled, which takes minutes on a CPU adapter with other work. */
const SILENCE_MS = 300_000;

export async function conductInChrome(
  { chapter, amounts, log, quick }: Asked,
  flags: CompareJob['flags'],
  config: TrainConfig,
  files: JobBytes | undefined,
  tell: (event: LabEvent) => void,
  signal: AbortSignal,
): Promise<CompareAnswer & { readonly versions: Readonly<Record<string, string>> }> {
  const shared = shareFiles(files);
  return withPage('compare.html', shared.served, signal, async ({ page, url, versions }) => {
    const job: CompareJob = { name: chapter.name, flags, amounts, log, quick, config };
    const answer = await unlessSilent(SILENCE_MS, tell, (heard) =>
      callPage<CompareAnswer>(page, url, { signal, args: [job, shared.files], told: { downhillTell: heard } }),
    );
    return { ...answer, versions };
  });
}
