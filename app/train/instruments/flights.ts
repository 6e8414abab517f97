/** Reports closer than this are of one submit, in milliseconds. */
const APART = 1.5;
/**
 * Nor is what comes this share of a flight's time behind it a new one: on a slow machine reports of one submit come apart, and a
 * look that is told last would seem to cost nothing. Two flights taken for one do no harm.
 */
const BEHIND = 0.15;
/** How much the newest figure says of a mean. */
const NEWEST = 0.3;

/**
 * What looking at a step costs, in steps. Steps come back in flights, one for each submit, and a step that is looked at ends its
 * flight: what such a flight took more than its steps alone is the look's.
 */
export class Flights {
  #last: number | undefined;
  #flight = { ms: 0, steps: 0, looked: false };
  #msPerStep: number | undefined;
  #msPerLook: number | undefined;

  clear(): void {
    this.#last = this.#msPerStep = this.#msPerLook = undefined;
    this.#flight = { ms: 0, steps: 0, looked: false };
  }

  /** @param ms of training so far, when the report of a step came in */
  arrived(ms: number, looked: boolean): void {
    const gap = ms - (this.#last ?? ms);
    this.#last = ms;
    if (gap > Math.max(APART, BEHIND * this.#flight.ms)) {
      this.#close();
      this.#flight = { ms: 0, steps: 0, looked: false };
    }
    this.#flight.ms += gap;
    this.#flight.steps++;
    this.#flight.looked ||= looked;
  }

  /** How many steps take as long as a look; undefined as long as that is not known. */
  get stepsPerLook(): number | undefined {
    if (this.#msPerStep === undefined || this.#msPerLook === undefined) return undefined;
    return this.#msPerLook / this.#msPerStep;
  }

  #close(): void {
    const { ms, steps, looked } = this.#flight;
    if (steps === 0 || ms === 0) return;
    if (!looked) this.#msPerStep = mean(this.#msPerStep, ms / steps);
    else if (this.#msPerStep !== undefined) {
      this.#msPerLook = mean(this.#msPerLook, Math.max(0, ms - steps * this.#msPerStep));
    }
  }
}

const mean = (before: number | undefined, now: number): number =>
  before === undefined ? now : before + NEWEST * (now - before);
