/** A report on its way out of the page, as the file that --compare reads and as text for an issue or a mail; and into it. */
import type { Report } from '../../harness/bench/contract.js';
import { markdown } from '../../harness/bench/report/markdown.js';
import { byId, setText } from '../shell/dom.js';
import { hideProblem, showProblem } from '../shell/notice.js';
import { saveFile } from '../shell/save.js';

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
  byId('compare-label').hidden = !on;
}

/** Hands over the text of a file that a person chooses; what cannot be used of it is said. */
export function offerFile(id: string, take: (text: string, name: string) => Promise<void>): void {
  const input = byId<HTMLInputElement>(id);
  input.addEventListener('change', async () => {
    const [file] = input.files ?? [];
    if (!file) return;
    try {
      await take(await file.text(), file.name);
      hideProblem();
    } catch (error) {
      showProblem(error, 'This file is not used');
    } finally {
      input.value = ''; // so that the same file can be chosen again
    }
  });
}

function download(report: Report): void {
  const day = report.started.slice(0, 16).replace(/[T:]/g, '-');
  saveFile(`downhill-bench-${day}.json`, `${JSON.stringify(report, null, 1)}\n`);
}

let timer: ReturnType<typeof setTimeout> | undefined;

function say(text: string): void {
  setText(byId('output-note'), text);
  clearTimeout(timer);
  timer = setTimeout(() => setText(byId('output-note'), ''), NOTE_MS);
}
