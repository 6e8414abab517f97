import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { Rule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { lookahead } from '../../src/optim/wrappers.js';
import { testDevice } from '../support/gpu.js';
import { countCreations } from '../support/train.js';

/* What is refused of tensors that are taken by rows, before anything is made on the GPU; and what is fine although it looks odd. */

const { adam, lamb, rprop, scheduleFreeAdamw, sgd } = rules;
const STORAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST

let device: GPUDevice;
const made: { destroy(): void }[] = [];
beforeAll(async () => {
  device = await testDevice();
});
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

function buffer(size = 4096, usage = STORAGE): GPUBuffer {
  const one = device.createBuffer({ size, usage });
  made.push(one);
  return one;
}

const at = (code: string, words: string) =>
  expect.objectContaining({
    name: 'DownhillError',
    code,
    fix: expect.stringMatching(/\S/),
    message: expect.stringContaining(words),
  });

const tensor = (over: Record<string, unknown> = {}): TensorOptions =>
  ({ name: 'w', shape: [5, 3], param: buffer(), grad: buffer(), ...over }) as TensorOptions;

const strided = (stride: unknown, offset = 0, of = buffer()) => ({ buffer: of, offset, stride });
const ones = (length: number) => new Float32Array(length).fill(1);

describe('createOptimizer refuses, before it creates anything,', () => {
  it.each<[string, string, string, () => unknown, ((options?: object) => Rule)?]>([
    ['a stride below a row', 'BUFFER-RANGE', 'Tensor "w": param: the stride 8', () => [tensor({ param: strided(8) })]],
    ['a stride of 14', 'BUFFER-RANGE', 'Tensor "w": grad: the stride 14', () => [tensor({ grad: strided(14) })]],
    ['a negative stride', 'BUFFER-RANGE', 'the stride -16', () => [tensor({ param: strided(-16) })]],
    ['a stride of 0', 'BUFFER-RANGE', 'the stride 0', () => [tensor({ param: strided(0) })]],
    ['a stride that is a string', 'BUFFER-RANGE', 'the stride "16"', () => [tensor({ param: strided('16') })]],
    ['a stride of NaN', 'BUFFER-RANGE', 'the stride NaN', () => [tensor({ param: strided(Number.NaN) })]],
    ['a stride of null', 'OPTION-TYPE', 'param.stride is null', () => [tensor({ param: strided(null) })]],
    ['a stride of a scalar', 'SHAPE-INVALID', 'no rows', () => [tensor({ shape: [], param: strided(16) })]],
    [
      'rows beyond the buffer',
      'BUFFER-RANGE',
      'Tensor "w": param needs 76 bytes from 24',
      () => [tensor({ param: strided(16, 24, buffer(96)) })],
    ],
    [
      'a size shorter than the rows at their stride',
      'BUFFER-RANGE',
      'the size 60',
      () => [tensor({ param: { ...strided(16), size: 60 } })],
    ],
    [
      'fields that share a float',
      'BUFFER-OVERLAP',
      'param of "a" (bytes 0 to 76) and param of "b" (bytes 8 to 84)',
      () => {
        const one = buffer();
        return [tensor({ name: 'a', param: strided(16, 0, one) }), tensor({ name: 'b', param: strided(16, 8, one) })];
      },
    ],
    [
      'a field that reaches into the next record',
      'BUFFER-OVERLAP',
      '"b"',
      () => {
        const one = buffer();
        return [
          tensor({ name: 'a', param: strided(16, 0, one) }),
          tensor({ name: 'b', shape: [5, 2], param: strided(16, 12, one) }),
        ];
      },
    ],
    [
      'records of two strides that meet',
      'BUFFER-OVERLAP',
      '"b"',
      () => {
        const one = buffer();
        return [
          tensor({ name: 'a', shape: [9, 1], param: strided(12, 0, one) }),
          tensor({ name: 'b', shape: [9, 1], param: strided(20, 4, one) }),
        ];
      },
    ],
    [
      'a whole tensor between the fields of records',
      'BUFFER-OVERLAP',
      '"b"',
      () => {
        const one = buffer();
        return [
          tensor({ name: 'a', param: strided(32, 0, one) }),
          tensor({ name: 'b', shape: [6], param: { buffer: one, offset: 12 } }),
        ];
      },
    ],
    [
      'a gradient where the parameter of the next record is',
      'BUFFER-OVERLAP',
      'grad of "w"',
      () => {
        const one = buffer();
        return [tensor({ param: strided(24, 0, one), grad: strided(24, 16, one) })];
      },
    ],
    [
      'rates that are no object',
      'OPTION-TYPE',
      'rates',
      () => [tensor({ rates: ones(5) })].map((t) => ({ ...t, rates: 5 })),
    ],
    ['rates of nothing', 'OPTION-TYPE', 'neither rows nor period', () => [tensor({ rates: {} })]],
    ['rates of something else', 'OPTION-UNKNOWN', '"columns"', () => [tensor({ rates: { columns: ones(3) } })]],
    ['rates in a list', 'OPTION-TYPE', 'rates.rows', () => [tensor({ rates: { rows: [1, 1, 1, 1, 1] } })]],
    ['too few rates of rows', 'SHAPE-MISMATCH', 'has 4 factors', () => [tensor({ rates: { rows: ones(4) } })]],
    ['too many rates of rows', 'SHAPE-MISMATCH', 'has 6 factors', () => [tensor({ rates: { rows: ones(6) } })]],
    ['a period that does not divide a row', 'SHAPE-MISMATCH', 'has 2', () => [tensor({ rates: { period: ones(2) } })]],
    ['a period of none', 'SHAPE-MISMATCH', 'has 0', () => [tensor({ rates: { period: ones(0) } })]],
    [
      'a negative rate',
      'OPTION-RANGE',
      'rates.period[1]',
      () => [tensor({ rates: { period: Float32Array.of(1, -1, 1) } })],
    ],
    [
      'a rate of NaN',
      'OPTION-RANGE',
      'rates.rows[4]',
      () => [tensor({ rates: { rows: Float32Array.of(1, 1, 1, 1, Number.NaN) } })],
    ],
    ['rates with a rule that has none', 'OPTION-RANGE', 'Rprop', () => [tensor({ rates: { rows: ones(5) } })], rprop],
    [
      'rates with a rule of several passes',
      'OPTION-RANGE',
      'Tensor "w"',
      () => [tensor({ rates: { rows: ones(5) } })],
      lamb,
    ],
    [
      'a mask with a rule of several passes',
      'OPTION-RANGE',
      'LAMB takes no active',
      () => [tensor({ active: buffer() })],
      lamb,
    ],
    [
      'a reserve with a rule of several passes',
      'OPTION-RANGE',
      'LAMB takes no reserve',
      () => [tensor({ reserve: 6 })],
      lamb,
    ],
    [
      'a mask with a schedule-free rule',
      'OPTION-RANGE',
      'takes no active',
      () => [tensor({ active: buffer() })],
      scheduleFreeAdamw,
    ],
    ['a mask of 4 rows', 'BUFFER-RANGE', 'active needs 20 bytes', () => [tensor({ active: buffer(16) })]],
    ['a mask that is an array', 'OPTION-TYPE', 'active', () => [tensor({ active: new Uint32Array(5) })]],
    ['a mask of null', 'OPTION-TYPE', 'active', () => [tensor({ active: null })]],
    ['a mask without STORAGE', 'BUFFER-USAGE', 'active', () => [tensor({ active: buffer(64, 0x0c) })]],
    ['a mask at byte 2', 'BUFFER-RANGE', 'offset 2', () => [tensor({ active: { buffer: buffer(), offset: 2 } })]],
    ['a count that is a number', 'OPTION-TYPE', 'active.count', () => [tensor({ active: { count: 4 } })]],
    [
      'a count beyond its buffer',
      'BUFFER-RANGE',
      'active.count',
      () => [tensor({ active: { count: buffer(16), offset: 16 } })],
    ],
    [
      'a mask in the buffer of parameters',
      'BUFFER-OVERLAP',
      'active lies in the buffer of param of "w"',
      () => {
        const one = buffer();
        return [tensor({ param: one, active: { buffer: one, offset: 1024 } })];
      },
    ],
    ['a reserve below the rows', 'OPTION-RANGE', 'reserve', () => [tensor({ reserve: 4 })]],
    ['a reserve that is no whole number', 'OPTION-RANGE', 'reserve', () => [tensor({ reserve: 5.5 })]],
    ['a reserve beyond the buffer', 'BUFFER-RANGE', 'param needs 12000', () => [tensor({ reserve: 1000 })]],
    ['a unit of 0', 'OPTION-RANGE', 'Tensor "w": gradients.fixed', () => [tensor({ gradients: { fixed: 0 } })]],
    ['gradients of f16', 'OPTION-RANGE', 'Tensor "w": gradients', () => [tensor({ gradients: 'f16' })]],
  ])('%s', async (_, code, words, tensors, rule = adam) => {
    const given = tensors() as TensorOptions[];
    const { counts, restore } = countCreations(device);
    try {
      await expect(createOptimizer(device, rule(), given)).rejects.toEqual(at(code, words));
      expect(counts).toEqual({});
    } finally {
      restore();
    }
  });

  it('a mask with wrappers', async () => {
    const given = [tensor({ active: buffer() })];
    const { counts, restore } = countCreations(device);
    await expect(createOptimizer(device, adam(), given, { wrappers: [lookahead()] })).rejects.toEqual(
      at('OPTION-RANGE', 'Lookahead takes no active'),
    );
    restore();
    expect(counts).toEqual({});
  });

  it('rules of somebody else’s without a kernel for rows', async () => {
    const { row } = sgd;
    const { rows: _, rowsShared: __, ...forms } = row.shader.forms!;
    const rule = { row: { ...row, shader: { ...row.shader, forms } }, hyper: sgd().hyper } as Rule;
    await expect(createOptimizer(device, rule, [tensor({ param: strided(16) })])).rejects.toEqual(
      at('OPTION-RANGE', 'no kernel for rows'),
    );
  });
});

it('step refuses a stride for a tensor that was made without', async () => {
  for (const rule of [adam(), lamb()]) {
    const optimizer = await createOptimizer(device, rule, [tensor()]);
    made.push(optimizer);
    const encoder = device.createCommandEncoder();
    const grads = { w: { buffer: buffer(), stride: 64 } };
    expect(() => optimizer.step(encoder, { grads })).toThrow(
      at('BUFFER-RANGE', 'Tensor "w": grad: it has a stride of 64'),
    );
  }
});

describe('what is fine:', () => {
  it.each<[string, () => unknown]>([
    [
      'fields of one record, and a tensor behind all of them',
      () => {
        const one = buffer();
        return [
          tensor({ name: 'a', param: strided(32, 0, one) }),
          tensor({ name: 'b', shape: [5, 5], param: strided(32, 12, one) }),
          tensor({ name: 'c', param: { buffer: one, offset: 160 } }),
        ];
      },
    ],
    [
      'a tensor in the room behind the last row of a field',
      () => {
        const one = buffer();
        return [
          tensor({ name: 'a', param: strided(32, 0, one) }),
          tensor({ name: 'b', param: { buffer: one, offset: 140 } }),
        ];
      },
    ],
    ['a stride that is a row’s', () => [tensor({ param: strided(12), grad: strided(16) })]],
    ['no rows', () => [tensor(), tensor({ name: 'none', shape: [0, 3], param: strided(16) })]],
    [
      'rows of nothing',
      () => [tensor(), tensor({ name: 'none', shape: [7, 0], param: strided(16), active: buffer(28) })],
    ],
    ['one axis', () => [tensor({ shape: [5], param: strided(16), rates: { rows: ones(5), period: ones(1) } })]],
    ['three axes', () => [tensor({ shape: [2, 3, 2], param: strided(32), rates: { period: ones(2) } })]],
  ])('%s', async (_, tensors) => {
    const optimizer = await createOptimizer(device, adam(), tensors() as TensorOptions[], { clip: { tensorNorm: 1 } });
    made.push(optimizer);
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder);
    device.queue.submit([encoder.finish()]);
    expect(await optimizer.read()).toMatchObject({ step: 1, count: 1 });
  });
});
