/** The machine under the adapter, for the report. */
import { execFileSync } from 'node:child_process';
import { arch, availableParallelism, cpus, platform, release } from 'node:os';
import { packageRoot } from '../../common/versions.js';
import type { Machine } from '../contract.js';

export const hardware = (): Pick<Machine, 'cores' | 'cpu' | 'os'> => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() || 'unknown CPU',
  os: `${platform()} ${release()} ${arch()}`,
});

/** Put in by the build; the tests run without one. */
declare const __BUILT_FROM__: string | undefined;

/** The commit that runs, with '+' where the tree has changes; outside a repository what the build knew, or null. */
export function commitOf(): string | null {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: packageRoot(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? '+' : '');
  } catch {
    return (typeof __BUILT_FROM__ === 'string' && __BUILT_FROM__) || null;
  }
}
