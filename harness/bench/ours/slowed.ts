/** Deliberate slowness, to see whether the harness sees it: the same kernels, doing some per cent more of the same work. */
import type { Contender, Runner } from '../contract.js';

/** `contender` with `percent` more iterations behind every run than it is asked for. */
export function slowed(contender: Contender, percent: number): Contender {
  if (percent === 0) return contender;
  return {
    ...contender,
    async open() {
      const runner = await contender.open();
      let owed = 0; // of an iteration, from run to run: 2 % of 10 iterations is one in every five runs
      const more = (iterations: number) => {
        owed += (iterations * percent) / 100;
        const extra = Math.floor(owed);
        owed -= extra;
        return iterations + extra;
      };
      const wrapped: Runner = { ...runner, run: (iterations) => runner.run(more(iterations)) };
      return wrapped;
    },
  };
}
