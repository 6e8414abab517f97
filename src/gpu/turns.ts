/** Longest that the host computes without letting anything else happen, in milliseconds: a frame has 16. */
const TURN_MS = 10;

/** Lets whatever waits for the thread happen first. By a message: timers are held back in hidden tabs. */
export function turn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** Of a loop that awaits what may be done at once: without turns it would have the thread to itself. */
export class Pace {
  #since = performance.now();

  /** Everything else has its turn, where its time is over. */
  async giveWay(): Promise<void> {
    if (performance.now() - this.#since < TURN_MS) return;
    await turn();
    this.#since = performance.now();
  }
}

/**
 * Does long work to its end without blocking the page: between two yields it computes, and at a yield after which its
 * time is over everything else has its turn.
 *
 * @param signal looked at behind each turn
 * @returns what the work returns
 */
export async function inTurns<T>(work: Generator<void, T, void>, signal?: AbortSignal): Promise<T> {
  for (let since = performance.now(); ; ) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - since < TURN_MS) continue;
    await turn();
    signal?.throwIfAborted();
    since = performance.now();
  }
}

/** Does it at once. */
export function atOnce<T>(work: Generator<void, T, void>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** `list.map(change)` as work: it may be left behind every item. */
export function* mapped<A, B>(list: readonly A[], change: (item: A) => B): Generator<void, B[], void> {
  const changed: B[] = [];
  for (const item of list) {
    changed.push(change(item));
    yield;
  }
  return changed;
}
