import { describe, expect, it } from 'vitest';
import {
  manifest,
  runCases,
  scalarAt,
  type VectorCase,
  type Vectors,
  vectorsOf,
  worst,
} from '../support/bare-kernels.js';
import { testDevice } from '../support/gpu.js';

/*
 * Every rule by shaders/manifest.json, the text of its WGSL file and vectors/<rule>.json alone, as somebody runs it who has none
 * of our TypeScript. (The device comes from the library, so that the driver is that of the other tests.)
 */

const names = Object.keys(manifest.rules);

/** Cases that run at once: those that need the same compiled; of several dispatches each by itself. */
function together({ cases, plan }: Vectors): VectorCase[][] {
  if (plan) return cases.map((each) => [each]);
  const groups = new Map<string, VectorCase[]>();
  for (const each of cases) {
    const key = JSON.stringify(each.overrides);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()];
}

describe.each(names)('%s', (name) => {
  it('computes its vectors', async () => {
    const vectors = vectorsOf(name);
    for (const cases of together(vectors)) {
      const outcomes = await runCases(await testDevice(), vectors, cases);
      for (const [i, each] of cases.entries()) {
        const { ratio, where } = worst(vectors, each, outcomes[i]!);
        expect(ratio, `${JSON.stringify(each.settings)}: ${where}`).toBeLessThanOrEqual(1);
      }
    }
  });
});

it('a wrong scalar is noticed', async () => {
  const vectors = vectorsOf('adam');
  const [told] = vectors.cases;
  const off = Array.from({ length: 25 }, (_, i) => scalarAt(told!.scalars, 'step_size', i + 1) * (1 + 1e-5));
  const wrong = { ...told!, scalars: { ...told!.scalars, step_size: off } };
  const [outcome] = await runCases(await testDevice(), vectors, [wrong]);
  expect(worst(vectors, told!, outcome!).ratio).toBeGreaterThan(1);
});
