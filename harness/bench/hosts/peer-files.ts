/** The peers' built modules, for the server of a page. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../common/versions.js';

/** Path in the URL to path on the disk. Empty where the peers are not built: a page then reports each as missing. */
export function peerFiles(): Record<string, string> {
  const folder = join(packageRoot(), 'dist/peers/web');
  if (!existsSync(folder)) return {};
  return Object.fromEntries(
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => [`/peers/${name}`, join(folder, name)]),
  );
}
