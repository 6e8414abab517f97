/** Where this package is, and what it and its peers are called by version; the same from source and from dist/. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from '../../package.json';

/** The folder with our package.json, whatever file of it this code was bundled into. */
export function packageRoot(): string {
  const file = fileURLToPath(import.meta.url);
  // A machine may have dist/ and nothing else of us.
  const alone = /[\\/]dist[\\/]cli[\\/][^\\/]+$/.test(file) ? resolve(file, '../../..') : process.cwd();
  return rootAbove(file, 'downhill') ?? alone;
}

/** The version of an installed package; undefined when it is not there. */
export function versionOf(name: string): string | undefined {
  if (name === 'downhill') return version;
  try {
    const root = rootAbove(createRequire(import.meta.url).resolve(name), name);
    return root && JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
  } catch {
    return undefined;
  }
}

function rootAbove(file: string, name: string): string | undefined {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === name) return folder;
  }
  return undefined;
}

/** Put in by the build; the tests run without one. */
declare const __BUILT_FROM__: string | undefined;

/** The commit that runs, with '+' where the tree has changes; outside a repository what the build knew, or null. */
export function commitOf(): string | null {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: packageRoot(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  const built = (typeof __BUILT_FROM__ === 'string' && __BUILT_FROM__) || null;
  // An installed package lies in somebody else's repository.
  if (!existsSync(join(packageRoot(), '.git'))) return built;
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? '+' : '');
  } catch {
    return built;
  }
}
