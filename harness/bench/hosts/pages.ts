/** The built pages of benchmarks, served: to a headless browser, and to a person's (`downhill bench --page`). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DownhillError } from '../../../src/index.js';
import type { Io } from '../../common/io.js';
import { builtPages, peerFiles } from '../../pages/built.js';
import { type Served, serve, untilInterrupted } from '../../pages/server.js';

/** @throws DownhillError INTERNAL where they are not built. */
export function serveBench(): Promise<Served> {
  const pages = builtPages();
  for (const page of ['bench.html', 'bench-case.html']) {
    if (existsSync(join(pages, page))) continue;
    throw new DownhillError('INTERNAL', `The pages are not built: ${pages} has no ${page}.`, 'Run: npm run build');
  }
  return serve(pages, { files: peerFiles(), wasm: true });
}

/** Serves the page that measures in a person's own browser, until Ctrl+C. */
export async function servePage(io: Io): Promise<number> {
  const server = await serveBench();
  io.stdout.write(`\n  Open  ${server.url}bench.html\n\n  On this machine only. Ctrl+C ends it.\n\n`);
  return untilInterrupted(server, io);
}
