/** `downhill bench --page`: the page that measures in a person's own browser, served until Ctrl+C. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DownhillError } from '../../src/index.js';
import type { Io } from '../common/io.js';
import { packageRoot } from '../common/versions.js';
import { serve } from '../pages/server.js';
import { peerFiles } from './hosts/peer-files.js';

export async function servePage(io: Io): Promise<number> {
  const pages = join(packageRoot(), 'dist/pages');
  if (!existsSync(join(pages, 'bench.html'))) {
    throw new DownhillError('INTERNAL', `The pages are not built: ${pages} has no bench.html.`, 'Run: npm run build');
  }
  const server = await serve(pages, { files: peerFiles(), wasm: true });
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
