import { make } from './dom.js';

/** A browser may ask a person where to put a file before it reads it. */
const KEPT_MS = 60_000;

/** Gives a person a file. */
export function saveFile(name: string, content: string | Blob, type = 'application/json'): void {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
