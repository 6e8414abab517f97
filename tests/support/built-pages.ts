import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { build } from 'vite';

/*
 * The pages, built once for all test files that open them: a build takes seconds, and there are many such files. It lies in
 * the temporary folder under the hash of what it was made from, so that nobody tests yesterday's code.
 */

const PREFIX = 'downhill-pages-';
const SOURCES = ['app', 'src', 'shaders', 'harness'];
const SINGLE = ['vite.config.ts', 'package.json', 'package-lock.json'];
/** A build that somebody else began is given up after this. */
const LOCK_MS = 120_000;
const KEPT_MS = 24 * 3_600_000;

async function hashOfSources(): Promise<string> {
  const hash = createHash('sha256');
  const add = async (path: string) =>
    hash
      .update(path)
      .update('\0')
      .update(await readFile(path));
  for (const file of SINGLE) await add(file);
  for (const folder of SOURCES) {
    const paths = (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
      .map((entry) => join(entry.parentPath, entry.name));
    for (const path of paths.sort()) await add(path);
  }
  return hash.digest('hex').slice(0, 16);
}

const modified = async (path: string) => (await stat(path).catch(() => undefined))?.mtimeMs;

/** Builds of other sources that nobody has used for a day. */
async function prune(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(tmpdir(), name);
    if (Date.now() - ((await modified(path)) ?? Date.now()) > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}

/** The folder of the built pages. */
export async function builtPages(): Promise<string> {
  const folder = join(tmpdir(), `${PREFIX}${await hashOfSources()}`);
  const lock = `${folder}.lock`;
  for (;;) {
    if (await modified(folder)) return folder;
    const mine = await mkdir(lock).then(
      () => true,
      () => false,
    );
    if (mine) break;
    if (Date.now() - ((await modified(lock)) ?? Date.now()) > LOCK_MS) await rm(lock, { recursive: true, force: true });
    await wait(100);
  }
  try {
    await prune();
    const own = await mkdtemp(join(tmpdir(), `${PREFIX}new-`));
    await build({ mode: 'pages', logLevel: 'error', build: { outDir: own } });
    await rename(own, folder); // whole or not at all
    return folder;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}
