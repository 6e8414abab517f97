import type { Trainer } from '../../../src/index.js';

/** At most this share of the time goes into what is only looked at. */
export const SHARE = 0.1;
/** More often than this nobody sees a difference. */
const LEAST_MS = 250;

/**
 * When to look at a network that trains: at most four times a second, and so seldom that looking takes at most a tenth of the
 * time. What a look costs is counted from where the GPU was free for it: what training had submitted before is not its own.
 */
export class Pulse {
  #next = 0;
  #going = false;

  constructor(private readonly device: () => GPUDevice | undefined) {}

  /** A run begins: nothing is known of what a look costs in it. */
  reset(): void {
    this.#next = 0;
  }

  get due(): boolean {
    return !this.#going && performance.now() >= this.#next;
  }

  /** @returns whether it looked: not while another look goes on */
  async take(trainer: Trainer, look: (trainer: Trainer) => Promise<void>): Promise<boolean> {
    if (this.#going) return false;
    this.#going = true;
    let free = performance.now();
    void this.device()
      ?.queue.onSubmittedWorkDone()
      .then(
        () => {
          free = performance.now();
        },
        () => {},
      );
    try {
      await look(trainer);
    } finally {
      const now = performance.now();
      this.#next = now + Math.max(LEAST_MS, ((now - free) / SHARE) * (1 - SHARE));
      this.#going = false;
    }
    return true;
  }
}
