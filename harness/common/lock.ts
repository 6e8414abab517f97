/** The folder of a run, which one run writes at a time. */
import { DownhillError } from '../../src/index.js';
import { lockFolder as lock } from '../../src/node/index.js';

/**
 * Takes the folder at `path` for this process; `lockFolder` of downhill/node says how.
 *
 * @param folder As given by the user, for the message.
 * @returns a function that gives it back, as the exit of the process does
 * @throws DownhillError OUTPUT-UNWRITABLE where another process has it; what the file system says, when it cannot be written.
 */
export function lockFolder(path: string, folder: string): () => void {
  const locked = lock(path);
  if (typeof locked === 'function') return locked;
  throw new DownhillError(
    'OUTPUT-UNWRITABLE',
    `The folder ${folder} is in use by another run (${locked.holder}).`,
    `Name another folder with --out, or wait for that run to end; where there is none, remove ${locked.file}.`,
  );
}
