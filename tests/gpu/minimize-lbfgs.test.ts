import { expect, it } from 'vitest';
import { lbfgs, newtonCg } from '../../src/optim/minimizers.gen.js';
import type { Rule } from '../../src/optim/rule.js';
import { minimize, rosenbrock, wood } from '../../src/trajectory/index.js';
import { testDevice } from '../support/gpu.js';

/* `minimize` with a rule that ends by itself, on the GPU and in float64 without one. */

const rule = lbfgs() as unknown as Rule;

it('goes the way of float64 at first, and both end at the minimum and say why', async () => {
  const [actual, expected] = await Promise.all(
    [await testDevice(), 'cpu' as const].map((where) => minimize(where, rosenbrock(), rule)),
  );
  for (const way of [actual!, expected!]) {
    expect(way.stopped).toBe('gradient');
    expect(way.steps).toBeLessThan(50);
    expect(way.values).toHaveLength(way.steps + 1);
    expect(way.values.at(-1)).toBeLessThan(1e-9);
    // The first round only looks.
    expect([...way.points.subarray(0, 2)]).toEqual([...way.points.subarray(2, 4)]);
  }
  // Every step magnifies the roundings of those before it.
  for (let i = 0; i < 12; i++) expect(actual!.points[i]!).toBeCloseTo(expected!.points[i]!, 4);
});

it('may be ended before that', async () => {
  const way = await minimize(await testDevice(), wood(), rule, { steps: 10 });
  expect(way.steps).toBe(10);
  expect(way.stopped).toBeUndefined();
  expect(way.values.at(-1)).toBeLessThan(way.values[0]!);
});

it("Newton's steps are those of float64: one for each product, its points where directions are tried", async () => {
  const newton = newtonCg() as unknown as Rule;
  const [actual, expected] = await Promise.all(
    [await testDevice(), 'cpu' as const].map((where) => minimize(where, rosenbrock(), newton)),
  );
  for (const way of [actual!, expected!]) {
    expect(way.stopped).toBe('gradient');
    expect(way.values.at(-1)).toBeLessThan(1e-9);
    expect([...way.lr]).toEqual(new Array(way.steps).fill(1));
  }
  // float32 may need a step more or less where the gradient ends.
  expect(Math.abs(actual!.steps - expected!.steps)).toBeLessThan(4);
  for (let i = 0; i < 40; i++) expect(actual!.points[i]!, String(i)).toBeCloseTo(expected!.points[i]!, 3);
});
