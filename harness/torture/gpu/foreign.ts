/* Somebody else's memory: nothing is written outside of our ranges, what its owner writes counts, what he destroys is said. */
import {
  adam,
  createOptimizer,
  createTrainer,
  mlp,
  type Optimizer,
  type Rule,
  rules,
  sgd,
  type TensorOptions,
} from '../../../src/index.js';
import { type DeviceCampaign, errorOf, pick, untyped } from './place.js';
import { data, drawn, readFloats, STORAGE, same } from './subjects.js';

type Names = keyof typeof rules;
const ruleNames = Object.keys(rules) as Names[];
const ruleOf = (name: Names) => (rules[name] as unknown as () => Rule)();

/** A number that no rule makes, in every place that is nobody's. */
const RED = 0xdeadbeef;

interface Zones {
  readonly buffer: GPUBuffer;
  readonly words: Uint32Array<ArrayBuffer>;
  /** Places that are ours, by word. */
  readonly ours: Uint8Array;
}

/** A buffer of red zones. */
function zones(device: GPUDevice, words: number): Zones {
  const buffer = device.createBuffer({ label: 'the caller’s', size: 4 * words, usage: STORAGE });
  return { buffer, words: new Uint32Array(words).fill(RED), ours: new Uint8Array(words) };
}

const write = (device: GPUDevice, { buffer, words }: Zones) => device.queue.writeBuffer(buffer, 0, words);

/** The first word that is nobody's and was written. */
async function crossed(device: GPUDevice, { buffer, words, ours }: Zones): Promise<number | undefined> {
  const now = new Uint32Array((await readFloats(device, buffer, 4 * words.length)).buffer);
  const at = now.findIndex((word, i) => ours[i] === 0 && word !== words[i]);
  return at < 0 ? undefined : at;
}

/** Tensors at random places of one or two buffers, with gaps. */
function place(device: GPUDevice, random: () => number, strided: boolean) {
  const all: Zones[] = [];
  const tensors: TensorOptions[] = [];
  const shared = random() < 0.3;
  const [params, grads] = shared ? [zones(device, 8192), undefined] : [zones(device, 4096), zones(device, 4096)];
  all.push(params, ...(grads ? [grads] : []));
  let at = 1 + Math.floor(70 * random());
  const take = (zone: Zones, begin: number, count: number, seed: number) => {
    zone.words.set(new Uint32Array(drawn(count, seed).buffer), begin);
    zone.ours.fill(1, begin, begin + count);
  };
  for (let i = 0; i < 1 + Math.floor(4 * random()); i++) {
    const shape = [1 + Math.floor(9 * random()), 1 + Math.floor(20 * random())];
    const [rows, width] = shape as [number, number];
    const stride = strided ? width + 1 + Math.floor(5 * random()) : width;
    const other = grads ?? params;
    const gradAt = grads ? at : at + 4096;
    for (let row = 0; row < rows; row++) {
      take(params, at + row * stride, width, 10 * i + row);
      take(other, gradAt + row * stride, width, 500 + 10 * i + row);
    }
    const place = (buffer: GPUBuffer, word: number) => ({
      ...{ buffer, offset: 4 * word },
      ...(strided && { stride: 4 * stride }),
    });
    tensors.push({
      name: `t${i}`,
      shape,
      param: place(params.buffer, at),
      grad: place(other.buffer, gradAt),
    } as TensorOptions);
    at += rows * stride + Math.floor(80 * random());
  }
  for (const zone of all) write(device, zone);
  return { all, tensors };
}

const submit = (device: GPUDevice, record: (encoder: GPUCommandEncoder) => void) => {
  const encoder = device.createCommandEncoder();
  record(encoder);
  device.queue.submit([encoder.finish()]);
};

async function redZones(device: GPUDevice, random: () => number, fail: (what: string) => void): Promise<void> {
  const name = pick(ruleNames, random);
  const strided = random() < 0.3;
  const { all, tensors } = place(device, random, strided);
  const options = {
    ...(random() < 0.5 && { clip: { globalNorm: 1 } }),
    ...(random() < 0.3 && { zeroGrad: true }),
    ...(random() < 0.3 && { accumulate: { steps: 2 } }),
    ...(random() < 0.3 && { state: pick(['bf16', 'f16', '8bit'] as const, random) }),
  };
  try {
    let made: Optimizer | undefined;
    const error = await errorOf(
      createOptimizer(device, ruleOf(name), tensors, options).then((one) => {
        made = one as Optimizer;
      }),
    );
    // Not every rule takes every place and option: it says so.
    if (error) {
      const wrong = untyped(error, ['OPTION-RANGE', 'SHAPE-INVALID', 'BUFFER-RANGE', 'SHAPE-MISMATCH']);
      if (wrong) fail(`${name}: ${wrong}`);
      return;
    }
    submit(device, (encoder) => {
      for (let i = 0; i < 4; i++) made!.step(encoder);
    });
    await made!.read();
    made!.destroy();
    for (const [i, zone] of all.entries()) {
      const at = await crossed(device, zone);
      if (at !== undefined)
        fail(`${name} ${JSON.stringify(options)}: word ${at} of buffer ${i}, nobody's, was written`);
    }
  } finally {
    for (const { buffer } of all) buffer.destroy();
  }
}

const COUNT = 96;

/** Parameters and gradients written by their owner in between, in queue order, count as if they had been there. */
async function rewritten(device: GPUDevice, random: () => number, fail: (what: string) => void): Promise<void> {
  const name = pick(ruleNames, random);
  const steps = Array.from({ length: 6 }, (_, i) => ({ param: random() < 0.4 ? i : undefined, grad: 40 + i }));
  const run = async (together: boolean) => {
    const [param, grad] = [7, 8].map(() => device.createBuffer({ size: 4 * COUNT, usage: STORAGE })) as [
      GPUBuffer,
      GPUBuffer,
    ];
    device.queue.writeBuffer(param, 0, drawn(COUNT, 1));
    const one = await createOptimizer(device, ruleOf(name), [{ name: 'w', shape: [12, 8], param, grad }]);
    const sources: GPUBuffer[] = [];
    const upload = (encoder: GPUCommandEncoder, seed: number, to: GPUBuffer) => {
      if (!together) return device.queue.writeBuffer(to, 0, drawn(COUNT, seed));
      const source = device.createBuffer({ size: 4 * COUNT, usage: STORAGE });
      device.queue.writeBuffer(source, 0, drawn(COUNT, seed));
      sources.push(source);
      encoder.copyBufferToBuffer(source, 0, to, 0, 4 * COUNT);
    };
    let encoder = device.createCommandEncoder();
    for (const step of steps) {
      if (step.param !== undefined) upload(encoder, 70 + step.param, param);
      upload(encoder, step.grad, grad);
      one.step(encoder);
      if (together) continue;
      device.queue.submit([encoder.finish()]);
      if (random() < 0.3) await one.read();
      encoder = device.createCommandEncoder();
    }
    device.queue.submit([encoder.finish()]);
    const end = [await readFloats(device, param, 4 * COUNT), await one.state()];
    one.destroy();
    for (const each of [param, grad, ...sources]) each.destroy();
    return end;
  };
  if (!same(await run(true), await run(false))) fail(`${name}: what its owner wrote in between counted otherwise`);
}

/** A buffer that its owner destroys under an optimizer or a trainer. */
async function destroyed(device: GPUDevice, random: () => number, fail: (what: string) => void): Promise<void> {
  const buffers = Array.from({ length: 4 }, () => device.createBuffer({ size: 4 * COUNT, usage: STORAGE }));
  const name = pick(ruleNames, random);
  const make = (param: GPUBuffer, grad: GPUBuffer) =>
    createOptimizer(device, ruleOf(name), [{ name: 'w', shape: [12, 8], param, grad }]);
  const [one, other] = [await make(buffers[0]!, buffers[1]!), await make(buffers[2]!, buffers[3]!)];
  try {
    for (const each of [one, other]) submit(device, (encoder) => each.step(encoder));
    pick(buffers.slice(0, 2), random).destroy();
    // The submit is the caller's, and so is its error.
    device.pushErrorScope('validation');
    submit(device, (encoder) => one.step(encoder));
    if (!(await device.popErrorScope())) fail(`${name}: a submit on a destroyed buffer was none to complain about`);
    const wrong = untyped(await errorOf(one.read()), ['BUFFER-INVALID']);
    if (wrong) fail(`${name}, read after a buffer was destroyed: ${wrong}`);
    submit(device, (encoder) => other.step(encoder));
    const { step } = await other.read();
    if (step !== 2) fail(`${name}: another optimizer made ${step} steps of 2`);
  } finally {
    one.destroy();
    other.destroy();
    for (const each of buffers) each.destroy();
  }
}

/** A trainer's parameters, which are given away for others to use. */
async function trainerBuffers(device: GPUDevice, random: () => number, fail: (what: string) => void): Promise<void> {
  const make = () =>
    createTrainer(device, {
      ...{ model: mlp({ sizes: [6, 5, 3] }), data, batchSize: 8, submitMs: 1e-3 },
      rule: pick([adam({ lr: 0.01 }), sgd({ lr: 0.1 })] as readonly unknown[] as readonly Rule[], () => 0),
    });
  const [one, twin] = [await make(), await make()];
  try {
    // Written in between: as if they had been there.
    const write = (to: typeof one, seed: number) => {
      const { buffer, offset, size } = to.parameters()['0.weight']!;
      device.queue.writeBuffer(buffer, offset, drawn(size / 4, seed));
    };
    const at = 1 + Math.floor(8 * random());
    for await (const { step } of one.run({ steps: 12 })) if (step === at) break;
    write(one, 5);
    for await (const _ of twin.run({ steps: one.step }));
    write(twin, 5);
    for (const each of [one, twin]) for await (const _ of each.run({ steps: 5 }));
    if (!same(await one.readParameters(), await twin.readParameters()))
      fail('a trainer whose weights were written differs');
    // Destroyed: it says so, and is over.
    const { buffer } = one.parameters()['0.weight']!;
    buffer.destroy();
    const run = async () => {
      for await (const _ of one.run({ steps: 6 }));
    };
    const wrong = untyped(await errorOf(run()), ['GPU-VALIDATION', 'BUFFER-INVALID']);
    if (wrong) fail(`a trainer whose weights were destroyed: ${wrong}`);
    for await (const _ of twin.run({ steps: 3 }));
  } finally {
    one.destroy();
    twin.destroy();
  }
}

const KINDS = [redZones, redZones, redZones, rewritten, destroyed, trainerBuffers];

export const foreign: DeviceCampaign = {
  name: 'foreign',
  attacks: 'memory of others: red zones round every range, writes in between, buffers destroyed under us',
  unit: 'cases',
  sizes: { short: 30, full: 600 },
  async run(context, place) {
    const complaints: string[] = [];
    const device = await place.requestDevice((what) => void complaints.push(what));
    try {
      for await (const { index, random } of context.cases()) {
        const kind = KINDS[index % KINDS.length]!;
        await kind(device, random, (what) => context.fail(what));
        // Submits of a trainer on what was destroyed under it are told to whoever listens to the device.
        const ours = complaints.splice(0).filter((what) => kind !== trainerBuffers || !/destroyed/.test(what));
        for (const what of ours) context.fail(what);
      }
    } finally {
      device.destroy();
    }
  },
};
