/** What is built for pages, and where it lies. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../common/versions.js';

/** The folder of the built pages, whether it is there or not. */
export const builtPages = (): string => join(packageRoot(), 'dist/pages');

/** The peers by their paths in the URL. None where they are not built: a page then reports each as missing. */
export function peerFiles(): Record<string, string> {
  const folder = join(packageRoot(), 'dist/peers/web');
  const peers = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }).filter((each) => each.isFile()) : [];
  return Object.fromEntries(peers.map(({ name }) => [`/peers/${name}`, join(folder, name)]));
}
