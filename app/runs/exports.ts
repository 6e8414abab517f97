import { commandOf } from '../../harness/train/spell.js';
import { saveFile } from '../shell/save.js';
import { asCode } from './export/code.js';
import { csvOf } from './export/csv.js';
import { jsonOf } from './export/json.js';
import { pngOf } from './export/png.js';
import { svgOf } from './export/svg.js';
import type { Run } from './run.js';

/** One way to take a run along. */
export interface Export {
  readonly label: string;
  readonly hint: string;
  /** Why this run cannot be had so; undefined where it can. */
  missing?(run: Run): string | undefined;
  /** @returns what was done */
  act(run: Run): Promise<string> | string;
}

const noConfig = ({ about }: Run): string | undefined =>
  about.config ? undefined : 'Its data is of this page alone: the command line has no name for it.';

/** What repeats a run begins as it began: a rate that a person changed while it went is in no configuration. */
const changed = ({ marks }: Run): string =>
  marks.length > 0 ? ' It repeats the run as it began; what was changed on the way is not in it.' : '';

export const EXPORTS: readonly Export[] = [
  {
    label: 'run.json',
    hint: 'settings and metrics; downhill train --config run.json repeats the run',
    act: (run) => save(run, 'json', 'application/json', jsonOf(run)) + changed(run),
  },
  {
    label: 'CSV',
    hint: 'step, epoch, seconds, loss, test loss, accuracy',
    act: (run) => save(run, 'csv', 'text/csv', csvOf(run)),
  },
  { label: 'SVG', hint: 'the chart with its caption', act: (run) => save(run, 'svg', 'image/svg+xml', svgOf(run)) },
  {
    label: 'PNG',
    hint: 'the same as a picture',
    act: async (run) => save(run, 'png', 'image/png', await pngOf(run)),
  },
  {
    label: 'Weights',
    hint: 'the network as the run ended, safetensors',
    missing: ({ weights, going }) =>
      weights
        ? undefined
        : going
          ? 'They are there when the run has ended.'
          : 'They were not kept: those of a later run were, or the run broke off.',
    act: (run) => save(run, 'safetensors', 'application/octet-stream', run.weights!),
  },
  {
    label: 'Copy as code',
    hint: 'a program that trains the same with the library',
    missing: noConfig,
    act: async (run) => (await copy(run, 'js', asCode(run.about))) + changed(run),
  },
  {
    label: 'Copy as command',
    hint: 'npx downhill train …',
    missing: noConfig,
    act: async (run) => (await copy(run, 'sh', `${commandOf(run.about.config!)}\n`)) + changed(run),
  },
  {
    label: 'Copy the link',
    hint: 'opens this page with these settings',
    act: (run) => copy(run, 'txt', `${location.href.replace(/#.*$/, '')}${run.about.link}`),
  },
];

function save(run: Run, ending: string, type: string, content: string | Blob): string {
  const name = `${slug(run.name)}.${ending === 'json' ? 'run.json' : ending}`;
  saveFile(name, content, type);
  return `Saved ${name}.`;
}

/** Where the clipboard is refused, the text is saved as a file. */
async function copy(run: Run, ending: string, text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text);
    return 'Copied.';
  } catch {
    return save(run, ending, 'text/plain', text);
  }
}

/** A file's name of a run's. */
const slug = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 60) || 'run';
