import { make, setText } from '../shell/dom.js';
import { count } from '../shell/format.js';

/* How many steps are shown: played, scrubbed, or one at a time. */

/** A whole way takes so long. */
const SECONDS = 8;

export class Player {
  readonly element: HTMLElement;
  readonly #play = make('button', {
    type: 'button',
    className: 'button primary',
    id: 'land-play',
    textContent: 'Play',
  });
  readonly #slider = make('input', { type: 'range', id: 'land-step', min: '0', step: '1', ariaLabel: 'Step' });
  readonly #output = make('output', { htmlFor: this.#slider.id, className: 'land-step-text' } as never);
  #steps = 0;
  #step = 0;
  #frame = 0;

  constructor(private readonly changed: () => void) {
    const one = (by: number, label: string, sign: string) => {
      const button = make('button', { type: 'button', className: 'button', ariaLabel: label, textContent: sign });
      button.addEventListener('click', () => {
        this.pause();
        this.step = this.#step + by;
      });
      return button;
    };
    this.#play.addEventListener('click', () => this.toggle());
    this.#slider.addEventListener('input', () => {
      const step = Number(this.#slider.value); // pausing shows where it stood
      this.pause();
      this.step = step;
    });
    this.element = make(
      'div',
      { className: 'land-player' },
      this.#play,
      one(-1, '−1: one step back', '−1'),
      one(1, '+1: one step on', '+1'),
      this.#slider,
      this.#output,
    );
    this.#show();
  }

  get step(): number {
    return this.#step;
  }

  set step(step: number) {
    this.#step = Math.min(Math.max(step, 0), this.#steps);
    this.#show();
    this.changed();
  }

  get playing(): boolean {
    return this.#frame !== 0;
  }

  /** The steps there are; it stands at the last of them, unless it plays or stood somewhere on the way. */
  set steps(steps: number) {
    const atEnd = this.#step === this.#steps && !this.playing;
    this.#steps = steps;
    this.#step = atEnd ? steps : Math.min(this.#step, steps);
    this.#show();
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  play(): void {
    if (this.playing || this.#steps === 0) return;
    const from = this.#step < this.#steps ? this.#step : 0;
    const begun = performance.now();
    const next = (now: number) => {
      const step = from + Math.floor((Math.max(now - begun, 0) / 1000 / SECONDS) * this.#steps);
      this.#frame = step < this.#steps ? requestAnimationFrame(next) : 0;
      if (step !== this.#step || this.#frame === 0) this.step = step;
      this.#show();
    };
    this.#frame = requestAnimationFrame(next);
    this.#show();
  }

  pause(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#show();
  }

  #show(): void {
    setText(this.#play, this.playing ? 'Pause' : 'Play');
    this.#slider.max = String(this.#steps);
    this.#slider.value = String(this.#step);
    this.#slider.setAttribute('aria-valuetext', `step ${this.#step} of ${this.#steps}`);
    setText(this.#output, `${count(this.#step)} / ${count(this.#steps)}`);
  }
}
