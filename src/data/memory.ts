/* What a program may hold, where its platform tells: a file that takes more is refused, before the program dies of it. */

interface Platform {
  readonly process?: {
    readonly platform?: string;
    readonly memoryUsage?: { rss?(): number };
    constrainedMemory?(): number;
    getBuiltinModule?(name: string): { freemem?(): number; totalmem?(): number } | undefined;
  };
}

const platform = globalThis as Platform;

/**
 * Bytes of memory that this program can have still: Node asks the system; pages are not told. Not its `availableMemory`: in a
 * container that takes what the system keeps of files, and gives up when asked, for used.
 */
export function memoryLeft(): number {
  const { process } = platform;
  const os = process?.getBuiltinModule?.('node:os');
  // macOS tells of pages alone that nobody has any use for: some 100 MB, whatever is there.
  const free = (process?.platform === 'darwin' ? os?.totalmem?.() : os?.freemem?.()) ?? Infinity;
  const own = process?.memoryUsage?.rss?.() ?? 0;
  return Math.min(free, Math.max((process?.constrainedMemory?.() || Infinity) - own, 0));
}
