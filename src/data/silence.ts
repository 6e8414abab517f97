/** Bytes that a server sends in a second at the least, in the mean: at less, no data set ever comes to an end. */
const LEAST_PER_SECOND = 1024;

/** Tells of a server that sends nothing, or next to nothing, for so long. */
export class Silence {
  readonly #ms: number;
  readonly #broken: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Bytes since the timer was set. */
  #heard = 0;
  /** How it was silent, in words; undefined as long as it was not. */
  words: string | undefined;
  /** It did send something. */
  slow = false;

  /** @param broken called once when it was silent for `ms` milliseconds */
  constructor(ms: number, broken: () => void) {
    this.#ms = ms;
    this.#broken = broken;
    this.heard();
  }

  /** @param bytes that came; left out for the head of an answer */
  heard(bytes = Infinity): void {
    this.#heard += bytes;
    if (this.#heard < (LEAST_PER_SECOND * this.#ms) / 1000) return;
    clearTimeout(this.#timer);
    this.#heard = 0;
    this.#timer = setTimeout(() => {
      this.slow = this.#heard > 0;
      this.words = `sent ${this.slow ? `only ${this.#heard.toLocaleString('en-US')} bytes in` : 'nothing for'} ${this.#ms / 1000} s`;
      this.#broken();
    }, this.#ms);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
