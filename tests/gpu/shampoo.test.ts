import { expect, it } from 'vitest';
import { createOptimizer } from '../../src/optim/optimizer.js';
import { shampoo } from '../../src/optim/rules.gen.js';
import { Path, pathTolerance, referenceRules, referenceState, worst } from '../../src/reference/index.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';

/*
 * What passes.test.ts does not reach: sides with a diagonal, alone and beside others, roots that are kept for some updates, and
 * grafting with momentum.
 */

const SHAPES = [[1030, 3], [6, 1100], [7, 5], [9]];

it.each([
  ['keeps diagonals of long sides, and roots for as many updates as it is told', {}],
  ['has steps of SGD’s length, with momentum', { grafting: 'sgd', momentum: 0.9, maxPreconditionerSize: 6 }],
  ['has steps of AdaGrad’s length, with momentum and decay', { grafting: 'adagrad', momentum: 0.5, weightDecay: 0.1 }],
  ['keeps diagonals alone', { grafting: 'adagrad', maxPreconditionerSize: 0, maximize: true }],
] as const)('%s', async (_, options) => {
  const device = await testDevice();
  const hyper = { preconditionFrequency: 3, eps: 1e-4, ...options };
  const reference = referenceRules.shampoo;
  const made: GPUBuffer[] = [];
  const upload = (values: Float32Array<ArrayBuffer>) => {
    const buffer = device.createBuffer({ size: values.byteLength, usage: 0x80 | 0x04 | 0x08 });
    made.push(buffer);
    device.queue.writeBuffer(buffer, 0, values);
    return buffer;
  };
  const tensors = SHAPES.map((shape, i) => {
    const elements = shape.reduce((product, size) => product * size, 1);
    const start = randomFloats(elements, i);
    const [param, grad] = [upload(start), upload(start)];
    const path = new Path(start);
    const state = referenceState(reference, shape, hyper);
    return { shape, elements, param, grad, path, own: { param: Float64Array.from(start), state } };
  });
  const optimizer = await createOptimizer(
    device,
    shampoo(hyper),
    tensors.map(({ shape, param, grad }, i) => ({ name: `t${i}`, shape, param, grad })),
  );
  for (let t = 1; t <= 8; t++) {
    for (const [i, { shape, elements, grad, path, own }] of tensors.entries()) {
      const values = randomFloats(elements, 100 * t + i);
      device.queue.writeBuffer(grad, 0, values);
      reference.step!([{ shape, ...own, grad: Float64Array.from(values) }], t, hyper);
      path.advance(own.param);
    }
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder);
    device.queue.submit([encoder.finish()]);
  }
  for (const { shape, elements, param, path, own } of tensors) {
    const actual = await readFloats(device, { buffer: param, offset: 0, size: 4 * elements });
    const typical = Math.sqrt(path.travel.reduce((sum, travel) => sum + travel * travel, 0) / elements);
    // With eps = 1e-4 a tenth of the roundings that the default takes.
    const limit = (i: number) => pathTolerance(path.largest[i]!, Math.max(path.travel[i]!, typical), 8, 1, 1024);
    const found = worst(actual, own.param, limit);
    expect(found.ratio, JSON.stringify({ shape, ...found })).toBeLessThanOrEqual(1);
  }
  optimizer.destroy();
  for (const buffer of made) buffer.destroy();
});

it('is the same rule for all tensors, from the start on', async () => {
  const device = await testDevice();
  const made = [0, 1].map(() => device.createBuffer({ size: 128, usage: 0x80 | 0x04 | 0x08 }));
  const [param, grad] = made as [GPUBuffer, GPUBuffer];
  const tensor = { name: 'w', shape: [4, 4], param, grad };
  const at = (words: string) =>
    expect.objectContaining({ code: 'OPTION-RANGE', message: expect.stringContaining(words) });
  const apart = [{ ...tensor, group: { grafting: 'sgd' } as object }];
  await expect(createOptimizer(device, shampoo(), apart)).rejects.toThrow(at('grafting'));
  const optimizer = await createOptimizer(device, shampoo({ momentum: 0.9 }), [tensor]);
  expect(() => optimizer.set({ maxPreconditionerSize: 2 })).toThrow(at('maxPreconditionerSize 1024'));
  optimizer.set({ momentum: 0, maxPreconditionerSize: 1024 });
  optimizer.destroy();
  for (const buffer of made) buffer.destroy();
});
