/** `downhill page`: the built pages, served to the person's own browser until Ctrl+C. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DownhillError } from '../../src/index.js';
import type { Io } from '../common/io.js';
import { builtPages, peerFiles } from './built.js';
import { PORT, pageHelp, parsePage } from './options.js';
import { type Served, serve, untilInterrupted } from './server.js';

/**
 * @param folder of the built pages; tests have their own
 * @returns the exit code
 * @throws DownhillError OPTION-* for flags and ports that cannot be used, INTERNAL where the pages are not built
 */
export async function page(args: readonly string[], io: Io, folder: string = builtPages()): Promise<number> {
  const command = parsePage(args);
  if (command === 'help') {
    io.stdout.write(pageHelp());
    return 0;
  }
  const server = await servePages(folder, command.port);
  const elsewhere = command.port === undefined && new URL(server.url).port !== String(PORT);
  io.stdout.write(`\n  Open  ${server.url}\n\n  On this machine only. Ctrl+C ends it.\n`);
  if (elsewhere)
    io.stdout.write(`  Port ${PORT} is taken; runs that the browser keeps of that address are not on this one.\n`);
  io.stdout.write('\n');
  if (command.open) openBrowser(server.url, io);
  return untilInterrupted(server, io);
}

/** @param port undefined: the usual one, or another where that is taken */
async function servePages(folder: string, port: number | undefined): Promise<Served> {
  if (!existsSync(join(folder, 'index.html')))
    throw new DownhillError('INTERNAL', `The pages are not built: ${folder} has no index.html.`, 'Run: npm run build');
  const options = { files: peerFiles(), policies: policiesIn(folder) };
  try {
    return await serve(folder, { ...options, port: port ?? PORT });
  } catch (cause) {
    // Taken, or kept for the system.
    if (!/^(EADDRINUSE|EACCES)$/.test(String((cause as NodeJS.ErrnoException).code))) throw cause;
    if (port === undefined) return serve(folder, options);
    const taken = `Nothing can listen on port ${port}: ${(cause as Error).message}.`;
    throw new DownhillError('OPTION-RANGE', taken, 'Name another port, or leave out --port.', cause);
  }
}

/**
 * Every page has its policy in a <meta>, for wherever it lies; served, it comes as a header, too, and with what only a header
 * can say: no frames around it. One source, so that what is served cannot be laxer.
 */
function policiesIn(folder: string): Record<string, string> {
  const pages = readdirSync(folder).filter((name) => name.endsWith('.html'));
  return Object.fromEntries(
    pages.flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      const policy = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(text)?.[1];
      return policy ? [[`/${name}`, `${policy}; frame-ancestors 'none'`]] : [];
    }),
  );
}

/** Hands the address to the system, which knows the person's browser. What fails is said, and the page is served all the same. */
function openBrowser(url: string, io: Io): void {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler']
        : ['xdg-open'];
  const child = spawn(command!, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () => io.stderr.write(`  ${command} does not start here: open the address yourself.\n\n`));
  child.unref();
}
