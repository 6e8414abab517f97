/** The machine under the adapter, for the report. */
import { execFileSync } from 'node:child_process';
import { arch, availableParallelism, cpus, platform, release } from 'node:os';
import { packageRoot } from '../../train/versions.js';
import type { Machine } from '../contract.js';

export const hardware = (): Pick<Machine, 'cores' | 'cpu' | 'os'> => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() || 'unknown CPU',
  os: `${platform()} ${release()} ${arch()}`,
});

/** The commit this was built from, with '+' where the tree has changes; null outside a repository. */
export function commitOf(): string | null {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: packageRoot(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? '+' : '');
  } catch {
    return null;
  }
}
