/** Waiting that something else may end. No Node here: pages wait so, too. */

/**
 * What `work` gives, or at once the signal's reason: for what cannot be told to end, and whose result nobody wants then.
 *
 * @param late takes a result that comes all the same, to give it back
 */
export function unlessAborted<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
  late?: (result: T) => unknown,
): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => {
      reject(signal.reason);
      void work.then(late).catch(() => {}); // nobody hears of it any more
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** What `work` gives; after `ms` it rejects with what `late` makes. */
export function within<T>(ms: number, work: Promise<T>, late: () => Error = () => new Error('late')): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms);
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
