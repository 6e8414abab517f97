// The libraries that benchmarks compare with. They have a lockfile of their own, so that training, which needs none of
// them, does not wait for 65 MB of downloads.
import path from 'node:path';
import { ensurePeersBuild } from './build.mjs';
import { ensurePackages } from './packages.mjs';
import { ROOT } from './system.mjs';

/** Installs the peers' packages: type checks read them, and the build. */
export const ensurePeerPackages = () => ensurePackages(path.join(ROOT, 'harness/peers'), 'peers');

/** Installs and builds the peers where that is due. The packages of the root must be there. */
export function ensurePeers() {
  ensurePeerPackages();
  ensurePeersBuild();
}
