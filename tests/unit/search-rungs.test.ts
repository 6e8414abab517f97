import { expect, it } from 'vitest';
import { nextRung } from '../../src/search/methods/rungs.js';

it('ends where a log has a trial that went further than to a rung', () => {
  const task = { trial: 0, params: { lr: 0.1 }, from: 0, to: 3, rung: 0 };
  const ended = { trial: 0, step: 3, value: 1 };
  const rung = (to: number) =>
    nextRung({ direction: 'minimize' } as never, 2, [1, 2], [{ ...task, to }], { entry: () => ended } as never);
  expect(rung(3)).toEqual([]);
  expect(rung(2)).toEqual([]);
});
