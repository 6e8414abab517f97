import { untilLost } from '../gpu/lost.js';

/** A training that waits until somebody lets it go on. */
export class Pause {
  #on = false;
  #wake = () => {};

  get on(): boolean {
    return this.#on;
  }

  set(on: boolean): void {
    this.#on = on;
    if (!on) this.#wake();
  }

  /** Waits for its end, or for an abort. One at a time. @throws DownhillError DEVICE-LOST */
  async over(device: GPUDevice, signal: AbortSignal | undefined): Promise<void> {
    while (this.#on && !signal?.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const wake = this.#wake;
      signal?.addEventListener('abort', wake);
      try {
        await untilLost(device, woken);
      } finally {
        signal?.removeEventListener('abort', wake);
      }
    }
  }
}
