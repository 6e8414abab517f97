import type { Texts } from '../experiment/settings.js';
import { setText } from './dom.js';

/** A note stays so long. */
const NOTE_MS = 6000;

/** What of settings no link carries, as a sentence; '' where it carries all. */
export function notInLink({ data }: Texts): string {
  if (data === 'painted') return 'Your points are not in it: whoever opens it paints their own.';
  return data === 'files' ? 'Your files are not in it: whoever opens it chooses their own.' : '';
}

/** Copies a link ('#v=2&…') with this page's address, and says so in `note`. */
export async function copyLink(link: string, settings: Texts, note: HTMLElement): Promise<void> {
  const { href } = new URL(link, location.href);
  const copied = await navigator.clipboard?.writeText(href).then(
    () => true,
    () => false,
  );
  const said = `${copied ? 'Copied.' : `Copy it from here: ${href}`} ${notInLink(settings)}`.trim();
  setText(note, said);
  if (copied) setTimeout(() => note.textContent === said && setText(note, ''), NOTE_MS);
}
