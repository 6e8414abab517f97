/** Keeps off the terminal what Dawn says of every machine with lavapipe. */
import { closeSync, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { requestGpu } from '../../src/node/index.js';
import { scratchFolder } from './scratch.js';

/** Two limits that lavapipe states as a million, and that nothing here uses. */
const NOISE = /^Warning: maxDynamic\w+ artificially reduced from .*\n/gm;
const STDERR = 2;

/**
 * `requestGpu` with the file descriptor of stderr aside meanwhile, because Dawn's code writes there itself, and has no
 * switch for it. What else was written comes afterwards.
 */
export async function findGpu(): ReturnType<typeof requestGpu> {
  const restore = setAside();
  try {
    return await requestGpu();
  } finally {
    restore();
  }
}

function setAside(): () => void {
  let kept: number;
  let file: string;
  try {
    const stat = fstatSync(STDERR);
    // Opened again, a regular file would have a second position, and no longer share that of `> log 2>&1`.
    if (process.platform !== 'linux' || !(stat.isCharacterDevice() || stat.isFIFO())) return () => {};
    kept = openSync(`/proc/self/fd/${STDERR}`, 'w');
    file = join(scratchFolder(), 'stderr');
  } catch {
    return () => {}; // somebody else's terminal, after `su`
  }
  swap(file);
  return () => {
    swap(`/proc/self/fd/${kept}`);
    closeSync(kept);
    const text = readFileSync(file, 'utf8').replace(NOISE, '');
    if (text) writeSync(STDERR, text);
  };
}

/** A file that is opened gets the lowest number that is free: the one just closed. */
function swap(path: string): void {
  closeSync(STDERR);
  openSync(path, 'a');
}
