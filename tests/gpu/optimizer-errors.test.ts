import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { requestDevice } from '../../src/node/index.js';
import type { TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import type { OptimizerState } from '../../src/optim/optimizer-types.js';
import { type Rule, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { likeDevice, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { ruleNames } from '../support/rule-cases.js';
import { countCreations } from '../support/train.js';

/*
 * What createOptimizer and an optimizer refuse, and what they take although it looks odd. Everything is refused with a code,
 * a fix and the name of the tensor, and, unless only the GPU can tell, before anything is made on the GPU.
 */

const { adadelta, adam, muon, nadam, rmsprop, rprop, sgd } = rules;
const STORAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST

/** An error with this code, a fix, and these words. */
const at = (code: string, ...words: string[]) =>
  expect.objectContaining({
    name: 'DownhillError',
    code,
    fix: expect.stringMatching(/\S/),
    message: words.length
      ? expect.stringMatching(new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')))
      : expect.any(String),
  });

let device: GPUDevice;
const made: { destroy(): void }[] = [];
beforeAll(async () => {
  device = await testDevice();
});
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

function buffer(size = 256, usage = STORAGE, mappedAtCreation = false, of = device): GPUBuffer {
  const one = of.createBuffer({ label: 'the caller’s', size, usage, mappedAtCreation });
  made.push(one);
  return one;
}

function floats(values: readonly number[] | Float32Array<ArrayBuffer>): GPUBuffer {
  const one = buffer(Math.max(4 * values.length, 4));
  device.queue.writeBuffer(one, 0, Float32Array.from(values));
  return one;
}

const tensor = (over: Partial<Record<keyof TensorOptions, unknown>> & Record<string, unknown> = {}): TensorOptions =>
  ({ name: 'w', shape: [4], param: buffer(), grad: buffer(), ...over }) as TensorOptions;

async function make(rule: Rule, tensors: readonly TensorOptions[], options?: OptimizerOptions, on = device) {
  const one = await createOptimizer(on, rule, tensors, options);
  made.push(one);
  return one;
}

/** One step and the parameters after it. */
async function stepped(
  rule: Rule,
  params: readonly number[] | Float32Array<ArrayBuffer>,
  grads: readonly number[] | Float32Array<ArrayBuffer>,
  options: OptimizerOptions = {},
  steps = 1,
): Promise<Float32Array> {
  // Two axes, for rules of matrices.
  const one = tensor({ shape: [params.length, 1], param: floats(params), grad: floats(grads) });
  const optimizer = await make(rule, [one], options);
  submit((encoder) => {
    for (let i = 0; i < steps; i++) optimizer.step(encoder);
  });
  return readFloats(device, { buffer: one.param as GPUBuffer, offset: 0, size: 4 * params.length });
}

function submit(record: (encoder: GPUCommandEncoder) => void, to = device): void {
  const encoder = to.createCommandEncoder();
  record(encoder);
  to.queue.submit([encoder.finish()]);
}

const limited = (limits: Record<string, number>) => likeDevice(device, { limits });

/** Expects a rejection, and that nothing was made on the GPU before it. */
async function refuses(error: unknown, tensors: () => unknown, rule: () => unknown = () => adam(), options?: unknown) {
  const [given, made] = [tensors(), rule()];
  const { counts, restore } = countCreations(device);
  try {
    await expect(
      createOptimizer(device, made as Rule, given as TensorOptions[], options as OptimizerOptions),
    ).rejects.toEqual(error);
    expect(counts).toEqual({});
  } finally {
    restore();
  }
}

describe('createOptimizer refuses, before it creates anything on the GPU,', () => {
  describe('hyper-parameters of a tensor’s group:', () => {
    it.each<[string, (options?: object) => Rule, object, string, string]>([
      ['lr NaN', adam, { lr: Number.NaN }, 'HYPER-RANGE', 'lr'],
      ['lr Infinity', adam, { lr: Number.POSITIVE_INFINITY }, 'HYPER-RANGE', 'Infinity'],
      ['lr negative', sgd, { lr: -1e-3 }, 'HYPER-RANGE', '-0.001'],
      ['lr a string', sgd, { lr: '0.01' }, 'HYPER-TYPE', '"0.01"'],
      ['lr null', sgd, { lr: null }, 'HYPER-TYPE', 'null'],
      ['lr infinite in f32', sgd, { lr: 1e39 }, 'HYPER-RANGE', 'Infinity in 32-bit'],
      ['lr zero in f32', sgd, { lr: 1e-46 }, 'HYPER-RANGE', 'becomes 0 in 32-bit'],
      ['beta1 of 1', adam, { betas: [1, 0.999] }, 'HYPER-RANGE', 'betas[0]'],
      ['beta2 of 1', adam, { betas: [0.9, 1] }, 'HYPER-RANGE', 'betas[1]'],
      ['a negative beta', adam, { betas: [-0.1, 0.9] }, 'HYPER-RANGE', 'betas[0]'],
      ['one beta', adam, { betas: [0.9] }, 'HYPER-TYPE', 'pair'],
      ['a beta2 of 1 in f32', adam, { betas: [0.9, 0.99999999] }, 'HYPER-RANGE', 'betas[1]'],
      ['eps negative', adam, { eps: -1e-8 }, 'HYPER-RANGE', 'eps'],
      ['eps 0', adam, { eps: 0 }, 'HYPER-RANGE', 'eps'],
      ['eps below the normal numbers', adam, { eps: 1e-46 }, 'HYPER-RANGE', 'eps'],
      ['eps NaN', adam, { eps: Number.NaN }, 'HYPER-RANGE', 'eps'],
      ['weightDecay negative', adam, { weightDecay: -1 }, 'HYPER-RANGE', 'weightDecay'],
      ['weightDecay NaN', adam, { weightDecay: Number.NaN }, 'HYPER-RANGE', 'weightDecay'],
      ['momentum above 1', sgd, { momentum: 1.5 }, 'HYPER-RANGE', 'momentum'],
      ['momentum NaN', sgd, { momentum: Number.NaN }, 'HYPER-RANGE', 'momentum'],
      ['nesterov without momentum', sgd, { nesterov: true }, 'HYPER-RANGE', 'nesterov'],
      ['nesterov with dampening', sgd, { nesterov: true, momentum: 0.9, dampening: 0.1 }, 'HYPER-RANGE', 'dampening'],
      ['alpha above 1', rmsprop, { alpha: 1.5 }, 'HYPER-RANGE', 'alpha'],
      ['etas reversed', rprop, { etas: [1.2, 0.5] }, 'HYPER-RANGE', 'etas'],
      ['step sizes reversed', rprop, { stepSizes: [50, 1e-6] }, 'HYPER-RANGE', 'stepSizes'],
      ['rho above 1', adadelta, { rho: 1.1 }, 'HYPER-RANGE', 'rho'],
      ['PyTorch’s spelling', adam, { weight_decay: 0.1 }, 'HYPER-UNKNOWN', 'weight_decay'],
      ['a name of another rule', adam, { momentum: 0.9 }, 'HYPER-UNKNOWN', 'momentum'],
      ['a name from the prototype', adam, JSON.parse('{"__proto__": 1}'), 'HYPER-UNKNOWN', '__proto__'],
      ['maximize a string', adam, { maximize: 'yes' }, 'HYPER-TYPE', 'maximize'],
      ['an unknown convention', adam, { convention: 'kears' }, 'HYPER-RANGE', 'convention'],
    ])('%s', async (_, rule, group, code, words) => {
      await refuses(
        at(code, 'Tensor "b", group: ', words),
        () => [tensor({ name: 'a' }), tensor({ name: 'b', group })],
        rule,
      );
    });

    it('of a rule that was made by hand', async () => {
      const one = tensor({ shape: [4], param: floats([1, 2, 3, 4]), grad: floats([1, 1, 1, 1]) });
      const byHand = (hyper: object) => ({ row: adam.row, hyper }) as unknown as Rule;
      await expect(make(byHand({ lr: Number.NaN }), [one])).rejects.toEqual(at('HYPER-RANGE'));
      await expect(make(byHand({ rate: 1 }), [one])).rejects.toEqual(at('HYPER-UNKNOWN'));
      await expect(make({ row: { name: 'adam' }, hyper: {} } as unknown as Rule, [one])).rejects.toEqual(
        at('OPTION-TYPE'),
      );
    });

    it.each([null, 'lr', 3, [1]])('that are no object: %o', async (group) => {
      await refuses(at('OPTION-TYPE', 'Tensor "w", group must be'), () => [tensor({ group })]);
    });
  });

  const shared = () => buffer(1024);
  it.each<[string, string, string, () => unknown]>([
    ['an empty list', 'OPTION-TYPE', 'tensors', () => []],
    ['no list', 'OPTION-TYPE', 'tensors', () => undefined],
    ['one tensor instead of a list', 'OPTION-TYPE', 'tensors', () => tensor()],
    ['a hole in the list', 'OPTION-TYPE', 'Tensor 0', () => Object.assign(new Array(2), { 1: tensor() })],
    ['a tensor that is null', 'OPTION-TYPE', 'Tensor 1', () => [tensor(), null]],
    ['no name', 'OPTION-TYPE', 'Tensor 0', () => [tensor({ name: undefined })]],
    ['an empty name', 'OPTION-TYPE', 'Tensor 1', () => [tensor(), tensor({ name: '' })]],
    ['one name twice', 'OPTION-RANGE', '"w"', () => [tensor(), tensor()]],
    [
      'an unknown option',
      'OPTION-UNKNOWN',
      'Tensor "w" .*"gradient"'.replace('.*', 'has no option '),
      () => [tensor({ gradient: buffer() })],
    ],
    ['frozen as a string', 'OPTION-TYPE', 'Tensor "w": frozen', () => [tensor({ frozen: 'no' })]],
    ['frozen null', 'OPTION-TYPE', 'Tensor "w": frozen', () => [tensor({ frozen: null })]],
    ['a shape that is no list', 'SHAPE-INVALID', 'Tensor "w"', () => [tensor({ shape: 4 })]],
    ['a negative size', 'SHAPE-INVALID', '[3, -1]', () => [tensor({ shape: [3, -1] })]],
    ['a fractional size', 'SHAPE-INVALID', '[2.5]', () => [tensor({ shape: [2.5] })]],
    ['a size of NaN', 'SHAPE-INVALID', 'NaN', () => [tensor({ shape: [Number.NaN] })]],
    ['a size that is a string', 'SHAPE-INVALID', '"4"', () => [tensor({ shape: ['4'] })]],
    ['a shape with holes', 'SHAPE-INVALID', 'Tensor "w"', () => [tensor({ shape: new Array(2) })]],
    ['2^62 elements', 'SHAPE-INVALID', '4294967295', () => [tensor({ shape: [2 ** 31, 2 ** 31] })]],
    ['2^32 elements', 'SHAPE-INVALID', '4294967296', () => [tensor({ shape: [2 ** 32] })]],
    ['infinitely many, times 0', 'SHAPE-INVALID', 'Tensor "w"', () => [tensor({ shape: [1e200, 1e200, 0] })]],
    [
      'a parameter that is too short',
      'BUFFER-RANGE',
      'Tensor "w": param needs 260 bytes',
      () => [tensor({ shape: [65], grad: buffer(512) })],
    ],
    [
      'a gradient that is too short',
      'BUFFER-RANGE',
      'Tensor "w": grad needs 260 bytes',
      () => [tensor({ shape: [65], param: buffer(512) })],
    ],
    [
      'a size beyond its buffer',
      'BUFFER-RANGE',
      'Tensor "w": param: 252 bytes from 8 on reach beyond its buffer of 256',
      () => [tensor({ param: { buffer: buffer(), offset: 8, size: 252 } })],
    ],
    [
      'a range beyond its buffer',
      'BUFFER-RANGE',
      'Tensor "w": param needs 16 bytes from 244',
      () => [tensor({ param: { buffer: buffer(), offset: 244 } })],
    ],
    [
      'an offset of 2',
      'BUFFER-RANGE',
      'Tensor "w": grad: the offset 2',
      () => [tensor({ grad: { buffer: buffer(), offset: 2 } })],
    ],
    ['a negative offset', 'BUFFER-RANGE', 'offset -4', () => [tensor({ grad: { buffer: buffer(), offset: -4 } })]],
    [
      'an offset that is a string',
      'BUFFER-RANGE',
      'offset "4"',
      () => [tensor({ grad: { buffer: buffer(), offset: '4' } })],
    ],
    [
      'an offset of NaN',
      'BUFFER-RANGE',
      'offset NaN',
      () => [tensor({ grad: { buffer: buffer(), offset: Number.NaN } })],
    ],
    [
      'a size of 10 bytes',
      'BUFFER-RANGE',
      'Tensor "w": param: the size 10',
      () => [tensor({ shape: [2], param: { buffer: buffer(), size: 10 } })],
    ],
    [
      'a size shorter than the shape',
      'BUFFER-RANGE',
      'Tensor "w": grad: the size 12',
      () => [tensor({ grad: { buffer: buffer(), size: 12 } })],
    ],
    ['a buffer without STORAGE', 'BUFFER-USAGE', 'Tensor "w": param', () => [tensor({ param: buffer(256, 0x0c) })]],
    [
      'a gradient without STORAGE',
      'BUFFER-USAGE',
      'Tensor "w": grad',
      () => [tensor({ grad: buffer(256, 0x40 | 0x08) })],
    ],
    [
      'a buffer mapped at creation',
      'BUFFER-INVALID',
      'Tensor "w": param: its buffer is mapped',
      () => [tensor({ param: buffer(256, STORAGE, true) })],
    ],
    [
      'an unknown key in a range',
      'OPTION-UNKNOWN',
      'Tensor "w": param has no option "pitch"',
      () => [tensor({ param: { buffer: buffer(), offset: 0, pitch: 8 } })],
    ],
    [
      'an unknown key in a range of gradients',
      'OPTION-UNKNOWN',
      'Tensor "w": grad has no option "byteOffset"',
      () => [tensor({ grad: { buffer: buffer(), byteOffset: 16 } })],
    ],
    ['nothing as gradient', 'OPTION-TYPE', 'Tensor "w": grad', () => [tensor({ grad: undefined })]],
    [
      'a plain object as buffer',
      'OPTION-TYPE',
      'Tensor "w": param',
      () => [tensor({ param: { size: 256, usage: STORAGE } })],
    ],
    [
      'a plain object in a range',
      'OPTION-TYPE',
      'Tensor "w": param',
      () => [tensor({ param: { buffer: {}, offset: 0 } })],
    ],
    ...[
      new Float32Array(64),
      new Float64Array(64),
      new Int32Array(64),
      new DataView(new ArrayBuffer(256)),
      new ArrayBuffer(256),
    ].map((array): [string, string, string, () => unknown] => [
      `a ${array.constructor.name} as buffer`,
      'OPTION-TYPE',
      `Tensor "w": param must be a GPUBuffer or { buffer, offset }, got ${array.constructor.name}`,
      () => [tensor({ param: array })],
    ]),
    [
      'one buffer for parameter and gradient',
      'BUFFER-OVERLAP',
      '"w"',
      () => {
        const one = shared();
        return [tensor({ param: one, grad: one })];
      },
    ],
    [
      'one parameter twice',
      'BUFFER-OVERLAP',
      'param of "a" (bytes 0 to 16) and param of "b"',
      () => {
        const one = shared();
        return [tensor({ name: 'a', param: one }), tensor({ name: 'b', param: one })];
      },
    ],
    [
      'one parameter in two groups',
      'BUFFER-OVERLAP',
      '"b"',
      () => {
        const one = shared();
        return [
          tensor({ name: 'a', param: one, group: { lr: 1 } }),
          tensor({ name: 'b', param: one, group: { lr: 2 } }),
        ];
      },
    ],
    [
      'one gradient for two parameters',
      'BUFFER-OVERLAP',
      'grad of "a"',
      () => {
        const one = shared();
        return [tensor({ name: 'a', grad: one }), tensor({ name: 'b', grad: one })];
      },
    ],
    [
      'ranges that share one float',
      'BUFFER-OVERLAP',
      'param of "b" (bytes 100 to 116) and param of "a" (bytes 112 to 128)',
      () => {
        const one = shared();
        return [
          tensor({ name: 'a', param: { buffer: one, offset: 112 } }),
          tensor({ name: 'b', param: { buffer: one, offset: 100 } }),
        ];
      },
    ],
    [
      'a gradient inside another’s parameter',
      'BUFFER-OVERLAP',
      'param of "a"',
      () => {
        const one = shared();
        return [
          tensor({ name: 'a', shape: [200], param: one, grad: buffer(1024) }),
          tensor({ name: 'b', grad: { buffer: one, offset: 400 } }),
        ];
      },
    ],
    [
      'a frozen tensor’s memory used again',
      'BUFFER-OVERLAP',
      '"a"',
      () => {
        const one = shared();
        return [tensor({ name: 'a', param: one, frozen: true }), tensor({ name: 'b', param: one })];
      },
    ],
  ])('%s', async (_, code, words, tensors) => {
    await refuses(at(code, words), tensors);
  });

  it.each<[string, string, string, unknown]>([
    ['an unknown option', 'OPTION-UNKNOWN', 'skipNonfinite', { skipNonfinite: true }],
    ['no object', 'OPTION-TYPE', 'createOptimizer', 'clip'],
    ['null', 'OPTION-TYPE', 'createOptimizer', null],
    ['clip a number', 'OPTION-TYPE', 'clip', { clip: 1 }],
    ['clip null', 'OPTION-TYPE', 'clip', { clip: null }],
    ['clip with an unknown key', 'OPTION-UNKNOWN', 'maxNorm', { clip: { maxNorm: 1 } }],
    ['clip by value 0', 'OPTION-RANGE', 'clip.value', { clip: { value: 0 } }],
    ['clip by value NaN', 'OPTION-RANGE', 'clip.value', { clip: { value: Number.NaN } }],
    ['clip by value a string', 'OPTION-TYPE', 'clip.value', { clip: { value: '1' } }],
    ['clip by a negative norm', 'OPTION-RANGE', 'clip.globalNorm', { clip: { globalNorm: -1 } }],
    ['clip by an infinite norm', 'OPTION-RANGE', 'clip.globalNorm', { clip: { globalNorm: Number.POSITIVE_INFINITY } }],
    ['clip by a norm of null', 'OPTION-TYPE', 'clip.tensorNorm', { clip: { tensorNorm: null } }],
    ['clip by a norm that is 0 in f32', 'OPTION-RANGE', 'clip.tensorNorm', { clip: { tensorNorm: 1e-46 } }],
    ['clip by both norms', 'OPTION-RANGE', 'tensorNorm', { clip: { globalNorm: 1, tensorNorm: 1 } }],
    ['a convention nobody has', 'OPTION-RANGE', 'clip.convention', { clip: { globalNorm: 1, convention: 'keras' } }],
    ['a convention of null', 'OPTION-TYPE', 'clip.convention', { clip: { globalNorm: 1, convention: null } }],
    ['skipNonFinite a number', 'OPTION-TYPE', 'skipNonFinite', { skipNonFinite: 5 }],
    ['skipNonFinite null', 'OPTION-TYPE', 'skipNonFinite', { skipNonFinite: null }],
    ['skipping at most 0', 'OPTION-RANGE', 'skipNonFinite.atMost', { skipNonFinite: { atMost: 0 } }],
    ['skipping at most 2.5', 'OPTION-RANGE', 'skipNonFinite.atMost', { skipNonFinite: { atMost: 2.5 } }],
    ['skipping at most null', 'OPTION-TYPE', 'skipNonFinite.atMost', { skipNonFinite: { atMost: null } }],
    ['gradScale 0', 'OPTION-RANGE', 'gradScale', { gradScale: 0 }],
    ['gradScale negative', 'OPTION-RANGE', 'gradScale', { gradScale: -1 }],
    ['gradScale NaN', 'OPTION-RANGE', 'gradScale', { gradScale: Number.NaN }],
    [
      'gradScale over so many micro-steps that it is 0 in f32',
      'OPTION-RANGE',
      'gradScale over 2147483648 micro-steps',
      { gradScale: 1e-38, accumulate: { steps: 2 ** 31, reduce: 'mean' } },
    ],
    ['gradScale null', 'OPTION-TYPE', 'gradScale', { gradScale: null }],
    ['zeroGrad a number', 'OPTION-TYPE', 'zeroGrad', { zeroGrad: 1 }],
    ['gradients of f16', 'OPTION-RANGE', 'gradients', { gradients: 'f16' }],
    ['gradients null', 'OPTION-TYPE', 'gradients', { gradients: null }],
    ['fixed-point without a scale', 'OPTION-TYPE', 'gradients.fixed', { gradients: {} }],
    ['fixed-point in units of 0', 'OPTION-RANGE', 'gradients.fixed', { gradients: { fixed: 0 } }],
    ['fixed-point with an unknown key', 'OPTION-UNKNOWN', 'scale', { gradients: { fixed: 1, scale: 1 } }],
    ['accumulate a number', 'OPTION-TYPE', 'accumulate', { accumulate: 4 }],
    ['accumulate null', 'OPTION-TYPE', 'accumulate', { accumulate: null }],
    ['accumulate over 0 steps', 'OPTION-RANGE', 'accumulate.steps', { accumulate: { steps: 0 } }],
    ['accumulate over 1.5 steps', 'OPTION-RANGE', 'accumulate.steps', { accumulate: { steps: 1.5 } }],
    ['accumulate without steps', 'OPTION-TYPE', 'accumulate.steps', { accumulate: {} }],
    ['accumulate by the maximum', 'OPTION-RANGE', 'accumulate.reduce', { accumulate: { steps: 2, reduce: 'max' } }],
    ['accumulate by null', 'OPTION-TYPE', 'accumulate.reduce', { accumulate: { steps: 2, reduce: null } }],
    ['a label that is no string', 'OPTION-TYPE', 'label', { label: 5 }],
  ])('options: %s', async (_, code, words, options) => {
    await refuses(at(code, words), () => [tensor()], undefined, options);
  });

  it.each<[string, unknown]>([
    ['by name', 'adam'],
    ['nothing', undefined],
    ['null', null],
    ['its function', adam],
    ['an object that looks like one', { row: {}, hyper: {} }],
    ['one without a row', { row: null, hyper: {} }],
    ['one without hyper-parameters', { row: adam.row, hyper: null }],
  ])('a rule that is none: %s', async (_, rule) => {
    await refuses(
      at('OPTION-TYPE', 'rule'),
      () => [tensor()],
      () => rule,
    );
  });

  it('a buffer that is being mapped', async () => {
    const one = buffer(256, STORAGE);
    // No usage goes with both STORAGE and MAP_READ, so the state is told, not made.
    const pending = new Proxy(one, {
      get: (target, key) =>
        key === 'mapState'
          ? 'pending'
          : typeof target[key as 'size'] === 'function'
            ? () => undefined
            : target[key as 'size'],
    });
    await refuses(at('BUFFER-INVALID', 'Tensor "w": grad: its buffer is mapped (pending)'), () => [
      tensor({ grad: pending }),
    ]);
  });

  it('something that is no device, or only looks like one', async () => {
    const { queue, limits, lost } = device;
    const made = { createBuffer: () => ({}), queue: { submit: () => {} }, limits: {}, lost: new Promise(() => {}) };
    for (const wrong of [undefined, null, {}, 'gpu', made, { queue, limits, lost, createBuffer: () => ({}) }])
      await expect(createOptimizer(wrong as never, adam(), [tensor()])).rejects.toEqual(at('OPTION-TYPE', 'GPUDevice'));
  });

  it('a device with four storage buffers', async () => {
    const given = [tensor()];
    const { counts, restore } = countCreations(device);
    await expect(createOptimizer(limited({ maxStorageBuffersPerShaderStage: 4 }), sgd(), given)).rejects.toEqual(
      at('LIMIT-BINDING', 'maxStorageBuffersPerShaderStage of 8', 'allows 4'),
    );
    restore();
    expect(counts).toEqual({});
  });

  it('Muon with nothing that has two axes, but frozen or empty tensors', async () => {
    const frozen = tensor({ name: 'matrix', shape: [2, 2], frozen: true });
    const tensors = () => [tensor({ name: 'scale' }), frozen, tensor({ name: 'none', shape: [0, 3] })];
    await refuses(
      at('OPTION-RANGE', 'muon is for matrices, but none of the tensors to train has two axes: "scale" [4].'),
      tensors,
      () => muon(),
    );
  });

  it('more groups than rows, with clipping by tensor', async () => {
    const [param, grad] = [buffer(8192), buffer(8192)];
    const many = Array.from({ length: 1025 }, (_, i) =>
      tensor({
        name: `t${i}`,
        shape: [1],
        param: { buffer: param, offset: 4 * i },
        grad: { buffer: grad, offset: 4 * i },
      }),
    );
    await refuses(at('OPTION-RANGE', '1025 groups'), () => many, undefined, { clip: { tensorNorm: 1 } });
    expect((await make(adam(), many)).describe().dispatches).toBe(2);
  });
});

describe('what only the GPU can tell', () => {
  let other: GPUDevice;
  beforeAll(async () => {
    other = await requestDevice();
  });
  afterAll(() => other.destroy());

  it('names the tensor: a destroyed buffer, one of another device, an impostor', async () => {
    const complaints: unknown[] = [];
    const listen = (event: Event) => complaints.push(event);
    device.addEventListener('uncapturederror', listen);
    const destroyed = buffer();
    destroyed.destroy();
    const foreign = other.createBuffer({ size: 256, usage: STORAGE });
    const impostor = { size: 256, usage: STORAGE, mapState: 'unmapped', mapAsync: () => {} };
    for (const wrong of [destroyed, foreign, impostor]) {
      for (const kind of ['param', 'grad']) {
        const given = [tensor({ name: 'a' }), tensor({ name: 'b', [kind]: wrong })];
        const { counts, restore } = countCreations(device);
        await expect(createOptimizer(device, adam(), given)).rejects.toEqual(
          at('BUFFER-INVALID', `Tensor "b": ${kind}`),
        );
        restore();
        // The probe, nothing else.
        expect(Object.keys(counts).filter((name) => !/BindGroup|CommandEncoder/.test(name))).toEqual([]);
      }
    }
    await device.queue.onSubmittedWorkDone();
    device.removeEventListener('uncapturederror', listen);
    expect(complaints).toEqual([]);
  });

  it('names the tensor whose buffer is destroyed while it is at work', async () => {
    const given = tensor();
    const making = createOptimizer(device, adam({ amsgrad: true, convention: 'optax' }), [given]);
    setTimeout(() => (given.grad as GPUBuffer).destroy());
    await expect(making).rejects.toEqual(at('BUFFER-INVALID', 'Tensor "w": grad'));
  });

  it('read names the tensor whose buffer was destroyed since: what was submitted with it was not done', async () => {
    // In a scope: the submit that WebGPU drops is the caller's own error.
    const submitted = async (one: Awaited<ReturnType<typeof make>>, grads?: Record<string, GPUBuffer>) => {
      device.pushErrorScope('validation');
      submit((encoder) => one.step(encoder, grads && { grads }));
      return (await device.popErrorScope()) === null;
    };
    for (const side of ['param', 'grad'] as const) {
      const given = tensor();
      const one = await make(adam(), [tensor({ name: 'v' }), given]);
      expect(await submitted(one)).toBe(true);
      expect(await one.read()).toMatchObject({ step: 1 });
      (given[side] as GPUBuffer).destroy();
      expect(await submitted(one)).toBe(false);
      await expect(one.read()).rejects.toEqual(at('BUFFER-INVALID', `Tensor "w": ${side}`));
      // What it has of its own is still there.
      expect(await one.state()).toMatchObject({ step: 1 });
    }
    // Frameworks give other gradients with every step, and those from the beginning go.
    const given = tensor();
    const one = await make(adam(), [given]);
    (given.grad as GPUBuffer).destroy();
    expect(await submitted(one, { w: buffer() })).toBe(true);
    expect(await one.read()).toMatchObject({ step: 1 });
    (given.param as GPUBuffer).destroy();
    await expect(one.read()).rejects.toEqual(at('BUFFER-INVALID', 'Tensor "w": param'));
  });

  it('leaves the caller’s own error scopes alone', async () => {
    device.pushErrorScope('validation');
    const destroyed = buffer();
    destroyed.destroy();
    await expect(createOptimizer(device, adam(), [tensor({ param: destroyed })])).rejects.toEqual(at('BUFFER-INVALID'));
    expect(await device.popErrorScope()).toBeNull();
  });

  it('does not look at buffers of tensors without elements', async () => {
    const destroyed = buffer();
    destroyed.destroy();
    await make(adam(), [tensor({ shape: [0], grad: destroyed })]);
  });

  it('names of tensors and labels never reach WGSL text', async () => {
    const codes: string[] = [];
    const original = other.createShaderModule.bind(other);
    Object.defineProperty(other, 'createShaderModule', {
      configurable: true,
      value: (descriptor: GPUShaderModuleDescriptor) => {
        codes.push(JSON.stringify(descriptor));
        return original(descriptor);
      },
    });
    const names = ['EVIL; } fn main() {', 'EVIL\n@compute', '<img src=x onerror=EVIL>', '`EVIL', 'EVIL\u0000'];
    const on = (name: string) =>
      tensor({ name, param: buffer(256, STORAGE, false, other), grad: buffer(256, STORAGE, false, other) });
    const one = await createOptimizer(
      other,
      adam({ amsgrad: true }),
      names.map((name) => ({ ...on(name), group: { weightDecay: 0.1 } })),
      { clip: { tensorNorm: 1 }, accumulate: { steps: 2 }, label: 'EVIL; }' },
    );
    submit((encoder) => one.step(encoder), other);
    const state = await one.state();
    expect(Object.keys(state.tensors)).toEqual(names);
    one.load(state);
    one.destroy();
    delete (other as unknown as Record<string, unknown>).createShaderModule;
    expect(codes.length).toBeGreaterThanOrEqual(4);
    expect(codes.filter((code) => code.includes('EVIL'))).toEqual([]);
  });
});

describe('what looks odd and is taken', () => {
  it('a tensor without elements, beside others and alone', async () => {
    const values = [1, 2, 3];
    const one = tensor({ name: 'a', shape: [3], param: floats(values), grad: floats([1, 1, 1]) });
    const none = tensor({ name: 'none', shape: [4, 0] });
    const optimizer = await make(sgd({ lr: 1, momentum: 0.9 }), [none, one], { clip: { globalNorm: 100 } });
    submit((encoder) => optimizer.step(encoder));
    expect([...(await readFloats(device, { buffer: one.param as GPUBuffer, offset: 0, size: 12 }))]).toEqual([0, 1, 2]);
    expect(Object.keys((await optimizer.state()).tensors)).toEqual(['a']);

    for (const options of [{}, { clip: { globalNorm: 1 }, skipNonFinite: true }, { accumulate: { steps: 2 } }]) {
      const alone = await make(adam(), [tensor({ shape: [0] })], options as OptimizerOptions);
      submit((encoder) => {
        alone.step(encoder);
        alone.step(encoder);
      });
      expect(await alone.read()).toMatchObject({ step: 2, count: 'accumulate' in options ? 1 : 2, skipped: 0 });
      const state = await alone.state();
      expect(state.tensors).toEqual({});
      alone.load(state);
      expect(alone.describe()).toMatchObject({ bytesPerStep: 0, choice: { advance: 'advance' } });
    }
  });

  it('a scalar, a bare buffer that is longer than its tensor, and a range with its size', async () => {
    const one = tensor({ shape: [], param: { buffer: floats([5, 5]), offset: 4, size: 4 }, grad: floats([2, 7, 7]) });
    const optimizer = await make(sgd({ lr: 1 }), [one]);
    submit((encoder) => optimizer.step(encoder));
    const { buffer: param } = one.param as { buffer: GPUBuffer };
    expect([...(await readFloats(device, { buffer: param, offset: 0, size: 8 }))]).toEqual([5, 3]);
  });

  it('only frozen tensors', async () => {
    const optimizer = await make(adam(), [tensor({ frozen: true })], { clip: { globalNorm: 1 } });
    submit((encoder) => optimizer.step(encoder));
    expect(await optimizer.read()).toMatchObject({ step: 1, count: 1, gradNorm: 0 });
  });

  it('an option or hyper-parameter that is undefined: its default, or the rule’s', async () => {
    const one = tensor({
      shape: [1],
      param: floats([1]),
      grad: floats([1]),
      frozen: undefined,
      group: { lr: undefined },
    });
    const optimizer = await make(sgd({ lr: 0.5 }), [one], { clip: undefined, gradScale: undefined });
    submit((encoder) => optimizer.step(encoder));
    optimizer.set({ lr: undefined });
    submit((encoder) => optimizer.step(encoder));
    expect((await readFloats(device, { buffer: one.param as GPUBuffer, offset: 0, size: 4 }))[0]).toBe(0);
  });

  it.each(ruleNames.filter((name) => name !== 'ftrl' && name !== 'rprop'))(
    '%s with lr 0, which changes no bit',
    async (name) => {
      // FTRL computes the parameter anew from its sums; Rprop's lr is only its first step size, held within stepSizes.
      const start = randomFloats(300, 1);
      const after = await stepped(resolveRule(rules, name, { lr: 0 }), start, randomFloats(300, 2), {}, 3);
      expect(new Uint32Array(after.buffer)).toEqual(new Uint32Array(start.buffer));
    },
  );

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('a tensor named %s', async (name) => {
    const before = Object.getOwnPropertyNames(Object.prototype).length + Object.getOwnPropertyNames(Object).length;
    const one = await make(adam(), [tensor({ name, param: floats([1, 2, 3, 4]), grad: floats([1, -1, 2, -2]) })]);
    submit((encoder) => one.step(encoder));
    const state = await one.state();
    expect(Object.getOwnPropertyNames(Object.prototype).length + Object.getOwnPropertyNames(Object).length).toBe(
      before,
    );
    expect(Object.keys(state.tensors)).toEqual([name]);
    expect(({} as Record<string, unknown>).exp_avg).toBeUndefined();
    const slots = Object.getOwnPropertyDescriptor(state.tensors, name)!.value as Record<string, Float32Array>;
    expect(slots.exp_avg![2]).toBeCloseTo(0.2, 6);
    one.load(structuredClone(state));
    expect(await one.state()).toEqual(state);
    // What is on every prototype is no state.
    expect(() => one.load({ ...state, tensors: {} })).toThrow(at('STATE-MISMATCH', `"${name}"`));
  });

  it.each(ruleNames)('%s with subnormal gradients, which may count as 0: what comes out is finite', async (name) => {
    const tiny = [1e-40, -1e-40, 1e-45, -1e-45, 1e-38, -1.1e-38, 0, -0];
    const grads = Float32Array.from({ length: 80 }, (_, i) => tiny[i % tiny.length]!);
    for (const options of [{}, { skipNonFinite: true, clip: { globalNorm: 1, convention: 'optax' as const } }]) {
      const after = await stepped(resolveRule(rules, name), randomFloats(80, 3), grads, options, 3);
      expect(after.every(Number.isFinite)).toBe(true);
    }
  });
});

describe('a tensor beyond what the device binds', () => {
  /** Limits of a few KiB: 4,096 bytes hold 15 blocks of 64 floats beside the padding. */
  const small = () => limited({ maxStorageBufferBindingSize: 4096, maxBufferSize: 2 ** 30 });
  const LENGTH = 3001;

  /** Trains on a device; gives the bits, and the largest binding of a caller's buffer. */
  async function run(
    on: GPUDevice,
    place: (n: number) => { param: number; grad: number; one: boolean; size: number },
    length = LENGTH,
  ) {
    const { param, grad, one, size } = place(length);
    const params = buffer(size);
    const grads = one ? params : buffer(size);
    device.queue.writeBuffer(params, 4 * param, randomFloats(length, 5));
    device.queue.writeBuffer(grads, 4 * grad, randomFloats(length, 6));
    const largest: number[] = [0];
    const watched = new Proxy(on, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target) as unknown;
        if (typeof value !== 'function') return value;
        if (key !== 'createBindGroup') return value.bind(target);
        return (descriptor: GPUBindGroupDescriptor) => {
          for (const { resource } of descriptor.entries) {
            const bound = resource as GPUBufferBinding;
            if (bound.buffer === params || bound.buffer === grads) largest.push(bound.size!);
          }
          return (value as typeof on.createBindGroup).call(target, descriptor);
        };
      },
    });
    // By a norm that clips nothing: the order of its sum is that of the runs, and may differ in the last place.
    const options = { clip: { globalNorm: 1e9 } };
    const optimizer = await createOptimizer(
      watched,
      adam({ lr: 0.1, weightDecay: 0.1 }),
      [
        {
          name: 'w',
          shape: [length],
          param: { buffer: params, offset: 4 * param },
          grad: { buffer: grads, offset: 4 * grad },
        },
      ],
      options,
    );
    made.push(optimizer);
    submit((encoder) => {
      for (let i = 0; i < 3; i++) optimizer.step(encoder);
    });
    const state = await optimizer.state();
    const norm = (await optimizer.read()).gradNorm!;
    const after = await readFloats(device, { buffer: params, offset: 4 * param, size: 4 * length });
    return {
      after: new Uint32Array(after.buffer),
      state,
      norm,
      dispatches: optimizer.describe().dispatches,
      largest: Math.max(...largest),
    };
  }

  it.each<[string, (n: number) => { param: number; grad: number; one: boolean; size: number }]>([
    ['in two buffers', (n) => ({ param: 3, grad: 7, one: false, size: 4 * n + 64 })],
    ['in one buffer', (n) => ({ param: 3, grad: n + 3, one: true, size: 8 * n + 64 })],
    ['gradients first', (n) => ({ param: n + 5, grad: 1, one: true, size: 8 * n + 64 })],
  ])('is split, %s: the same bits', async (_, place) => {
    const whole = await run(device, place);
    const split = await run(small(), place);
    expect(whole.dispatches).toBe(3);
    expect(split.dispatches).toBeGreaterThan(3);
    expect(split.largest).toBeLessThanOrEqual(4096);
    expect(split.state).toEqual(whole.state);
    expect(split.after).toEqual(whole.after);
    expect(split.norm / whole.norm).toBeCloseTo(1, 6);
  });

  it.each([500, 512, 800, 959, 960, 961, 1000, 1023, 1024])(
    'is bound within the limit where one binding holds parameter and gradient: %i elements next to as many',
    async (length) => {
      const place = (n: number) => ({ param: 0, grad: n, one: true, size: 8 * n });
      const [whole, split] = [await run(device, place, length), await run(small(), place, length)];
      expect(split.largest).toBeLessThanOrEqual(4096);
      expect(split.after).toEqual(whole.after);
    },
  );
});

describe('an optimizer refuses', () => {
  const wrongEncoders: [string, (encoder: GPUCommandEncoder) => unknown][] = [
    ['nothing', () => undefined],
    ['null', () => null],
    ['a number', () => 5],
    ['a string', () => 'encoder'],
    ['the device', () => device],
    ['the queue', () => device.queue],
    ['a finished command buffer', (encoder) => encoder.finish()],
  ];
  it.each(wrongEncoders)('to record into %s, and counts no step', async (_, wrong) => {
    const one = await make(adam(), [tensor()]);
    expect(() => one.step(wrong(device.createCommandEncoder()) as GPUCommandEncoder)).toThrow(
      at('OPTION-TYPE', 'step'),
    );
    submit((encoder) => one.step(encoder));
    expect(await one.read()).toMatchObject({ step: 1, count: 1 });
  });

  it('everything after destroy, which may come twice and frees nothing of the caller’s', async () => {
    const given = tensor({ param: floats([1, 2, 3, 4]), grad: floats([1, 1, 1, 1]) });
    const one = await make(adam(), [given]);
    const state = await one.state();
    one.destroy();
    one.destroy();
    const gone = at('RUN-DESTROYED');
    expect(() => one.step(device.createCommandEncoder())).toThrow(gone);
    expect(() => one.set({ lr: 1 })).toThrow(gone);
    expect(() => one.load(state)).toThrow(gone);
    await expect(one.read()).rejects.toEqual(gone);
    await expect(one.state()).rejects.toEqual(gone);
    const param = given.param as GPUBuffer;
    expect([...(await readFloats(device, { buffer: param, offset: 0, size: 16 }))]).toEqual([1, 2, 3, 4]);
    await make(adam(), [given]);
  });

  it('to set with a second argument that names no tensors, or tensors there are not', async () => {
    const one = await make(adam(), [tensor()]);
    for (const wrong of ['w', { lr: 1 }, [1], true])
      expect(() => one.set({ lr: 1 }, wrong as never)).toThrow(at('OPTION-TYPE', 'set takes the names of tensors'));
    expect(() => one.set({ lr: 1 }, ['v'])).toThrow(at('OPTION-RANGE', 'no tensor "v"'));
  });

  it.each([undefined, null, 5, 'lr', [0.1]])('to set %o', async (wrong) => {
    const one = await make(adam(), [tensor()]);
    expect(() => one.set(wrong as never)).toThrow(at('OPTION-TYPE', 'set'));
  });

  const broken: [string, string, (state: OptimizerState) => unknown][] = [
    ['nothing', 'got undefined', () => undefined],
    ['null', 'got null', () => null],
    ['a string', 'got', (state) => JSON.stringify(state)],
    ['no tensors', 'got', ({ tensors: _, ...rest }) => rest],
    ['tensors null', 'got', (state) => ({ ...state, tensors: null })],
    ['of another rule', '"sgd"', (state) => ({ ...state, rule: 'sgd' })],
    ['of a rule that is none', '"__proto__"', (state) => ({ ...state, rule: '__proto__' })],
    ['of a release before versions', 'version undefined', ({ version: _, ...rest }) => rest],
    ['of a version to come', 'version 2', (state) => ({ ...state, version: 2 })],
    ['a count of NaN', 'count is NaN', (state) => ({ ...state, count: Number.NaN })],
    ['a negative step', 'step is -1', (state) => ({ ...state, step: -1 })],
    ['a fractional count', 'count is 1.5', (state) => ({ ...state, count: 1.5 })],
    ['a step of 2^53', 'step is 9007199254740992', (state) => ({ ...state, step: 2 ** 53 })],
    ['a count that is a string', 'count is "3"', (state) => ({ ...state, count: '3' })],
    ['no streak', 'streak is undefined', ({ streak: _, ...rest }) => rest],
    ['in the middle of micro-steps', '1 micro-steps', (state) => ({ ...state, micro: 1 })],
    ['without a tensor', '"b"', (state) => ({ ...state, tensors: { a: state.tensors.a } })],
    ['with one too many', '"c"', (state) => ({ ...state, tensors: { ...state.tensors, c: state.tensors.a } })],
    ['with one named __proto__', '"__proto__"', (state) => ({ ...state, tensors: JSON.parse('{"__proto__": {}}') })],
    ['a tensor that is null', '"b"', (state) => ({ ...state, tensors: { ...state.tensors, b: null } })],
    [
      'a slot that is missing',
      'exp_avg_sq',
      ({ tensors, ...rest }) => ({ ...rest, tensors: { ...tensors, b: { exp_avg: tensors.b!.exp_avg } } }),
    ],
    [
      'a slot of amsgrad',
      'max_exp_avg_sq',
      ({ tensors, ...rest }) => ({
        ...rest,
        tensors: { ...tensors, b: { ...tensors.b, max_exp_avg_sq: new Float32Array(4) } },
      }),
    ],
    [
      'a slot too short',
      'is 3 float32; 4 are needed',
      ({ tensors, ...rest }) => ({
        ...rest,
        tensors: { ...tensors, b: { ...tensors.b, exp_avg: new Float32Array(3) } },
      }),
    ],
    [
      'a slot of float64',
      'exp_avg',
      ({ tensors, ...rest }) => ({
        ...rest,
        tensors: { ...tensors, b: { ...tensors.b, exp_avg: new Float64Array(4) } },
      }),
    ],
    [
      'a slot that is NaN',
      '"b", exp_avg_sq, is NaN in element 2',
      ({ tensors, ...rest }) => ({
        ...rest,
        tensors: { ...tensors, b: { ...tensors.b, exp_avg_sq: Float32Array.of(1, 2, Number.NaN, 4) } },
      }),
    ],
    ['a slot through JSON', 'exp_avg', (state) => JSON.parse(JSON.stringify(state))],
  ];
  it('to load a broken state, and stays as it was', async () => {
    const make2 = () =>
      make(adam(), [
        tensor({ name: 'a', grad: floats([1, 2, 3, 4]) }),
        tensor({ name: 'b', grad: floats([4, 3, 2, 1]) }),
      ]);
    const one = await make2();
    submit((encoder) => one.step(encoder));
    const state = await one.state();
    for (const [what, words, spoil] of broken) {
      expect(() => one.load(spoil(structuredClone(state)) as OptimizerState), what).toThrow(
        at('STATE-MISMATCH', words),
      );
    }
    expect(await one.state()).toEqual(state);
    one.load(state);
    submit((encoder) => one.step(encoder));
    expect(await one.read()).toMatchObject({ step: 2, count: 2 });
    // A sum of squares that overflowed is that of a weight which stands still, and of a training that goes on.
    const infinite = { ...state.tensors.b, exp_avg_sq: new Float32Array(4).fill(Number.POSITIVE_INFINITY) };
    one.load({ ...state, tensors: { ...state.tensors, b: infinite } } as OptimizerState);
  });

  it('to load what a rule carries for other groups than there are', async () => {
    const two = [tensor({ name: 'a' }), tensor({ name: 'b', group: { lr: 0.5 } })];
    const one = await make(nadam(), two);
    submit((encoder) => one.step(encoder));
    const state = await one.state();
    expect(state.carries.map(({ tensors }) => tensors)).toEqual([['a'], ['b']]);
    const other = [
      { tensors: ['a'], value: 0.5 },
      { tensors: ['b'], value: 0.25 },
    ];
    for (const carries of [undefined, [], [state.carries[0]!], [{ tensors: ['a', 'b'], value: Number.NaN }], [null]])
      expect(() => one.load({ ...state, carries } as never)).toThrow(at('STATE-MISMATCH', 'carries for "'));
    one.load({ ...state, carries: other });
    // One group has one number.
    const together = await make(nadam(), [tensor({ name: 'a' }), tensor({ name: 'b' })]);
    expect(() => together.load({ ...state, carries: other })).toThrow(
      at('STATE-MISMATCH', '"a", "b" is [0.5], [0.25]'),
    );
    together.load({ ...state, carries: [{ tensors: ['b', 'a'], value: 0.5 }] });
  });

  it('no state for the frozen: it moves between layouts that hold them next to others or apart', async () => {
    const [param, grad] = [buffer(), buffer()];
    const place = (name: string, offset: number, frozen = false) =>
      tensor({ name, frozen, param: { buffer: param, offset }, grad: { buffer: grad, offset } });
    const packed = await make(adam(), [place('a', 0), place('still', 16, true)]);
    const state = await packed.state();
    expect(Object.keys(state.tensors)).toEqual(['a']);
    const apart = await make(adam(), [place('a', 0), place('still', 64, true)]);
    apart.load(state);
    packed.load(await apart.state());
  });
});

describe('a schedule without a good value at update 37', () => {
  const breaking = (then: () => number) => (count: number) => (count < 37 ? 0.5 : then());
  const tryStep = (one: Awaited<ReturnType<typeof make>>) => {
    const encoder = device.createCommandEncoder();
    try {
      one.step(encoder);
    } finally {
      // Whatever happened, the caller's encoder is as usable as before.
      device.queue.submit([encoder.finish()]);
    }
  };

  it.each<[string, () => number, string]>([
    ['NaN', () => Number.NaN, 'HYPER-RANGE'],
    ['out of range', () => -1, 'HYPER-RANGE'],
    ['no number', () => 'fast' as unknown as number, 'HYPER-TYPE'],
    ['an exception', () => JSON.parse('{'), 'HYPER-RANGE'],
  ])('%s: updates 0 to 36 happen, the step that would record it throws and records nothing', async (_, then, code) => {
    const given = tensor({ shape: [1], param: floats([0]), grad: floats([1]) });
    const read = async () => (await readFloats(device, { buffer: given.param as GPUBuffer, offset: 0, size: 4 }))[0];
    const one = await make(sgd({ lr: breaking(then) }), [given]);
    for (let i = 0; i < 37; i++) tryStep(one);
    for (let i = 0; i < 2; i++) expect(() => tryStep(one)).toThrow(at(code, 'lr at update 37'));
    expect(await read()).toBe(-18.5);
    expect(await one.read()).toMatchObject({ step: 37, count: 37, lr: Number.NaN });
    await one.state();
    one.set({ lr: 0.25 });
    tryStep(one);
    expect(await read()).toBe(-18.75);
    expect(await one.read()).toMatchObject({ step: 38, count: 38, lr: 0.25 });
  });

  it.each([0, 255, 256, 300])('or at update %i', async (count) => {
    const one = await make(nadam({ lr: (now) => (now < count ? 1e-3 : Number.NaN) }), [tensor()]);
    for (let i = 0; i < count; i++) tryStep(one);
    expect(() => tryStep(one)).toThrow(at('HYPER-RANGE', `update ${count}`));
    expect(await one.read()).toMatchObject({ step: count, count });
  });

  it('in one group, with micro-steps', async () => {
    const one = await make(sgd(), [tensor({ name: 'a' }), tensor({ name: 'b', group: { lr: breaking(() => 1e39) } })], {
      accumulate: { steps: 3 },
    });
    for (let i = 0; i < 3 * 37; i++) tryStep(one);
    expect(() => tryStep(one)).toThrow(at('HYPER-RANGE', 'update 37'));
    expect(await one.read()).toMatchObject({ step: 111, count: 37 });
  });

  it('is asked again: it may have been mended; and a state from before it goes on', async () => {
    let mended = false;
    const one = await make(sgd({ lr: breaking(() => (mended ? 0.5 : Number.NaN)) }), [tensor()]);
    const state = await one.state();
    for (let i = 0; i < 37; i++) tryStep(one);
    expect(() => tryStep(one)).toThrow(at('HYPER-RANGE'));
    one.load(state);
    for (let i = 0; i < 37; i++) tryStep(one);
    expect(() => tryStep(one)).toThrow(at('HYPER-RANGE'));
    mended = true;
    for (let i = 0; i < 300; i++) tryStep(one);
    expect(await one.read()).toMatchObject({ step: 337, count: 337 });
  });

  it('given to set: refused where recorded steps need it, and all stays as it was', async () => {
    const given = tensor({ shape: [1], param: floats([0]), grad: floats([1]) });
    const one = await make(sgd({ lr: 0.5 }), [given]);
    const encoder = device.createCommandEncoder();
    for (let i = 0; i < 40; i++) one.step(encoder);
    expect(() => one.set({ lr: breaking(() => Number.NaN) })).toThrow(at('HYPER-RANGE', 'update 37'));
    device.queue.submit([encoder.finish()]);
    tryStep(one);
    expect((await readFloats(device, { buffer: given.param as GPUBuffer, offset: 0, size: 4 }))[0]).toBe(-20.5);

    one.set({ lr: (count: number) => (count < 45 ? 1 : Number.NaN) });
    for (let i = 41; i < 45; i++) tryStep(one);
    expect(() => tryStep(one)).toThrow(at('HYPER-RANGE', 'update 45'));
    expect((await readFloats(device, { buffer: given.param as GPUBuffer, offset: 0, size: 4 }))[0]).toBe(-24.5);
  });
});

describe('a lost device', () => {
  it('rejects what is pending and what comes, with no unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listen);
    const lost = await requestDevice();
    const given = tensor({ param: buffer(256, STORAGE, false, lost), grad: buffer(256, STORAGE, false, lost) });
    const one = await createOptimizer(lost, adam(), [given]);
    submit((encoder) => one.step(encoder), lost);
    const state = await one.state();
    const gone = at('DEVICE-LOST');
    const pending = [one.read(), one.state()].map((each) => expect(each).rejects.toEqual(gone));
    const since = performance.now();
    lost.destroy();
    await Promise.all(pending);
    await expect(one.read()).rejects.toEqual(gone);
    await expect(one.state()).rejects.toEqual(gone);
    expect(performance.now() - since).toBeLessThan(2000);
    // Recording and loading go nowhere, as WebGPU has it, and harm nothing.
    one.step(lost.createCommandEncoder());
    one.load(state);
    one.set({ lr: 1 });
    one.destroy();

    const { counts, restore } = countCreations(lost);
    await expect(createOptimizer(lost, adam(), [given])).rejects.toEqual(gone);
    restore();
    expect(counts).toEqual({});

    // What was read back goes on elsewhere.
    const next = await make(adam(), [tensor()]);
    next.load(state);
    submit((encoder) => next.step(encoder));
    expect(await next.read()).toMatchObject({ step: 2, count: 2 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
  });

  it('is told from createOptimizer while it is at work', async () => {
    const lost = await requestDevice();
    const given = tensor({ param: buffer(256, STORAGE, false, lost), grad: buffer(256, STORAGE, false, lost) });
    const making = createOptimizer(lost, adam(), [given]);
    lost.destroy();
    await expect(making).rejects.toEqual(at('DEVICE-LOST'));
  });
});
