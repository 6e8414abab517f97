interface Platform {
  readonly process?: {
    getBuiltinModule?(name: string): { getHeapStatistics?(): { readonly heap_size_limit: number } } | undefined;
  };
  readonly performance?: { readonly memory?: { readonly jsHeapSizeLimit: number } };
}

const platform = globalThis as Platform;

/** V8's limit on a machine of 8 GB, where nobody tells. */
const USUAL_HEAP = 2 ** 31;

/** Bytes of objects and texts that JavaScript lets a program have. What lies in typed arrays does not count. */
export const heapLimit = (): number =>
  platform.process?.getBuiltinModule?.('node:v8')?.getHeapStatistics?.().heap_size_limit ??
  platform.performance?.memory?.jsHeapSizeLimit ??
  USUAL_HEAP;
