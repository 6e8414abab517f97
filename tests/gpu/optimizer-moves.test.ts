import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import type { Optimizer, OptimizerState } from '../../src/optim/optimizer-types.js';
import type { Rule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';

/* Rows that are pruned, doubled, sorted, added and started anew while the optimizer goes on; its state is on the GPU all along. */

const { adagrad, adam, sgd } = rules;
const USAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
const CANARY = 12345.5;
/** Records of 12 floats: three, one, and four of them are fields; 5 rows are there, of 11. */
const FIELDS = [
  { name: 'xyz', width: 3, at: 0 },
  { name: 'opacity', width: 1, at: 3 },
  { name: 'colour', width: 4, at: 6 },
] as const;
const STRIDE = 12;
const [ROWS, MOST] = [5, 11];

const made: { destroy(): void }[] = [];
let device: GPUDevice;
beforeAll(async () => {
  device = await testDevice();
});
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

function buffer(values: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>, usage = USAGE): GPUBuffer {
  const one = device.createBuffer({ size: values.byteLength, usage });
  made.push(one);
  device.queue.writeBuffer(one, 0, values);
  return one;
}

const filled = (length: number, value = CANARY) => new Float32Array(length).fill(value);
const bits = (values: Float32Array) => [...new Uint32Array(values.slice().buffer)];

async function makeCloud(rule: Rule, options?: OptimizerOptions, rows = ROWS) {
  const records = filled(MOST * STRIDE);
  const slopes = filled(MOST * 8, 0);
  for (let row = 0; row < MOST; row++)
    for (const { at, width } of FIELDS) records.set(randomFloats(width, 10 * row + at), row * STRIDE + at);
  const [params, grads] = [buffer(records), buffer(slopes)];
  const starts = [0, 3, 4];
  const tensors = FIELDS.map(
    ({ name, width, at }, i): TensorOptions => ({
      ...{ name, shape: width === 1 ? [rows] : [rows, width], reserve: MOST, group: { lr: 0.5 ** i } },
      param: { buffer: params, offset: 4 * at, stride: 4 * STRIDE },
      grad: { buffer: grads, offset: 4 * starts[i]!, stride: 32 },
    }),
  );
  const optimizer = await createOptimizer(device, rule, tensors, options);
  made.push(optimizer);
  return {
    ...{ optimizer, params, grads, tensors },
    write: (seed: number, to = grads) => device.queue.writeBuffer(to, 0, randomFloats(MOST * 8, seed)),
    /** All rows there may be, by field. */
    read: async () => {
      const all = await readFloats(device, { buffer: params, offset: 0, size: params.size });
      return FIELDS.map(({ at, width }) =>
        Array.from({ length: MOST }, (_, row) => bits(all.slice(row * STRIDE + at, row * STRIDE + at + width))),
      );
    },
    redZones: async () => {
      const all = await readFloats(device, { buffer: params, offset: 0, size: params.size });
      return [...all].filter((_, i) => ![0, 1, 2, 3, 6, 7, 8, 9].includes(i % STRIDE));
    },
  };
}

function submit(record: (encoder: GPUCommandEncoder) => void): void {
  const encoder = device.createCommandEncoder();
  record(encoder);
  device.queue.submit([encoder.finish()]);
}

/** A slot's rows as bits. */
const rowsOf = (state: OptimizerState, name: string, slot: string) => {
  const values = state.tensors[name]![slot]!;
  const { width } = FIELDS.find((field) => field.name === name)!;
  return Array.from({ length: values.length / width }, (_, row) => bits(values.slice(row * width, (row + 1) * width)));
};

async function trained(rule: Rule = adam({ lr: 0.1 }), options?: OptimizerOptions) {
  const cloud = await makeCloud(rule, options);
  for (let i = 0; i < 3; i++) {
    cloud.write(100 + i);
    submit((encoder) => cloud.optimizer.step(encoder));
  }
  return cloud;
}

describe('gather', () => {
  it.each([
    ['prunes', [0, 3]],
    ['sorts', [4, 2, 0, 1, 3]],
    ['doubles', [0, 0, 1, 2, 3, 4, 4, 1]],
    ['prunes all but one and makes it all there can be', Array<number>(MOST).fill(2)],
    ['takes none', []],
  ])('%s rows: state and parameters follow, bit for bit', async (_, indices) => {
    const { optimizer, read, redZones } = await trained();
    const [before, params] = [await optimizer.state(), await read()];
    submit((encoder) => optimizer.gather(encoder, indices, { params: true }));
    const [after, moved] = [await optimizer.state(), await read()];
    for (const [i, { name }] of FIELDS.entries()) {
      for (const slot of ['exp_avg', 'exp_avg_sq'])
        expect(rowsOf(after, name, slot)).toEqual(indices.map((index) => rowsOf(before, name, slot)[index]));
      expect(moved[i]!.slice(0, indices.length)).toEqual(indices.map((index) => params[i]![index]));
      expect(moved[i]!.slice(indices.length)).toEqual(params[i]!.slice(indices.length));
    }
    expect((await redZones()).every((value) => value === CANARY)).toBe(true);
    expect(optimizer.describe().rows).toEqual({ xyz: indices.length, opacity: indices.length, colour: indices.length });
  });

  it('leaves parameters to the caller unless told otherwise, and is seen by the step behind it', async () => {
    const cloud = await trained();
    const indices = [3, 1, 4];
    const state = await cloud.optimizer.state();
    // What must come: an optimizer of three rows that was made with the state as it is then.
    const next = await makeCloud(adam({ lr: 0.1 }), {}, 3);
    const picked = FIELDS.map(({ name, width }): [string, Record<string, Float32Array>] => {
      const slots = Object.entries(state.tensors[name]!).map(([slot, values]): [string, Float32Array] => {
        const rows = indices.flatMap((index) => [...values.slice(index * width, (index + 1) * width)]);
        return [slot, Float32Array.from(rows)];
      });
      return [name, Object.fromEntries(slots)];
    });
    next.optimizer.load({ ...state, tensors: Object.fromEntries(picked) });
    const all = await readFloats(device, { buffer: cloud.params, offset: 0, size: cloud.params.size });
    device.queue.writeBuffer(next.params, 0, all as Float32Array<ArrayBuffer>);
    const before = await cloud.read();
    for (const each of [cloud, next]) each.write(7);
    submit((encoder) => {
      const pass = encoder.beginComputePass();
      cloud.optimizer.gather(pass, Uint32Array.from(indices));
      cloud.optimizer.step(pass);
      next.optimizer.step(pass);
      pass.end();
    });
    const after = await cloud.read();
    expect(after).toEqual(await next.read());
    // Rows beyond those that are there: not a bit.
    for (const [i, rows] of after.entries()) {
      expect(rows.slice(3)).toEqual(before[i]!.slice(3));
      expect(rows[0]).not.toEqual(before[i]![0]);
    }
    expect((await cloud.optimizer.state()).tensors).toEqual((await next.optimizer.state()).tensors);
  });

  it('takes a list on the GPU: rows that are not there start anew', async () => {
    const rule = adagrad({ lr: 0.1, initialAccumulatorValue: 0.25 });
    const { optimizer, read } = await trained(rule);
    const [before, params] = [await optimizer.state(), await read()];
    const list = buffer(Uint32Array.of(9, 9, 1, 2 ** 32 - 1, 5, 4));
    submit((encoder) => optimizer.gather(encoder, { buffer: list, offset: 8, count: 4 }, { params: true }));
    const [after, moved] = [await optimizer.state(), await read()];
    const start = (width: number) => bits(filled(width, 0.25));
    for (const [i, { name, width }] of FIELDS.entries()) {
      const rows = rowsOf(before, name, 'sum');
      expect(rowsOf(after, name, 'sum')).toEqual([rows[1], start(width), start(width), rows[4]]);
      expect(moved[i]!.slice(0, 4)).toEqual([params[i]![1], params[i]![1], params[i]![2], params[i]![4]]);
    }
  });

  it('moves the sum of micro-steps, too, and tables of gradients from elsewhere', async () => {
    const options: OptimizerOptions = { accumulate: { steps: 2 }, clip: { globalNorm: 1 } };
    const cloud = await makeCloud(sgd({ lr: 0.1 }), options);
    const other = buffer(filled(MOST * 8, 0));
    const grads = Object.fromEntries(
      FIELDS.map(({ name }, i) => [name, { buffer: other, offset: 4 * [0, 3, 4][i]!, stride: 32 }]),
    );
    cloud.write(1);
    cloud.write(2, other);
    submit((encoder) => cloud.optimizer.step(encoder, { grads }));
    const before = await cloud.optimizer.state();
    submit((encoder) => {
      cloud.optimizer.gather(encoder, [4, 0]);
      cloud.optimizer.grow(encoder, 3);
    });
    const after = await cloud.optimizer.state();
    for (const { name, width } of FIELDS) {
      const rows = rowsOf(before, name, 'accumulated');
      expect(rowsOf(after, name, 'accumulated')).toEqual([rows[4], rows[0], Array(width).fill(0)]);
    }
    const params = await cloud.read();
    submit((encoder) => cloud.optimizer.step(encoder, { grads }));
    for (const [i, rows] of (await cloud.read()).entries()) {
      for (let row = 0; row < MOST; row++) {
        if (row < 3) expect(rows[row]).not.toEqual(params[i]![row]);
        else expect(rows[row]).toEqual(params[i]![row]);
      }
    }
  });
});

describe('grow and reset', () => {
  it('give new rows the state that all began with; those that were there keep theirs', async () => {
    const rule = adagrad({ lr: 0.1, initialAccumulatorValue: 0.5 });
    const cloud = await trained(rule);
    // Rows that come back hold nothing of what was there before.
    submit((encoder) => cloud.optimizer.gather(encoder, [0, 1]));
    const before = await cloud.optimizer.state();
    submit((encoder) => {
      cloud.optimizer.grow(encoder, 4);
      cloud.optimizer.grow(encoder, MOST);
    });
    const after = await cloud.optimizer.state();
    for (const { name, width } of FIELDS) {
      const fresh = Array.from({ length: MOST - 2 }, () => bits(filled(width, 0.5)));
      expect(rowsOf(after, name, 'sum')).toEqual([...rowsOf(before, name, 'sum'), ...fresh]);
    }
    const params = await cloud.read();
    cloud.write(9);
    submit((encoder) => cloud.optimizer.step(encoder));
    for (const [i, rows] of (await cloud.read()).entries())
      for (const [row, words] of rows.entries()) expect(words).not.toEqual(params[i]![row]);
  });

  it('start rows anew, some tensors’ or all, listed here or on the GPU', async () => {
    const { optimizer, read } = await trained();
    const params = await read();
    const before = await optimizer.state();
    submit((encoder) => {
      optimizer.reset(encoder, [1, 3, 3], { tensors: ['opacity'] });
      optimizer.reset(encoder, { buffer: buffer(Uint32Array.of(4, 7, 2 ** 32 - 1)), count: 3 });
    });
    const after = await optimizer.state();
    for (const { name, width } of FIELDS) {
      for (const slot of ['exp_avg', 'exp_avg_sq']) {
        const anew = name === 'opacity' ? [1, 3, 4] : [4];
        const expected = rowsOf(before, name, slot).map((row, i) => (anew.includes(i) ? Array(width).fill(0) : row));
        expect(rowsOf(after, name, slot)).toEqual(expected);
      }
    }
    expect(await read()).toEqual(params);
  });

  it('keep the memory they have, however often rows move', async () => {
    const { optimizer } = await trained();
    const { stateBytes } = optimizer.describe();
    for (let i = 0; i < 50; i++) {
      submit((encoder) => {
        optimizer.gather(encoder, [0, 1, 1, 2]);
        optimizer.grow(encoder, 8);
        optimizer.reset(encoder, [7]);
        optimizer.step(encoder);
      });
    }
    expect(optimizer.describe()).toMatchObject({ stateBytes, bytesPerStep: 28 * 64 });
    expect(await optimizer.read()).toMatchObject({ count: 53 });
  });
});

describe('moves are refused, and nothing is recorded:', () => {
  const at = (code: string, words: string) =>
    expect.objectContaining({
      ...{ name: 'DownhillError', code, fix: expect.stringMatching(/\S/) },
      message: expect.stringContaining(words),
    });
  type Call = (optimizer: Optimizer, encoder: GPUCommandEncoder) => void;

  it.each<[string, string, string, Call]>([
    ['an index beyond the rows', 'OPTION-RANGE', 'indices[1]', (o, e) => o.gather(e, [0, ROWS])],
    ['a negative index', 'OPTION-RANGE', 'indices[0]', (o, e) => o.gather(e, [-1])],
    ['an index that is no whole number', 'OPTION-RANGE', 'indices[2]', (o, e) => o.gather(e, [0, 1, 1.5])],
    ['an index of NaN', 'OPTION-RANGE', 'indices[0]', (o, e) => o.reset(e, [Number.NaN])],
    ['an index to start anew beyond the rows', 'OPTION-RANGE', 'indices[0]', (o, e) => o.reset(e, [ROWS])],
    ['more indices than are reserved', 'SHAPE-MISMATCH', '12 of them', (o, e) => o.gather(e, Array(12).fill(0))],
    ['floats as indices', 'OPTION-TYPE', 'indices', (o, e) => o.gather(e, Float32Array.of(1) as never)],
    ['no indices', 'OPTION-TYPE', 'indices', (o, e) => o.gather(e, undefined as never)],
    [
      'a list on the GPU without a count',
      'OPTION-TYPE',
      'count',
      (o, e) => o.gather(e, { buffer: buffer(filled(4)) } as never),
    ],
    [
      'a count beyond the reserve',
      'SHAPE-MISMATCH',
      '12 of them',
      (o, e) => o.gather(e, { buffer: buffer(filled(16)), count: 12 }),
    ],
    [
      'a list that is too short',
      'BUFFER-RANGE',
      'needs 20',
      (o, e) => o.gather(e, { buffer: buffer(filled(4)), count: 5 }),
    ],
    [
      'a list without STORAGE',
      'BUFFER-USAGE',
      'indices',
      (o, e) => o.reset(e, { buffer: buffer(filled(4), 0x08), count: 1 }),
    ],
    ['fewer rows', 'OPTION-RANGE', 'grow: to', (o, e) => o.grow(e, ROWS - 1)],
    ['half a row', 'OPTION-RANGE', 'grow: to', (o, e) => o.grow(e, 5.5)],
    ['a number of rows that is text', 'OPTION-TYPE', 'grow: to', (o, e) => o.grow(e, '6' as never)],
    ['more rows than are reserved', 'BUFFER-RANGE', '11 are reserved', (o, e) => o.grow(e, MOST + 1)],
    ['a tensor nobody has', 'OPTION-RANGE', '"w"', (o, e) => o.grow(e, 6, { tensors: ['w'] })],
    ['names that are no list', 'OPTION-TYPE', 'tensors', (o, e) => o.grow(e, 6, { tensors: 'xyz' as never })],
    ['no name', 'OPTION-RANGE', 'no tensor', (o, e) => o.gather(e, [0], { tensors: [] })],
    [
      'some of the tensors with the same rows',
      'OPTION-RANGE',
      '"opacity"',
      (o, e) => o.gather(e, [0], { tensors: ['xyz'] }),
    ],
    ['an unknown option', 'OPTION-UNKNOWN', '"param"', (o, e) => o.gather(e, [0], { param: true } as never)],
    ['no encoder', 'OPTION-TYPE', 'encoder', (o) => o.gather({} as never, [0])],
  ])('%s', async (_, code, words, call) => {
    const { optimizer } = await makeCloud(sgd({ lr: 1 }));
    const encoder = device.createCommandEncoder();
    expect(() => call(optimizer, encoder)).toThrow(at(code, words));
    expect(optimizer.describe().rows).toEqual({ xyz: ROWS, opacity: ROWS, colour: ROWS });
  });

  it('where no tensor has a reserve, where rows are not the same, and after destroy', async () => {
    const plain = { name: 'w', shape: [4, 2], param: buffer(filled(8)), grad: buffer(filled(8)) };
    const optimizer = await createOptimizer(device, sgd(), [plain]);
    made.push(optimizer);
    const encoder = device.createCommandEncoder();
    expect(() => optimizer.gather(encoder, [0])).toThrow(at('OPTION-RANGE', 'reserve'));
    const two = await createOptimizer(device, sgd(), [
      { ...plain, reserve: 4 },
      { name: 'v', shape: [3], reserve: 8, param: buffer(filled(8)), grad: buffer(filled(8)) },
    ]);
    made.push(two);
    expect(() => two.grow(encoder, 4)).toThrow(at('SHAPE-MISMATCH', '"w" has 4 rows, "v" 3'));
    two.grow(encoder, 5, { tensors: ['v'] });
    two.gather(encoder, [1], { tensors: ['w'] });
    expect(two.describe().rows).toEqual({ w: 1, v: 5 });
    two.destroy();
    expect(() => two.gather(encoder, [0])).toThrow(at('RUN-DESTROYED', ''));
  });
});
