import { DownhillError } from '../gpu/errors.js';

/** Who has a trainer to itself. */
export interface Holder {
  /** It waits for its consumer, who may have dropped it: nobody is told of that. */
  idle?: boolean;
  /** Ends it, when it is idle. */
  end?: () => Promise<unknown>;
}

/** Lets one at a time train, restore or profile. A run that nobody is pulling gives way to whoever asks. */
export class Hold {
  #holder: Holder | undefined;

  /** @param what in messages: 'trainer' */
  constructor(readonly what: string) {}

  /** @throws DownhillError RUN-BUSY. Whoever takes it gives it back. */
  async take(holder: Holder = {}): Promise<void> {
    if (this.#holder?.idle) await this.#holder.end?.();
    if (this.#holder) {
      throw new DownhillError(
        'RUN-BUSY',
        `This ${this.what} is running already.`,
        `Wait for the end of the other, or make a second ${this.what}.`,
      );
    }
    this.#holder = holder;
  }

  give(): void {
    this.#holder = undefined;
  }

  /**
   * A run that another may take the place of while it is idle: it ends as by `return`, and a pull that comes nevertheless is told.
   *
   * @param start makes a generator that takes this at its first pull, says when it is idle, and gives it back
   */
  run<T>(start: (holder: Holder) => AsyncGenerator<T, void, void>): AsyncGenerator<T, void, void> {
    const holder: Holder = {};
    const steps = start(holder);
    const next = steps.next.bind(steps);
    let over = false;
    holder.end = () => {
      over = true;
      return steps.return().catch(() => {}); // its own concern
    };
    steps.next = () => (over ? Promise.reject(this.#taken()) : next());
    return steps;
  }

  #taken(): DownhillError {
    return new DownhillError(
      'RUN-BUSY',
      `Another run of this ${this.what}, or a restore, took the place of this one between two pulls.`,
      'Break out of a loop before the next one begins.',
    );
  }
}
