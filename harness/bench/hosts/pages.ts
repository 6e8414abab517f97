/** The built pages of benchmarks, served: to a headless browser, and to a person's (`downhill bench --page`). */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DownhillError } from '../../../src/index.js';
import type { Io } from '../../common/io.js';
import { packageRoot } from '../../common/versions.js';
import { type Served, serve } from '../../pages/server.js';

/** @throws DownhillError INTERNAL where they are not built. */
export function serveBench(): Promise<Served> {
  const pages = join(packageRoot(), 'dist/pages');
  for (const page of ['bench.html', 'bench-case.html']) {
    if (existsSync(join(pages, page))) continue;
    throw new DownhillError('INTERNAL', `The pages are not built: ${pages} has no ${page}.`, 'Run: npm run build');
  }
  const folder = join(packageRoot(), 'dist/peers/web');
  // None where the peers are not built: a page then reports each as missing.
  const peers = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }).filter((each) => each.isFile()) : [];
  const files = Object.fromEntries(peers.map(({ name }) => [`/peers/${name}`, join(folder, name)]));
  return serve(pages, { files, wasm: true });
}

/** Serves the page that measures in a person's own browser, until Ctrl+C. */
export async function servePage(io: Io): Promise<number> {
  const server = await serveBench();
  io.stdout.write(`\n  Open  ${server.url}bench.html\n\n  On this machine only. Ctrl+C ends it.\n\n`);
  await new Promise<void>((resolve) => {
    const stop = io.onInterrupt(() => {
      stop();
      resolve();
    });
  });
  await server.close();
  return 0;
}
