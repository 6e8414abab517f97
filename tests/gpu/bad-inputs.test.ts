import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import {
  adadelta,
  adafactor,
  adam,
  adamw,
  arrays,
  cosine,
  createOptimizer,
  createTrainer,
  type Dataset,
  decodeSafetensors,
  encodeSafetensors,
  exponential,
  floatTensor,
  lbfgs,
  mlp,
  multistep,
  muon,
  type OptimizerOptions,
  oneCycle,
  plateau,
  type Rule,
  requestDevice as requestInBrowser,
  resolveRule,
  rmsprop,
  rprop,
  rules,
  type SafeTensor,
  sgd,
  standardize,
  step,
  type Trainer,
  warmup,
} from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { likeDevice, testDevice } from '../support/gpu.js';
import { collect, noise } from '../support/train.js';

/*
 * The bad inputs of the plan that reliability is tested by, each through a public entry, with the code that it gets; or that it is
 * taken, and what comes of it. Numbers are the plan's; those of files that a command reads (85 to 93) are in data-idx, data-csv,
 * download and the tests of the command line.
 */

const TAKEN = 'taken';
/** By number, or by number and letter where there are several; the code; what is tried. */
type Case = readonly [name: string, code: string, attempt: () => unknown];

let device: GPUDevice;
let other: GPUDevice;
let trainer: Trainer;
let saved: Uint8Array;
const made: { destroy(): void }[] = [];

const data = noise(20, 6, 3);
const model = mlp({ sizes: [6, 5, 3] });
const options = { model, rule: adam() as unknown as Rule, data, batchSize: 8 };

beforeAll(async () => {
  device = await testDevice();
  other = await requestDevice();
  trainer = await createTrainer(device, options);
  await collect(trainer, { steps: 3 });
  saved = await trainer.checkpoint();
});
afterAll(() => {
  for (const each of [...made, trainer, other]) each.destroy();
});

const keep = <T extends { destroy(): void }>(one: T): T => {
  made.push(one);
  return one;
};
const STORAGE = 0x80 | 0x04 | 0x08;
const illegal = () => {
  throw new TypeError('Illegal invocation');
};
const buffer = (size = 256, usage = STORAGE, mappedAtCreation = false, of = device) =>
  keep(of.createBuffer({ size, usage, mappedAtCreation }));
const tensor = (more: object = {}) => ({ name: 'w', shape: [4], param: buffer(), grad: buffer(), ...more });
const optimizer = async (tensors: unknown, rule: unknown = adam(), on = device, more: OptimizerOptions = {}) =>
  keep(await createOptimizer(on, rule as Rule, tensors as never, more));

/** Steps of a trainer with other options, or on other data. */
async function train(more: object, steps = 2, on = device) {
  const one = await createTrainer(on, { ...options, ...more } as typeof options);
  try {
    return await collect(one, { steps });
  } finally {
    one.destroy();
  }
}

const x = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
const labels = (y: readonly unknown[], classes = 3) =>
  arrays({ x, y: y as number[], classes, features: 12 / y.length });
const numbers = (values: object, more: object = {}) => ({
  model: mlp({ sizes: [6, 3], loss: 'mse', ...more }),
  data: { ...data, targets: { kind: 'values', width: 3, ...values } },
});
const withX = (value: number): Dataset => {
  const own = (data.x as Float32Array).slice();
  own[7] = value;
  return { ...data, x: own };
};

/** A safetensors file of a header and so many bytes. */
function fileOf(header: string | Uint8Array, payload = 8, length?: bigint): Uint8Array {
  const bytes = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + bytes.length + payload);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(bytes.length), true);
  file.set(bytes, 8);
  return file;
}
const GOOD = '"dtype":"F32","shape":[2],"data_offsets":[0,8]';
const tensorOf = (from: string, to: string, payload?: number) => fileOf(`{"a":{${GOOD.replace(from, to)}}}`, payload);
const two = (offsets: string, payload: number) =>
  fileOf(`{"a":{${GOOD}},"b":{${GOOD.replace('[0,8]', offsets)}}}`, payload);
const read = (file: Uint8Array) => decodeSafetensors(file);

/** The trainer's own file with other texts or tensors. */
function changed(head: object | undefined, tensors: Readonly<Record<string, SafeTensor | undefined>> = {}) {
  const file = decodeSafetensors(saved);
  const texts = Object.fromEntries(file.metadata);
  const all = [...file.tensors, ...Object.entries(tensors)].filter(([, each]) => each !== undefined);
  const absent = Object.keys(tensors).filter((name) => tensors[name] === undefined);
  return encodeSafetensors(
    new Map((all as [string, SafeTensor][]).filter(([name]) => !absent.includes(name))),
    head ? { ...texts, downhill: JSON.stringify({ ...JSON.parse(texts.downhill!), ...head }) } : texts,
  );
}

/** With another `navigator`, as other environments have it. */
async function inside(navigator: unknown, secure?: boolean) {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: navigator });
  if (secure !== undefined) Object.assign(globalThis, { isSecureContext: secure });
  try {
    return await requestInBrowser();
  } finally {
    delete (globalThis as { isSecureContext?: boolean }).isSecureContext;
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else delete (globalThis as { navigator?: unknown }).navigator;
  }
}

const hyper: readonly Case[] = [
  ['1 lr NaN', 'HYPER-RANGE', () => adam({ lr: Number.NaN })],
  ['2 lr infinite', 'HYPER-RANGE', () => adam({ lr: Number.POSITIVE_INFINITY })],
  ['3 lr negative', 'HYPER-RANGE', () => adam({ lr: -1e-3 })],
  ['4 lr a text', 'HYPER-TYPE', () => adam({ lr: '0.01' as never })],
  ['5 lr null', 'HYPER-TYPE', () => adam({ lr: null as never })],
  ['6 lr infinite in f32', 'HYPER-RANGE', () => adam({ lr: 1e39 })],
  ['7 lr 0 in f32', 'HYPER-RANGE', () => adam({ lr: 1e-46 })],
  ['8 lr 0', TAKEN, () => train({ rule: adam({ lr: 0 }) })],
  ['9 beta1 of 1', 'HYPER-RANGE', () => adam({ betas: [1, 0.999] })],
  ['10 beta2 of 1', 'HYPER-RANGE', () => adam({ betas: [0.9, 1] })],
  ['11 a negative beta', 'HYPER-RANGE', () => adam({ betas: [-0.1, 0.9] })],
  ['12 one beta', 'HYPER-TYPE', () => adam({ betas: [0.9] as never })],
  ['13 beta2 of 1 in f32', 'HYPER-RANGE', () => adam({ betas: [0.9, 0.99999999] })],
  ['14 eps negative', 'HYPER-RANGE', () => adam({ eps: -1e-8 })],
  ['15 eps 0', 'HYPER-RANGE', () => adam({ eps: 0 })],
  ['16 eps below the normal numbers', 'HYPER-RANGE', () => adam({ eps: 1e-46 })],
  ['17 eps NaN', 'HYPER-RANGE', () => adam({ eps: Number.NaN })],
  ['18 weightDecay negative', 'HYPER-RANGE', () => adam({ weightDecay: -1 })],
  ['19 weightDecay NaN', 'HYPER-RANGE', () => adam({ weightDecay: Number.NaN })],
  ['20 momentum above 1', 'HYPER-RANGE', () => sgd({ momentum: 1.5 })],
  ['21 momentum NaN', 'HYPER-RANGE', () => sgd({ momentum: Number.NaN })],
  ['22 nesterov without momentum', 'HYPER-RANGE', () => sgd({ nesterov: true })],
  ['23 nesterov with dampening', 'HYPER-RANGE', () => sgd({ nesterov: true, momentum: 0.9, dampening: 0.1 })],
  ['24 alpha above 1', 'HYPER-RANGE', () => rmsprop({ alpha: 1.5 })],
  ['25 etas reversed', 'HYPER-RANGE', () => rprop({ etas: [1.2, 0.5] })],
  ['26 step sizes reversed', 'HYPER-RANGE', () => rprop({ stepSizes: [50, 1e-6] })],
  ['27 rho above 1', 'HYPER-RANGE', () => adadelta({ rho: 1.1 })],
  ['28 Adafactor’s d 0', 'HYPER-RANGE', () => adafactor({ d: 0 })],
  ['29 no history', 'HYPER-RANGE', () => lbfgs({ history: 0 })],
  ['30 L-BFGS with one gradient', 'OPTION-RANGE', () => optimizer([tensor()], lbfgs())],
  ['31 Muon without a matrix', 'OPTION-RANGE', () => optimizer([tensor()], muon())],
  ['32 PyTorch’s spelling', 'HYPER-UNKNOWN', () => adam({ weight_decay: 0.1 } as never)],
  ['33 a rule that is none', 'RULE-UNKNOWN', () => resolveRule(rules as never, 'Adamm')],
  ['34a __proto__', 'RULE-UNKNOWN', () => resolveRule(rules as never, '__proto__')],
  ['34b constructor', 'RULE-UNKNOWN', () => resolveRule(rules as never, 'constructor')],
  ['35 maximize a text', 'HYPER-TYPE', () => adam({ maximize: 'yes' as never })],
  [
    '36 a decay that turns signs around, with a warning',
    TAKEN,
    () => {
      const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
      adamw({ lr: 2, weightDecay: 1 });
      expect(warn).toHaveBeenCalledWith(expect.stringContaining('turns'));
      warn.mockRestore();
    },
  ],
];

const schedules: readonly Case[] = [
  ['37 stepSize 0', 'OPTION-RANGE', () => step(1, { stepSize: 0 })],
  ['38 a cosine of 0 steps', 'OPTION-RANGE', () => cosine(1, { steps: 0 })],
  ['39a milestones that fall', 'OPTION-RANGE', () => multistep(1, { milestones: [50, 20] })],
  ['39b a negative milestone', 'OPTION-RANGE', () => multistep(1, { milestones: [-1] })],
  ['40 a cycle of 0 steps', 'OPTION-RANGE', () => oneCycle(1, { steps: 0 })],
  [
    '41 past the end of a cycle: its last value',
    TAKEN,
    () => expect(oneCycle(1, { steps: 10 })(1e6)).toBe(oneCycle(1, { steps: 10 })(9)),
  ],
  ['42 a factor of 1', 'OPTION-RANGE', () => plateau(1, { factor: 1 })],
  [
    '43 a metric that is NaN',
    'OPTION-RANGE',
    () => {
      const one = plateau(1);
      one.report(0.5);
      const before = one.state();
      try {
        one.report(Number.NaN);
      } finally {
        expect(one.state()).toEqual(before);
      }
    },
  ],
  ['44a a warm-up of -1 steps', 'OPTION-RANGE', () => warmup(1, { steps: -1 })],
  ['44b a warm-up of 2.5 steps', 'OPTION-RANGE', () => warmup(1, { steps: 2.5 })],
  [
    '45 a schedule that is NaN at update 37: those before are done',
    'HYPER-RANGE',
    async () => {
      const one = await createTrainer(device, {
        ...options,
        rule: sgd({ lr: (count) => (count === 37 ? Number.NaN : 0.01) }),
      });
      try {
        await collect(one, { steps: 50 });
      } finally {
        expect(one.step).toBe(37);
        for (const values of Object.values(await one.readParameters()))
          expect(values.every(Number.isFinite)).toBe(true);
        one.destroy();
      }
    },
  ],
  ['46a step -1', 'OPTION-RANGE', () => cosine(1, { steps: 10 })(-1)],
  ['46b step 1.5', 'OPTION-RANGE', () => cosine(1, { steps: 10 })(1.5)],
  ['46c step 2^53', 'OPTION-RANGE', () => cosine(1, { steps: 10 })(2 ** 53)],
  ['46d steps beyond what counters hold', 'OPTION-RANGE', () => trainer.run({ steps: 2 ** 53 })],
  ['47 a negative rate of decay', 'OPTION-RANGE', () => exponential(1, { rate: -1 })],
];

const shared = (more: object) => {
  const one = buffer(1024);
  return [tensor({ name: 'a', param: one }), tensor({ name: 'b', param: { buffer: one, ...more } })];
};
const buffers: readonly Case[] = [
  ['48 no tensors', 'OPTION-TYPE', () => optimizer([])],
  ['49 one buffer twice', 'BUFFER-OVERLAP', () => optimizer(shared({}))],
  [
    '50 one buffer in two groups',
    'BUFFER-OVERLAP',
    () => optimizer(shared({}).map((each, i) => ({ ...each, group: { lr: i } }))),
  ],
  ['51 overlapping ranges', 'BUFFER-OVERLAP', () => optimizer(shared({ offset: 8 }))],
  [
    '52 parameter and gradient in one place',
    'BUFFER-OVERLAP',
    () => {
      const one = buffer();
      return optimizer([tensor({ param: one, grad: one })]);
    },
  ],
  ['53 a tensor without elements', TAKEN, () => optimizer([tensor({ shape: [0] })])],
  ['54 a gradient that is shorter', 'BUFFER-RANGE', () => optimizer([tensor({ shape: [65], param: buffer(512) })])],
  ['55a a gradient of halves', TAKEN, () => optimizer([tensor({ grad: { buffer: buffer(), dtype: 'f16' } })])],
  [
    '55b a gradient of another type',
    'OPTION-RANGE',
    () => optimizer([tensor({ grad: { buffer: buffer(), dtype: 'f64' } })]),
  ],
  ['56a an offset of 100', TAKEN, () => optimizer([tensor({ param: { buffer: buffer(), offset: 100 } })])],
  ['56b an offset of 102', 'BUFFER-RANGE', () => optimizer([tensor({ param: { buffer: buffer(), offset: 102 } })])],
  [
    '57a a size of 10',
    'BUFFER-RANGE',
    () => optimizer([tensor({ shape: [2], param: { buffer: buffer(), size: 10 } })]),
  ],
  [
    '57b a size beyond the buffer',
    'BUFFER-RANGE',
    () => optimizer([tensor({ param: { buffer: buffer(), size: 512 } })]),
  ],
  ['58 no usage STORAGE', 'BUFFER-USAGE', () => optimizer([tensor({ param: buffer(256, 0x08) })])],
  [
    '59 no usage COPY_SRC, where the state is read and not the parameter',
    TAKEN,
    async () => (await optimizer([tensor({ param: buffer(256, 0x80) })])).state(),
  ],
  [
    '60 a destroyed buffer',
    'BUFFER-INVALID',
    () => {
      const one = buffer();
      one.destroy();
      return optimizer([tensor({ param: one })]);
    },
  ],
  ['61 a mapped buffer', 'BUFFER-INVALID', () => optimizer([tensor({ param: buffer(256, STORAGE, true) })])],
  [
    '62 a buffer of another device',
    'BUFFER-INVALID',
    () => optimizer([tensor({ grad: buffer(256, STORAGE, false, other) })]),
  ],
  [
    '63 a binding beyond what the device binds',
    'LIMIT-BINDING',
    () => train({ model: mlp({ sizes: [6, 999, 3] }) }, 1, likeDevice(device, { limits: { maxBufferSize: 4096 } })),
  ],
  ['64 2^32 elements', 'SHAPE-INVALID', () => optimizer([tensor({ shape: [2 ** 32] })])],
  ['65 an object that is no buffer', 'OPTION-TYPE', () => optimizer([tensor({ param: { size: 256 } })])],
  ['66a samples in float64', 'OPTION-TYPE', () => arrays({ x: new Float64Array(4) as never, y: [0, 1], classes: 2 })],
  ['66b samples in int32', 'OPTION-TYPE', () => arrays({ x: new Int32Array(4) as never, y: [0, 1], classes: 2 })],
  [
    '66c samples as a view of bytes',
    'OPTION-TYPE',
    () => arrays({ x: new DataView(new ArrayBuffer(4)) as never, y: [0, 1], classes: 2 }),
  ],
  [
    '67 shared memory',
    TAKEN,
    () => {
      const own = new Float32Array(new SharedArrayBuffer(4 * data.x.length));
      own.set(data.x);
      return train({ data: { ...data, x: own } });
    },
  ],
  [
    '68 memory that was given away',
    'DATA-MISMATCH',
    () => {
      const own = (data.x as Float32Array<ArrayBuffer>).slice();
      structuredClone(own, { transfer: [own.buffer] });
      return train({ data: { ...data, x: own } });
    },
  ],
  ['69a a negative size', 'SHAPE-INVALID', () => optimizer([tensor({ shape: [3, -1] })])],
  ['69b a fractional size', 'SHAPE-INVALID', () => optimizer([tensor({ shape: [2.5] })])],
  ['69c sizes beyond 32 bits', 'SHAPE-INVALID', () => optimizer([tensor({ shape: [2 ** 31, 2 ** 31] })])],
  [
    '70 weights that are NaN',
    'CHECKPOINT-MISMATCH',
    () =>
      trainer.importWeights(changed(undefined, { '0.bias': floatTensor([5], new Float32Array(5).fill(Number.NaN)) })),
  ],
  [
    '71a what throws when it is looked at, as what inherits from a device does in Chrome',
    'OPTION-TYPE',
    () => optimizer([tensor()], adam(), new Proxy(device, { get: illegal })),
  ],
  [
    '71b a device with four storage buffers',
    'LIMIT-BINDING',
    () => optimizer([tensor()], adam(), likeDevice(device, { limits: { maxStorageBuffersPerShaderStage: 4 } })),
  ],
  [
    '72 a device that is lost',
    'DEVICE-LOST',
    async () => {
      const lost = await requestDevice();
      lost.destroy();
      return train({}, 1, lost);
    },
  ],
  ['73 a name that is code', TAKEN, () => optimizer([tensor({ name: 'w; }\n@compute fn main() {' })])],
];

const samples: readonly Case[] = [
  [
    '74 NaN in a batch, where such steps are left out: so many in a row',
    'GRADIENT-NONFINITE',
    () => train({ data: withX(Number.NaN), sampling: 'full', batchSize: 20, skipNonFinite: { atMost: 3 } }, 9),
  ],
  [
    '75 an infinite sample, left out',
    TAKEN,
    () => train({ data: withX(Number.POSITIVE_INFINITY), skipNonFinite: true }, 6),
  ],
  ['76 a pixel of 1e38, left out', TAKEN, () => train({ data: withX(1e38), skipNonFinite: true }, 6)],
  ['77 a denormal sample', TAKEN, () => train({ data: withX(1e-40) })],
  ['78a label 10 of 10', 'DATA-LABEL', () => labels([10, 0], 10)],
  ['78b label -1', 'DATA-LABEL', () => labels([-1, 0], 10)],
  ['78c label 255 of 10', 'DATA-LABEL', () => labels([255, 0], 10)],
  ['79 label 2.5', 'DATA-LABEL', () => labels([2.5, 0], 10)],
  ['80 a batch of 0', 'OPTION-RANGE', () => train({ batchSize: 0 })],
  [
    '81 a last batch of 1, whose loss is that sample’s',
    TAKEN,
    async () => expect((await train({ batchSize: 19 }, 2))[1]!.loss).toBeGreaterThan(0),
  ],
  ['82 a batch larger than the data', 'OPTION-RANGE', () => train({ batchSize: 21 })],
  [
    '83a probabilities that sum to 0',
    'DATA-LABEL',
    () => train({ data: { ...data, targets: { kind: 'probabilities', classes: 3, values: new Float32Array(60) } } }),
  ],
  [
    '83b probabilities that sum to 2',
    'DATA-LABEL',
    () =>
      train({
        data: { ...data, targets: { kind: 'probabilities', classes: 3, values: new Float32Array(60).fill(2 / 3) } },
      }),
  ],
  [
    '84 a target of 1.5 where 1 is the most',
    'DATA-LABEL',
    () => train(numbers({ values: new Float32Array(60).fill(1.5) }, { loss: 'binary-cross-entropy' })),
  ],
];

const restore = (bytes: Uint8Array) => trainer.restore(bytes);
const files: readonly Case[] = [
  ['94 7 bytes', 'CHECKPOINT-CORRUPT', () => restore(new Uint8Array(7))],
  ['95 a header longer than the file', 'CHECKPOINT-CORRUPT', () => restore(fileOf('{}', 0, 3n))],
  ['96 a header of 2^63 bytes', 'CHECKPOINT-CORRUPT', () => restore(fileOf('{}', 0, 2n ** 63n))],
  ['97 a header of 100,000,001 bytes', 'CHECKPOINT-CORRUPT', () => restore(fileOf('{}', 0, 100_000_001n))],
  ['98 no UTF-8', 'CHECKPOINT-CORRUPT', () => restore(fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)))],
  ['99 no JSON', 'CHECKPOINT-CORRUPT', () => restore(fileOf('{hello}'))],
  ['100 a list', 'CHECKPOINT-CORRUPT', () => restore(fileOf('[]'))],
  ['101 a depth of 100,000', 'CHECKPOINT-CORRUPT', () => restore(fileOf(`{"a":${'['.repeat(1e5)}`))],
  ['102 a name twice', 'CHECKPOINT-CORRUPT', () => restore(fileOf(`{"a":{${GOOD}},"a":{${GOOD}}}`))],
  ['103 an unknown dtype', 'CHECKPOINT-CORRUPT', () => restore(tensorOf('F32', 'F8_X'))],
  ['104a a size of -1', 'CHECKPOINT-CORRUPT', () => restore(tensorOf('[2]', '[-1]'))],
  ['104b a size of 1.5', 'CHECKPOINT-CORRUPT', () => restore(tensorOf('[2]', '[1.5]'))],
  ['104c sizes beyond 2^53', 'CHECKPOINT-CORRUPT', () => restore(tensorOf('[2]', '[4294967296,4294967296]'))],
  ['105 begin after end', 'CHECKPOINT-CORRUPT', () => restore(tensorOf('[0,8]', '[8,0]'))],
  ['106 an end beyond the file', 'CHECKPOINT-CORRUPT', () => restore(tensorOf('[2]', '[2]', 7))],
  ['107 an overlap', 'CHECKPOINT-CORRUPT', () => restore(two('[4,12]', 12))],
  ['108 a hole', 'CHECKPOINT-CORRUPT', () => restore(two('[12,20]', 20))],
  ['109 trailing bytes', 'CHECKPOINT-CORRUPT', () => restore(tensorOf('[2]', '[2]', 9))],
  ['110 another size than shape × dtype', 'CHECKPOINT-CORRUPT', () => restore(tensorOf('[2]', '[3]'))],
  ['111a the name __proto__', 'CHECKPOINT-CORRUPT', () => read(fileOf(`{"__proto__":{${GOOD}}}`))],
  ['111b the name toString', 'CHECKPOINT-CORRUPT', () => read(fileOf(`{"toString":{${GOOD}}}`))],
  ['111c a NUL in a name', 'CHECKPOINT-CORRUPT', () => read(fileOf(`{"a\\u0000b":{${GOOD}}}`))],
  ['112a a tensor that is missing', 'CHECKPOINT-MISMATCH', () => restore(changed(undefined, { '0.bias': undefined }))],
  [
    '112b a tensor too many',
    'CHECKPOINT-MISMATCH',
    () => restore(changed(undefined, { '9.bias': floatTensor([1], new Float32Array(1)) })),
  ],
  [
    '113 another rank of as many elements',
    'CHECKPOINT-MISMATCH',
    () => restore(changed(undefined, { '0.weight': floatTensor([30], new Float32Array(30)) })),
  ],
  [
    '114a a weight that is NaN',
    'CHECKPOINT-MISMATCH',
    () => restore(changed(undefined, { '0.bias': floatTensor([5], Float32Array.of(1, 2, Number.NaN, 4, 5)) })),
  ],
  [
    '114b state that is NaN',
    'CHECKPOINT-MISMATCH',
    () => {
      const name = [...decodeSafetensors(saved).tensors.keys()].find((each) => each.includes('exp_avg.0.bias'))!;
      return restore(changed(undefined, { [name]: floatTensor([5], Float32Array.of(1, 2, Number.NaN, 4, 5)) }));
    },
  ],
  ['115a a negative step', 'CHECKPOINT-CORRUPT', () => restore(changed({ step: -1 }))],
  ['115b a fractional step', 'CHECKPOINT-CORRUPT', () => restore(changed({ step: 1.5 }))],
  ['115c no step', 'CHECKPOINT-CORRUPT', () => restore(changed({ step: undefined }))],
  [
    '116 another rule',
    'CHECKPOINT-MISMATCH',
    async () => keep(await createTrainer(device, { ...options, rule: sgd() as unknown as Rule })).restore(saved),
  ],
  ['117 a newer format', 'CHECKPOINT-VERSION', () => restore(changed({ format: 99 }))],
  [
    '118 a checksum that is wrong by a bit',
    'CHECKPOINT-CORRUPT',
    () => {
      const bytes = saved.slice();
      bytes[bytes.length - 5]! ^= 1;
      return restore(bytes);
    },
  ],
];

const environments: readonly Case[] = [
  ['119 no navigator.gpu', 'NO-WEBGPU', () => inside({})],
  ['120 no adapter', 'NO-ADAPTER', () => inside({ gpu: { requestAdapter: async () => null } })],
  [
    '121 limits above the adapter’s',
    'DEVICE-REQUEST',
    () => {
      const requestDevice = () => Promise.reject(new Error('limit maxBufferSize'));
      const adapter = { limits: {}, features: new Set(), info: { vendor: 'x' }, requestDevice };
      return inside({ gpu: { requestAdapter: async () => adapter } });
    },
  ],
  [
    '122 a device that comes lost',
    'DEVICE-LOST',
    async () => {
      const lost = await requestDevice();
      lost.destroy();
      return optimizer([tensor()], adam(), lost);
    },
  ],
  [
    '123 a run beside a run',
    'RUN-BUSY',
    async () => {
      const first = trainer.run({ steps: 1 }).next();
      try {
        await trainer.run({ steps: 1 }).next();
      } finally {
        await first;
      }
    },
  ],
  [
    '124 a step after the end, and 125 two ends',
    'RUN-DESTROYED',
    async () => {
      const one = await optimizer([tensor()]);
      one.destroy();
      one.destroy();
      const encoder = device.createCommandEncoder();
      one.step(encoder);
    },
  ],
  [
    '126 an abort within an epoch: the trainer goes on from there',
    TAKEN,
    async () => {
      const ended = new AbortController();
      const run = trainer.run({ steps: 50, signal: ended.signal });
      await run.next();
      ended.abort();
      const rest = (async () => {
        for await (const _ of run);
      })();
      await expect(rest).rejects.toMatchObject({ name: 'AbortError' });
      expect((await collect(trainer, { steps: 1 }))[0]!.step).toBe(trainer.step);
    },
  ],
  ['127 a page that is not secure', 'NO-WEBGPU', () => inside({}, false)],
  ['128 a worker without a navigator', 'NO-WEBGPU', () => inside(undefined)],
];

const all = [...hyper, ...schedules, ...buffers, ...samples, ...files, ...environments];

it('none of the plan’s is left out', () => {
  const numbers = new Set(
    all.flatMap(([name]) => [...name.matchAll(/(?:^| and )(\d+)/g)].map((found) => Number(found[1]))),
  );
  const plan = Array.from({ length: 128 }, (_, i) => i + 1).filter((number) => number < 85 || number > 93);
  expect([...numbers].sort((a, b) => a - b)).toEqual(plan);
});

it.each(all)('%s: %s', async (_, code, attempt) => {
  const before = await trainer.readParameters();
  const result = Promise.resolve().then(attempt);
  if (code === TAKEN) {
    await result;
    return;
  }
  await expect(result).rejects.toMatchObject({ name: 'DownhillError', code, fix: expect.stringMatching(/\S/) });
  if (code !== 'RUN-BUSY') expect(await trainer.readParameters()).toEqual(before);
});

it('denormal samples, whose scale to a variance of 1 is no float32, train as those of another unit', async () => {
  // Multiples of the smallest float32.
  const tiny = Float32Array.from(data.x as Float32Array, (value) => Math.round(value * 1e4) * 2 ** -149);
  const large = tiny.map((value) => value * 2 ** 100 * 2 ** 49);
  const all = (x: Float32Array) => standardize({ ...data, x }, { by: 'all' });
  const [ours, same] = [all(tiny), all(large)];
  expect(ours.scale).toBeGreaterThan(3.4e38);
  for (const more of [{}, { stream: true }]) {
    const [a, b] = [await train({ data: ours, ...more }, 3), await train({ data: same, ...more }, 3)];
    for (const [i, { loss }] of a.entries()) expect(loss).toBeCloseTo(b[i]!.loss, 4);
  }
  const one = keep(await createTrainer(device, { ...options, data: ours }));
  expect((await one.predict(ours)).every(Number.isFinite)).toBe(true);
  expect((await one.evaluate(ours)).loss).toBeCloseTo((await train({ data: ours }, 1))[0]!.loss, 0);
});
