/** A report on its way out of the page: as the file that --compare reads, and as text for an issue or a mail. */
import type { Report } from '../../harness/bench/contract.js';
import { markdown } from '../../harness/bench/report/markdown.js';
import { byId, make, setText } from '../dom.js';

const NOTE_MS = 4000;

/** @param report The one on the page, if any. */
export function offerOutputs(report: () => Report | undefined): void {
  byId('download').addEventListener('click', () => {
    const found = report();
    if (found) download(found);
  });
  byId('copy').addEventListener('click', async () => {
    const found = report();
    if (!found) return;
    const copied = await navigator.clipboard?.writeText(markdown(found)).then(
      () => true,
      () => false,
    );
    say(copied ? 'Copied.' : 'The browser did not let this page copy.');
  });
}

export function allowOutputs(on: boolean): void {
  for (const id of ['download', 'copy']) byId<HTMLButtonElement>(id).disabled = !on;
}

function download(report: Report): void {
  const url = URL.createObjectURL(new Blob([`${JSON.stringify(report, null, 1)}\n`], { type: 'application/json' }));
  const day = report.started.slice(0, 16).replace(/[T:]/g, '-');
  make('a', { href: url, download: `downhill-bench-${day}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // a browser may ask where to put it before it reads
}

let timer: ReturnType<typeof setTimeout> | undefined;

function say(text: string): void {
  setText(byId('output-note'), text);
  clearTimeout(timer);
  timer = setTimeout(() => setText(byId('output-note'), ''), NOTE_MS);
}
