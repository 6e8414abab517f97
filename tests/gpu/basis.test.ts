import { expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { basisDots, basisForms, basisSegments, basisSubtract, basisSums } from '../../src/kernels/basis.js';
import { lower } from '../../src/kernels/lower.js';
import { ROUNDING } from '../../src/reference/index.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';

/*
 * A basis and a vector of more segments than the kernels have lanes, against float64, in two spans: what networks of a million weights have.
 */

const VECTORS = 3;
/** 65 segments and a part of one: a second round of the lanes that add segments up. */
const SPANS = [65 * 4096 + 20, 4096 + 4];

it('products with a basis, their sums and what they take away are those of float64, over many segments', async () => {
  const device = await testDevice();
  const buffers = buffersFor(device, 'basis');
  const all = SPANS.reduce((sum, elements) => sum + basisSegments(elements), 0);
  const partial = range(buffers.storage('partial', 4 * VECTORS * all));
  const sums = range(buffers.storage('sums', 4 * VECTORS));
  const spans = SPANS.map((elements, i) => {
    const basis = randomFloats(VECTORS * elements, 5 + i);
    const values = randomFloats(elements, 9 + i);
    const vector = range(buffers.upload('vector', values));
    return { elements, basis, values, vector, at: range(buffers.upload('basis', basis)) };
  });
  let place = 0;
  const dots = spans.map(({ elements, at, vector }) => {
    const op = basisDots('test/dots', { elements, all, place }, { basis: at, vector, partial }, VECTORS);
    place += basisSegments(elements);
    return op;
  });
  const left = spans.map(({ elements, at, vector }) =>
    basisSubtract('test/subtract', { elements, vectors: VECTORS }, { basis: at, sums, vector }),
  );
  const ops = [...dots, basisSums('test/sums', { all }, { partial, sums }, VECTORS), ...left];
  await dispatch(device, lower(ops, basisForms, device).passes);
  const found = await readFloats(device, sums);
  const vectors = await Promise.all(spans.map(({ vector }) => readFloats(device, vector)));
  buffers.destroy();

  for (let j = 0; j < VECTORS; j++) {
    let [expected, size] = [0, 0];
    for (const { elements, basis, values } of spans) {
      for (let i = 0; i < elements; i++) {
        const term = basis[j * elements + i]! * values[i]!;
        expected += term;
        size += Math.abs(term);
      }
    }
    // 16 quads a lane, 64 lanes, two rounds of segments, 64 lanes once more: about as many roundings of the whole at most.
    expect(Math.abs(found[j]! - expected), `sum ${j}`).toBeLessThan(160 * ROUNDING * size);
  }
  for (const [s, { elements, basis, values }] of spans.entries()) {
    let worst = 0;
    for (let i = 0; i < elements; i++) {
      let [expected, size] = [values[i]!, Math.abs(values[i]!)];
      for (let j = 0; j < VECTORS; j++) {
        const term = found[j]! * basis[j * elements + i]!;
        expected -= term;
        size += Math.abs(term);
      }
      worst = Math.max(worst, Math.abs(vectors[s]![i]! - expected) / size);
    }
    expect(worst, `span ${s}`).toBeLessThan(6 * ROUNDING);
  }
});
