import { describe, expect, it } from 'vitest';
import { atOnce } from '../../src/gpu/turns.js';
import {
  byTensor,
  difference,
  dot,
  filterNormalised,
  flatten,
  gramOf,
  norm,
  principal,
  projected,
} from '../../src/landscape/directions.js';
import { eigenOf } from '../../src/landscape/eigen.js';
import { membersFor, mostMembers, pointBytes, sizesOf } from '../../src/landscape/members.js';
import { batchNorm } from '../../src/nn/layers/batch-norm.js';
import { linear } from '../../src/nn/layers/linear.js';
import { mlp } from '../../src/nn/mlp.js';
import { sequential, tensorsOf } from '../../src/nn/model.js';
import { randomFloats } from '../support/gpu.js';

const model = sequential({ input: 7, layers: [linear(5), batchNorm(), linear(3)] });
const tensors = tensorsOf(model);
const weights = flatten(tensors, (name) => {
  const { shape } = tensors.find((each) => each.name === name)!;
  const elements = shape.reduce((a, b) => a * b, 1);
  return randomFloats(elements, 7 + name.length + elements);
});

describe('random directions', () => {
  it('have in each column of a matrix the norm of its weights, and nothing elsewhere', () => {
    const direction = atOnce(filterNormalised(tensors, weights, 5, 0));
    const own = byTensor(tensors, direction);
    const theirs = byTensor(tensors, weights);
    for (const { name, shape } of tensors) {
      const [d, w] = [own.get(name)!, theirs.get(name)!];
      if (shape.length === 1) {
        expect(d.every((value) => value === 0)).toBe(true);
        continue;
      }
      const [rows, columns] = shape as [number, number];
      for (let column = 0; column < columns; column++) {
        const of = (values: Float32Array) =>
          Math.hypot(...Array.from({ length: rows }, (_, row) => values[row * columns + column]!));
        // Elements are rounded to f32 once: 2^-24 of each at most.
        expect(Math.abs(of(d) / of(w) - 1)).toBeLessThan(2 ** -23);
      }
    }
  });

  it('are those of their seed, and two of a seed are not alike', () => {
    const [a, b, c, again] = [
      atOnce(filterNormalised(tensors, weights, 5, 0)),
      atOnce(filterNormalised(tensors, weights, 5, 1)),
      atOnce(filterNormalised(tensors, weights, 6, 0)),
      atOnce(filterNormalised(tensors, weights, 5, 0)),
    ];
    expect(again).toEqual(a);
    for (const other of [b, c]) expect(Math.abs(dot(a, other)) / (norm(a) * norm(other))).toBeLessThan(0.6);
  });

  it('leave a unit without weights where it is', () => {
    const zero = new Float32Array(weights.length);
    expect(norm(atOnce(filterNormalised(tensors, zero, 1, 0)))).toBe(0);
  });
});

describe('eigenOf', () => {
  it.each([1, 2, 3, 12, 60])('finds the eigenvectors of a symmetric matrix of %i rows', (n) => {
    const half = randomFloats(n * n, n);
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) matrix[i * n + j] = half[i * n + j]! + half[j * n + i]!;
    const { values, vectors } = atOnce(eigenOf(matrix, n));
    const scale = Math.max(...values.map(Math.abs), 1);
    for (const [k, vector] of vectors.entries()) {
      if (k > 0) expect(values[k]).toBeLessThanOrEqual(values[k - 1]!);
      for (let i = 0; i < n; i++) {
        let product = 0;
        for (let j = 0; j < n; j++) product += matrix[i * n + j]! * vector[j]!;
        // Backward stable: some n ulps of the largest eigenvalue.
        expect(Math.abs(product - values[k]! * vector[i]!)).toBeLessThan(8 * n * Number.EPSILON * scale);
      }
      for (const [l, other] of vectors.entries())
        expect(Math.abs(dot(vector, other) - (k === l ? 1 : 0))).toBeLessThan(8 * n * Number.EPSILON);
    }
  });
});

/** Unit vectors at right angles. */
function twoAxes(length: number) {
  const u = Float64Array.from(randomFloats(length, 1));
  const v = Float64Array.from(randomFloats(length, 2));
  const along = dot(u, v) / dot(u, u);
  for (let i = 0; i < length; i++) v[i]! -= along * u[i]!;
  const [nu, nv] = [norm(u), norm(v)];
  return [u.map((value) => value / nu), v.map((value) => value / nv)] as const;
}

describe('the path of a training', () => {
  const length = 1500; // more than two blocks
  const centre = Float64Array.from(randomFloats(length, 3));
  const [u, v] = twoAxes(length);
  const places = [
    [3, 0.5],
    [2, -1],
    [0.5, 0.75],
    [-1, 0.25],
    [0, 0],
  ] as const;
  const path = places.map(([a, b]) => centre.map((value, i) => value + a * u[i]! + b * v[i]!));

  it('has the Gram matrix of its differences', () => {
    const gram = atOnce(gramOf(path, centre));
    for (const [i, a] of path.entries()) {
      for (const [j, b] of path.entries())
        expect(gram[5 * i + j]).toBeCloseTo(dot(difference(a, centre), difference(b, centre)), 12);
    }
  });

  it('has principal components from which it is nowhere away, if it lies in a plane', () => {
    const { x, y, share } = atOnce(principal(path, centre));
    expect(share[0]! + share[1]!).toBeCloseTo(1, 12);
    expect(share[0]!).toBeGreaterThan(share[1]!);
    expect(norm(x)).toBeCloseTo(1, 6);
    expect(dot(x, y)).toBeCloseTo(0, 6);
    const on = atOnce(projected(path, centre, x, y));
    for (const [t, [a, b]] of places.entries()) {
      // Directions are f32: 1500 elements, each off by 2^-24 of itself, 3 away.
      expect(Math.hypot(on.x[t]!, on.y[t]!)).toBeCloseTo(Math.hypot(a, b), 5);
      expect(on.distance[t]).toBeLessThan(1e-6);
    }
    expect(on.x[0]).toBeGreaterThan(0);
    expect(on.y[0]).toBeGreaterThan(0);
  });

  it('says how far it is from a plane', async () => {
    const away = twoAxes(length)[0].map((_, i) => (i === 7 ? 2 : 0));
    const [p, q] = twoAxes(length).map((axis) => axis.map((value, i) => (i === 7 ? 0 : value))) as [
      Float64Array,
      Float64Array,
    ];
    const point = centre.map((value, i) => value + 0.5 * p[i]! - q[i]! + away[i]!);
    const on = atOnce(projected([point], centre, p, q));
    expect(on.x[0]).toBeCloseTo(0.5, 10);
    expect(on.y[0]).toBeCloseTo(-1, 10);
    expect(on.distance[0]).toBeCloseTo(2, 10);
  });

  it('needs two directions', () => {
    const straight = [1, 2, 3].map((t) => centre.map((value, i) => value + t * u[i]!));
    expect(() => atOnce(principal(straight, centre))).toThrow(expect.objectContaining({ code: 'OPTION-RANGE' }));
    expect(() => atOnce(principal([centre, centre, centre], centre))).toThrow(
      expect.objectContaining({ code: 'OPTION-RANGE' }),
    );
    const broken = centre.map(() => Number.NaN);
    expect(() => atOnce(principal([...path, broken], centre))).toThrow(/not finite/);
  });
});

describe('members of a pass', () => {
  const device = (limit: number, description = 'some GPU') =>
    ({
      limits: {
        maxStorageBufferBindingSize: limit,
        maxBufferSize: limit,
        maxStorageBuffersPerShaderStage: 8,
      },
      features: new Set(),
      adapterInfo: { description },
    }) as unknown as GPUDevice;
  const net = mlp({ sizes: [784, 100, 10] });

  it('are as many as one arena and one matrix of activations hold', () => {
    const gpu = device(128 * 2 ** 20);
    const sizes = sizesOf(gpu, net, 1000);
    expect(sizes).toMatchObject({ elements: 784 * 100 + 128 + 1000 + 24 + 64, rows: 512, chunks: 2 });
    expect(mostMembers(gpu, net, sizes)).toBe(Math.floor(2 ** 25 / sizes.elements));
    // A wide batch binds before its parameters do.
    const wide = mlp({ sizes: [2, 4000, 2] });
    const own = sizesOf(gpu, wide, 1000);
    expect(mostMembers(gpu, wide, own)).toBe(Math.floor(2 ** 25 / (512 * 4000)));
  });

  it('fill passes evenly, within the memory and the time of a submit', () => {
    const gpu = device(2 ** 31);
    const sizes = sizesOf(gpu, net, 1000);
    const { members, passes } = membersFor(gpu, net, sizes, undefined, 626);
    expect(members * passes).toBeGreaterThanOrEqual(626);
    expect(members * passes - 626).toBeLessThan(passes);
    expect(members * pointBytes(net, sizes)).toBeLessThanOrEqual(256 * 2 ** 20);
    const cpu = membersFor(device(2 ** 31, 'llvmpipe'), net, sizes, undefined, 626);
    expect(cpu.members * sizes.flops).toBeLessThanOrEqual(1e9);
    expect(membersFor(gpu, net, sizes, undefined, 4)).toMatchObject({ members: 4, passes: 1 });
  });

  it('say how many a device takes', () => {
    const gpu = device(128 * 2 ** 20);
    const sizes = sizesOf(gpu, net, 1000);
    const most = mostMembers(gpu, net, sizes);
    expect(() => membersFor(gpu, net, sizes, most + 1, 1000)).toThrow(
      expect.objectContaining({ code: 'LIMIT-BINDING', fix: `Set members to at most ${most}, or leave it out.` }),
    );
    expect(membersFor(gpu, net, sizes, most, 1000).members).toBe(most);
    // A network in several arenas is evaluated a point at a time.
    const small = device(128 * 1024);
    expect(mostMembers(small, net, sizesOf(small, net, 64))).toBe(1);
  });
});
