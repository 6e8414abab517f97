import { expect, test } from 'vitest';
import { atOnce, inTurns } from '../../src/gpu/turns.js';
import { drawTensors, initialize } from '../../src/nn/init.js';
import { mlp } from '../../src/nn/mlp.js';

/** Computes for `ms` in pieces of 1 ms. */
function* busy(ms: number): Generator<void, number, void> {
  let pieces = 0;
  for (const end = performance.now() + ms; performance.now() < end; pieces++) {
    for (const piece = performance.now() + 1; performance.now() < piece; );
    yield;
  }
  return pieces;
}

test('long work lets everything else have its turn', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const pieces = await inTurns(busy(200));
  clearInterval(timer);
  expect(pieces).toBeGreaterThan(1);
  expect(turns).toBeGreaterThan(1);
});

test('what work throws comes out', async () => {
  const failing = function* (): Generator<void, number, void> {
    yield;
    throw new Error('no');
  };
  await expect(inTurns(failing())).rejects.toThrow('no');
  expect(() => atOnce(failing())).toThrow('no');
});

test.each(['pytorch', 'he-normal', 'orthogonal', 'zeros'] as const)(
  '%s weights are the same in pieces',
  async (init) => {
    const model = mlp({ sizes: [70, 90, 5], init });
    expect(await inTurns(drawTensors(model, 3))).toEqual(initialize(model, 3));
  },
);

test('large layers are drawn in many pieces, whatever the distribution', () => {
  for (const init of ['pytorch', 'orthogonal'] as const) {
    const work = drawTensors(mlp({ sizes: [200, 300, 2], init }), 0);
    let pieces = 0;
    while (!work.next().done) pieces++;
    expect(pieces).toBeGreaterThan(10);
  }
});
