/* Everything that makes something on a device: objects of every kind with what they can have, and the calls of those that live. */

import { gradcheck, initLoss, overfitBatch } from '../../../src/checks/index.js';
import {
  adafactor,
  adam,
  adamw,
  batchNorm,
  createOptimizer,
  createPredictor,
  createTrainer,
  dropout,
  inspect,
  lamb,
  lbfgs,
  linear,
  lookahead,
  mlp,
  muon,
  type Optimizer,
  type Population,
  readModel,
  relu,
  sam,
  scheduleFreeAdamw,
  sequential,
  sgd,
  softmaxCrossEntropy,
  sophia,
  type TensorOptions,
  type Trainer,
} from '../../../src/index.js';
import { landscape } from '../../../src/landscape/index.js';
import { rangeTest, search, training } from '../../../src/search/index.js';
import { minimize, rosenbrock } from '../../../src/trajectory/index.js';
import {
  data,
  drawn,
  floats,
  held,
  type Live,
  makeMinimizer,
  makeOptimizer,
  makePopulation,
  makeTrainer,
  same,
  subjects,
} from './subjects.js';

/** Something that allocates, and what it is done with. */
export interface Scene<T = unknown> {
  readonly name: string;
  /** It makes one of the four kinds of objects. */
  readonly kind?: boolean;
  /** What it makes may be in commands that were not submitted yet: it is let go of. */
  readonly lets?: boolean;
  /** What is there before: it must be as it was after every failure. */
  prepare(device: GPUDevice): Promise<T>;
  /** Allocates. @returns what is to be destroyed */
  act(device: GPUDevice, given: T): Promise<{ destroy(): void } | undefined>;
  /** What it is. */
  state(given: T): Promise<unknown>;
  close(given: T): void;
}

/** Makes something of nothing. */
const making = (name: string, make: (device: GPUDevice) => Promise<{ destroy(): void }>): Scene => ({
  name,
  kind: !name.includes(':'),
  prepare: async () => undefined,
  act: make,
  state: async () => undefined,
  close: () => {},
});

/** Computes something of nothing, which leaves nothing. */
const computing = (name: string, compute: (device: GPUDevice) => Promise<unknown>): Scene =>
  making(`${name}: all of it`, async (device) => {
    await compute(device);
    return { destroy() {} };
  });

/** Asks a trainer that has trained. */
const asking = (name: string, ask: (trainer: Trainer) => Promise<unknown>): Scene<Trainer> => ({
  name: `trainer.${name}`,
  async prepare(device) {
    const trainer = (await makeTrainer(device)) as unknown as Trainer;
    await train(trainer, 6);
    return trainer;
  },
  async act(_, trainer) {
    await ask(trainer);
    return undefined;
  },
  state: (trainer) => trainer.checkpoint(),
  close: (trainer) => trainer.destroy(),
});

const askingPopulation = (name: string, ask: (population: Population) => Promise<unknown>): Scene<Population> => ({
  name: `population.${name}`,
  async prepare(device) {
    const population = await makePopulation(device);
    await train(population, 6);
    population.stop(2);
    return population;
  },
  async act(_, population) {
    await ask(population);
    return undefined;
  },
  state: (population) => population.checkpoint(),
  close: (population) => population.destroy(),
});

async function train(one: { run(options: { steps: number }): AsyncIterable<unknown> }, steps: number): Promise<void> {
  for await (const _ of one.run({ steps }));
}

const deep = sequential({
  input: 6,
  layers: [linear(8), batchNorm(), relu(), dropout({ p: 0.2 }), linear(3)],
  loss: softmaxCrossEntropy(),
});
const small = mlp({ sizes: [6, 5, 3] });
const common = { data, batchSize: 8, submitMs: 1e-3 };
const only = { model: small, data, batchSize: 8 };

/** An optimizer on buffers that its caller keeps. */
function optimizing(
  name: string,
  make: (device: GPUDevice, buffers: readonly GPUBuffer[]) => Promise<{ destroy(): void }>,
) {
  const scene: Scene<readonly GPUBuffer[]> = {
    name: `createOptimizer: ${name}`,
    prepare: async (device) => [floats(device, drawn(4096, 3)), floats(device, drawn(4096, 4))],
    act: make,
    state: async () => undefined,
    close: (buffers) => {
      for (const each of buffers) each.destroy();
    },
  };
  return scene as Scene;
}

const matrices = (buffers: readonly GPUBuffer[]) => [
  { name: 'w', shape: [32, 64], param: buffers[0]!, grad: buffers[1]! },
];
const records = ([param, grad]: readonly GPUBuffer[]) =>
  [0, 16].map((offset, i) => ({
    ...{ name: `f${i}`, shape: [100, 3], reserve: 120 },
    param: { buffer: param!, offset, stride: 32 },
    grad: { buffer: grad!, offset, stride: 32 },
  }));

let layouts = 1;

/** What an optimizer records at once, with objects that it makes for it. */
function recording(
  name: string,
  tensors: (buffers: readonly GPUBuffer[]) => readonly TensorOptions[],
  record: (optimizer: Optimizer, encoder: GPUCommandEncoder, other: GPUBuffer) => void,
): Scene {
  const scene: Scene<{ readonly made: Optimizer; readonly buffers: readonly GPUBuffer[] }> = {
    name: `optimizer.${name}`,
    lets: true,
    async prepare(device) {
      const buffers = [3, 4, 5].map((seed) => floats(device, drawn(4096, seed)));
      const made = (await createOptimizer(device, adam(), tensors(buffers))) as unknown as Optimizer;
      return { made, buffers };
    },
    async act(device, { made, buffers }) {
      const encoder = device.createCommandEncoder();
      const { rows } = made.describe();
      try {
        record(made, encoder, buffers[2]!);
      } catch (error) {
        if (!same(rows, made.describe().rows)) throw new Error('it moved rows, and failed');
        throw error;
      }
      // The submit is the caller's, and what is wrong with it is told to him, too.
      device.pushErrorScope('validation');
      device.queue.submit([encoder.finish()]);
      await device.popErrorScope();
      await made.read();
      return undefined;
    },
    state: async () => undefined,
    close({ made, buffers }) {
      for (const each of [made, ...buffers]) each.destroy();
    },
  };
  return scene as Scene;
}

const restoring = async (trainer: Trainer) => {
  const bytes = await trainer.checkpoint();
  await trainer.restore(bytes);
  await trainer.importWeights(bytes);
};

const makers: readonly Scene[] = [
  making('createTrainer', makeTrainer),
  making('createTrainer: batch norm, early stopping', (device) =>
    createTrainer(device, {
      ...{ ...common, model: deep, rule: adamw({ lr: 0.01 }), state: '8bit', accumulate: { steps: 2 } },
      ...{ validation: { data: held }, earlyStopping: { patience: 2 } },
    }),
  ),
  making('createTrainer: wrappers, clip, separate buffers', (device) =>
    createTrainer(device, {
      ...{ ...common, model: small, rule: sgd({ lr: 0.1, momentum: 0.9 }), clip: { tensorNorm: 1 } },
      ...{ wrappers: [sam({ rho: 0.1 }), lookahead({ k: 3 })], buffers: 'separate' },
    }),
  ),
  making('createTrainer: lamb, penalty', (device) =>
    createTrainer(device, { ...common, model: small, rule: lamb({ lr: 0.01 }), penalty: { l2: 0.01 } }),
  ),
  making('createTrainer: streamed', (device) =>
    createTrainer(device, { ...common, model: small, rule: adam(), stream: true }),
  ),
  making('createTrainer: lbfgs', (device) =>
    createTrainer(device, { model: small, rule: lbfgs(), data, sampling: 'full' }),
  ),
  making('createTrainer: recovering', (device) =>
    createTrainer(device, {
      ...{ ...common, model: small, rule: adam() },
      recover: { requestDevice: () => Promise.reject(new Error('there is no other')), waits: [] },
    }),
  ),
  making('createPopulation', makePopulation),
  making('createOptimizer', async (device) => {
    const { made, close } = await makeOptimizer(device, drawn(70, 1));
    return destroying(made, { destroy: close });
  }),
  making('createMinimizer', async (device) => {
    const { made, x } = await makeMinimizer(device, Float32Array.of(-1, 1));
    return destroying(made, x);
  }),
  making('createPredictor', async (device) => {
    const trainer = await createTrainer(device, { ...common, model: small, rule: adam() });
    try {
      const bytes = await trainer.checkpoint({ state: false });
      return await createPredictor(device, readModel(bytes));
    } finally {
      trainer.destroy();
    }
  }),
  computing('inspect', (device) => inspect(device, { model: small, data })),
  computing('minimize', (device) => minimize(device, rosenbrock(), adam({ lr: 0.1 }), { steps: 5 })),
  computing('gradcheck', (device) => gradcheck(device, { model: small, data, elements: 2 })),
  computing('initLoss', (device) => initLoss(device, { model: small, data })),
  computing('overfitBatch', (device) => overfitBatch(device, { model: small, data, steps: 5 })),
  computing('rangeTest', (device) => rangeTest(device, { ...only, rule: adam(), steps: 10 })),
  computing('search', (device) =>
    search(device, {
      space: { lr: { kind: 'log-uniform', low: 1e-3, high: 0.1 } },
      objective: training<{ lr: number }>({ ...only, validation: held, rule: ({ lr }) => adam({ lr }) }),
      ...{ method: 'random', budget: { trials: 2, steps: 4 } },
    }),
  ),
  optimizing('muon', (device, buffers) => createOptimizer(device, muon(), matrices(buffers))),
  optimizing('adafactor', (device, buffers) => createOptimizer(device, adafactor(), matrices(buffers))),
  optimizing('schedule-free', (device, buffers) => createOptimizer(device, scheduleFreeAdamw(), matrices(buffers))),
  optimizing('sophia', (device, buffers) => createOptimizer(device, sophia(), matrices(buffers))),
  optimizing('8bit, per tensor', (device, buffers) =>
    createOptimizer(device, adam(), matrices(buffers), { state: '8bit', clip: { tensorNorm: 1 } }),
  ),
  optimizing('one average a row', (device, buffers) =>
    createOptimizer(device, adam(), matrices(buffers), { perRow: 'exp_avg_sq' }),
  ),
  optimizing('records', (device, buffers) => createOptimizer(device, adam(), records(buffers))),
];

/** Calls of what lives. */
const askers = [
  asking('run', (trainer) => train(trainer, 0)),
  asking('run, watched', async (trainer) => {
    for await (const _ of trainer.run({ steps: 0, watch: { every: 1 } }));
  }),
  asking('profile', async (trainer) => {
    const before = await trainer.checkpoint();
    await trainer.profile({ steps: 2 });
    await trainer.restore(before);
  }),
  asking('evaluate', (trainer) => trainer.evaluate(data, { metrics: ['confusion'] })),
  asking('predict', (trainer) => trainer.predict(held)),
  asking('checkpoint', (trainer) => trainer.checkpoint()),
  asking('state', (trainer) => trainer.state()),
  asking('readParameters', (trainer) => trainer.readParameters()),
  asking('restore, importWeights', restoring),
  asking('landscape', (trainer) => landscape(trainer, { plane: 'random', grid: 2, samples: 8 })),
  asking('curvature', (trainer) => trainer.curvature({ iterations: 2, samples: 8, eigenvalues: 1 })),
  askingPopulation('evaluate', (population) => population.evaluate(data)),
  askingPopulation('take', async (population) => (await population.take(1)).destroy()),
  askingPopulation('refill', (population) => population.refill(2, { seed: 5 })),
  askingPopulation('restore', async (population) => population.restore(await population.checkpoint())),
  askingPopulation('readParameters', (population) => population.readParameters(1)),
  askingPopulation('checkpoint', (population) => population.checkpoint()),
] as unknown as readonly Scene[];

const recorders = [
  // Wherever the gradient begins, it is another layout: there is none to be found again.
  recording('step: other gradients', matrices, (optimizer, encoder, other) =>
    optimizer.step(encoder, { grads: { w: { buffer: other, offset: 4 * layouts++ } } }),
  ),
  recording('step: other gradients of records', records, (optimizer, encoder, other) =>
    optimizer.step(encoder, { grads: { f0: { buffer: other, offset: 4 * (layouts++ % 500), stride: 32 } } }),
  ),
  recording('gather', records, (optimizer, encoder) => optimizer.gather(encoder, [3, 0, 2, 1])),
  recording('grow', records, (optimizer, encoder) => optimizer.grow(encoder, 120)),
  recording('reset', records, (optimizer, encoder) => optimizer.reset(encoder, [0, 2])),
];

const destroying = (...all: readonly { destroy(): void }[]) => ({
  destroy: () => {
    for (const each of all) each.destroy();
  },
});

/** The calls of all kinds that are attacked elsewhere, too. */
const livers = subjects.flatMap((subject) =>
  (['evaluate', 'save', 'read'] as const).map(
    (call): Scene<Live> => ({
      name: `${subject.name}: ${call}`,
      async prepare(device) {
        const one = await subject.create(device);
        await one.train(4);
        return one;
      },
      async act(_, one) {
        await one[call]();
        return undefined;
      },
      state: (one) => one.read(),
      close: (one) => one.destroy(),
    }),
  ),
);

export const scenes: readonly Scene[] = [...makers, ...askers, ...recorders, ...(livers as unknown as Scene[])];
