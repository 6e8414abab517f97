import { choice, logUniform, search } from 'downhill/search';

/** Any function can be searched, without a device: pure, of a request; what it returns as `state` it may go on from. */
export function searchFunction() {
  return search('cpu', {
    space: { x: logUniform(1e-3, 1e3), sign: choice([-1, 1]) },
    objective: ({ params: { x, sign }, from, steps, state = 1 }) => {
      let value = state;
      for (let step = from; step < steps; step++) value += 0.1 * (Math.abs(sign * x - 2) - value);
      return { value, state: value };
    },
    method: 'halving',
    budget: { trials: 64, steps: 32 },
  });
}
