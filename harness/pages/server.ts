/**
 * A static server for built pages, for the time a test, a run or `downhill page` lasts.
 *
 * It listens on the loopback address only, and trusts nobody who can reach it: any web page
 * open on this machine can send requests here, and by a rebound name even read the answers. So: GET and HEAD only, our
 * own Host only, files under the root only, no directory listings.
 */
import { createReadStream, realpathSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, sep } from 'node:path';
import type { Io } from '../common/io.js';

export interface Served {
  /** Such as http://127.0.0.1:41234/ */
  readonly url: string;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** Files from elsewhere: path in the URL (such as '/data/images') to path on the disk. */
  readonly files?: Readonly<Record<string, string>>;
  /** Lets pages compile WebAssembly, and its threads start from blobs: for the libraries benchmarks compare with. */
  readonly wasm?: boolean;
  /** Content security policies of documents that have their own: path in the URL to policy. */
  readonly policies?: Readonly<Record<string, string>>;
  /** Default 0: one that the system picks. One that is taken rejects with Node's EADDRINUSE. */
  readonly port?: number;
}

const CONTENT_TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.wgsl': 'text/plain; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
};

// Inline styles: charts set them on the elements they draw. Images: pictures made in the page. Scripts: files only.
const POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self' blob:; " +
  "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** TensorFlow.js' threads fetch their code with importScripts from a blob. `eval` of strings stays forbidden. */
const WASM_SCRIPTS = "script-src 'self' 'wasm-unsafe-eval' blob:";

/** Sent with every answer, refusals included. */
const headers = (wasm: boolean) => ({
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': wasm ? `${POLICY}; ${WASM_SCRIPTS}` : POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
});

/** Serves the folder `root` until `close()`. */
export async function serve(root: string, options: ServeOptions = {}): Promise<Served> {
  const base = realpathSync(root);
  const site: Site = {
    base,
    files: new Map(Object.entries(options.files ?? {})),
    policies: new Map(Object.entries(options.policies ?? {})),
  };
  const sent = Object.entries(headers(options.wasm ?? false));
  const server = createServer((request, response) => {
    for (const [name, value] of sent) response.setHeader(name, value);
    answer(request, response, site, (server.address() as AddressInfo).port).catch(() => refuse(response, 500));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections(); // a browser keeps its connections open for minutes
      }),
  };
}

/** Keeps a server until Ctrl+C, or another signal. @returns the exit code that tells of it */
export async function untilInterrupted(server: Served, io: Io): Promise<number> {
  const code = await new Promise<number>((resolve) => {
    const stop = io.onInterrupt((code) => {
      stop();
      resolve(code);
    });
  });
  await server.close();
  return code;
}

interface Site {
  readonly base: string;
  readonly files: ReadonlyMap<string, string>;
  readonly policies: ReadonlyMap<string, string>;
}

async function answer(request: IncomingMessage, response: ServerResponse, site: Site, port: number): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, { Allow: 'GET, HEAD' });
  // Against DNS rebinding: a foreign name that resolves to 127.0.0.1 still shows in this header.
  const { host } = request.headers;
  if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`) return refuse(response, 403);

  const path = urlPath(request.url ?? '');
  const file = path === undefined ? undefined : (site.files.get(path) ?? (await fileUnder(site.base, path)));
  const info = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || !info?.isFile()) return refuse(response, 404);

  const name = path === '/' ? '/index.html' : path!;
  const policy = site.policies.get(name);
  if (policy !== undefined) response.setHeader('Content-Security-Policy', policy);
  response.writeHead(200, {
    'Content-Type': CONTENT_TYPES[extname(name).toLowerCase()] ?? 'application/octet-stream',
    'Content-Length': info.size,
  });
  if (request.method === 'HEAD' || info.size === 0) return void response.end();
  // `end` keeps to the length announced, should the file grow meanwhile.
  createReadStream(file, { end: info.size - 1 })
    .on('error', () => response.destroy())
    .pipe(response);
}

/**
 * The path of a request's target, decoded once; undefined when it is one that no page of ours asks for.
 * A leading dot also excludes hidden files; ':' and '\' mean something to Windows; a '%' left over is a second encoding.
 */
function urlPath(target: string): string | undefined {
  let path: string;
  try {
    path = decodeURIComponent(target.split(/[?#]/, 1)[0]!);
  } catch {
    return undefined;
  }
  if (!path.startsWith('/')) return undefined; // also the form 'GET http://elsewhere/'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  if (/[\\:%\u0000-\u001f\u007f]/.test(path)) return undefined;
  const parts = path.slice(1).split('/');
  if (parts.some((part, i) => part.startsWith('.') || (part === '' && i < parts.length - 1))) return undefined;
  return path;
}

/** The file a checked path names under `base`, links followed; undefined when there is none, or it lies outside. */
async function fileUnder(base: string, path: string): Promise<string | undefined> {
  try {
    const file = await realpath(join(base, path === '/' ? 'index.html' : path));
    return file.startsWith(base.endsWith(sep) ? base : base + sep) ? file : undefined;
  } catch {
    return undefined;
  }
}

function refuse(response: ServerResponse, status: number, more: Record<string, string> = {}): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { ...more, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${status}\n`);
}
