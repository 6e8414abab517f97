import { existsSync, truncateSync } from 'node:fs';
import { DownhillError } from '../gpu/errors.js';
import type { SearchLog } from '../search/log.js';
import { appendLines } from './lines.js';
import { readPlainText } from './plain-file.js';

/**
 * The log of a search in a file: JSON Lines. A line is on the disk before the search goes on, so that a process that is killed loses only what was
 * being run. One process at a time.
 *
 * @param path made where it is not there; its folder must be
 * @example await search(device, { …, log: fileLog('runs/a/search.jsonl') });
 */
export function fileLog(path: string): SearchLog {
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      const { message } = cause as Error;
      throw new DownhillError(
        'OUTPUT-UNWRITABLE',
        `The log ${path} cannot be read or written: ${message}.`,
        'Look at the path and at the room on its disk.',
        cause,
      );
    }
  };
  let text = '';
  return {
    read: () =>
      guarded(() => {
        text = existsSync(path) ? readPlainText(path) : '';
        return text;
      }),
    append: (lines) => guarded(() => appendLines(path, lines, { sync: true })),
    truncate: (length) => guarded(() => truncateSync(path, Buffer.byteLength(text.slice(0, length)))),
  };
}
