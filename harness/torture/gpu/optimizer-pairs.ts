/* Optimizers and minimizers on a caller's buffers: one records several steps to a submit, its twin each alone. */
import { adam, createOptimizer, type Optimizer, type OptimizerState } from '../../../src/index.js';
import { integer, type Pair, refused, submit } from './pair.js';
import { drawn, floats, makeMinimizer, readFloats, same } from './subjects.js';

const WEIGHTS = 70;

/** Read, set and loaded in between. */
export async function optimizerPair(device: GPUDevice): Promise<Pair> {
  const make = async () => {
    const [param, grad, other] = [drawn(WEIGHTS, 7), drawn(WEIGHTS, 8), drawn(WEIGHTS, 9)].map((values) =>
      floats(device, values),
    ) as [GPUBuffer, GPUBuffer, GPUBuffer];
    const tensors = [
      { name: 'w', shape: [8, 8], param: { buffer: param, offset: 0 }, grad: { buffer: grad, offset: 0 } },
      {
        ...{ name: 'b', shape: [6], group: { lr: 0.02 } },
        ...{ param: { buffer: param, offset: 256 }, grad: { buffer: grad, offset: 256 } },
      },
    ];
    const options = { clip: { globalNorm: 1 }, skipNonFinite: { atMost: 3 } };
    const made = await createOptimizer(device, adam({ lr: 0.01 }), tensors, options);
    return { made: made as unknown as Optimizer, param, grad, other };
  };
  const [one, twin] = await Promise.all([make(), make()]);
  const states: { readonly state: OptimizerState; readonly params: Float32Array }[] = [];
  let dead = false;
  const both = (call: (each: typeof one) => void) => {
    for (const each of [one, twin]) call(each);
  };
  const paramsOf = async ({ param }: typeof one) => readFloats(device, param, 4 * WEIGHTS);
  const calls: Pair['calls'] = {
    'steps in one submit': async (a, b) => {
      const steps = integer(a, 4);
      both(({ grad }) => device.queue.writeBuffer(grad, 0, drawn(WEIGHTS, integer(b, 1000))));
      submit(device, (encoder) => {
        if (b < 0.5) for (let i = 0; i < steps; i++) one.made.step(encoder);
        else {
          const pass = encoder.beginComputePass();
          for (let i = 0; i < steps; i++) one.made.step(pass);
          pass.end();
        }
      });
      for (let i = 0; i < steps; i++) submit(device, (encoder) => twin.made.step(encoder));
    },
    'other gradients': async () => {
      both(({ made, other }) =>
        submit(device, (encoder) =>
          made.step(encoder, { grads: { w: { buffer: other, offset: 0 }, b: { buffer: other, offset: 256 } } }),
        ),
      );
    },
    'a gradient that is none': async (a) => {
      both(({ grad }) => device.queue.writeBuffer(grad, 4 * integer(a, WEIGHTS - 1), Uint32Array.of(0x7fc00000)));
      both(({ made }) => submit(device, (encoder) => made.step(encoder)));
    },
    set: async (a, b) => both(({ made }) => made.set({ lr: 0.001 + 0.05 * a }, b < 0.5 ? ['b'] : undefined)),
    read: async () => {
      const { stopped } = await one.made.read();
      if (!stopped || !states[0]) return;
      // It takes nothing any more, until a state is loaded.
      both(({ made }) => made.load(states[0]!.state));
    },
    'read, read': async () => {
      const [a, b] = await Promise.all([one.made.read(), one.made.read()]);
      if (!same(a, b)) throw new Error('two reads at once differ');
    },
    state: async () => states.push({ state: await one.made.state(), params: await paramsOf(one) }),
    load: async (a) => {
      const saved = states[integer(a, states.length - 1)];
      if (!saved) return;
      both(({ made, param }) => {
        device.queue.writeBuffer(param, 0, Float32Array.from(saved.params));
        made.load(saved.state);
      });
    },
    describe: async () => one.made.describe(),
    'bad calls': async () => {
      await refused(() => one.made.step({} as never), 'OPTION-TYPE');
      await refused(() => one.made.set({ lr: -1 }), 'HYPER-RANGE');
      await refused(() => one.made.set({ lr: 1 }, ['nobody']), 'OPTION-UNKNOWN', 'OPTION-RANGE');
      await refused(() => one.made.load({} as never), 'STATE-MISMATCH', 'OPTION-TYPE');
      const encoder = device.createCommandEncoder();
      await refused(() => one.made.step(encoder, { grads: { w: 3 as never } }), 'OPTION-TYPE', 'BUFFER-USAGE');
    },
    destroy: async (a, b) => {
      if (a > 0.1 || b > 0.5) return;
      one.made.destroy();
      dead = true;
    },
  };
  return {
    calls,
    dead: () => dead,
    async ends() {
      if (dead) return [0, 0];
      const of = async (each: typeof one) => [await each.made.state(), await paramsOf(each), await each.made.read()];
      return [await of(one), await of(twin)];
    },
    close: () => {
      for (const { made, param, grad, other } of [one, twin])
        for (const each of [made, param, grad, other]) each.destroy();
    },
  };
}

export async function minimizerPair(device: GPUDevice): Promise<Pair> {
  const make = () => makeMinimizer(device, Float32Array.of(-1.2, 1));
  const [one, twin] = [await make(), await make()];
  let dead = false;
  const both = (call: (each: typeof one) => void) => {
    for (const each of [one, twin]) call(each);
  };
  const calls: Pair['calls'] = {
    'rounds in one submit': async (a) => {
      const rounds = integer(a, 6);
      submit(device, (encoder) => {
        for (let i = 0; i < rounds; i++) one.made.step(encoder);
      });
      for (let i = 0; i < rounds; i++) submit(device, (encoder) => twin.made.step(encoder));
    },
    read: () => one.made.read(),
    'read, read': () => Promise.all([one.made.read(), one.made.read()]),
    set: async (a) => both(({ made }) => made.set({ toleranceGrad: 1e-6 + 0.1 * a })),
    reset: async (a, b) => {
      const values = Float32Array.of(2 * a - 1, 2 * b - 1);
      both(({ made, x }) => {
        device.queue.writeBuffer(x, 0, values);
        made.reset();
      });
    },
    describe: async () => one.made.describe(),
    'bad calls': () => refused(() => one.made.set({ toleranceGrad: -1 }), 'HYPER-RANGE'),
    destroy: async (a, b) => {
      if (a > 0.1 || b > 0.5) return;
      one.made.destroy();
      dead = true;
    },
  };
  return {
    calls,
    dead: () => dead,
    async ends() {
      if (dead) return [0, 0];
      const of = async ({ made, x }: typeof one) => [await readFloats(device, x, 8), await made.read()];
      return [await of(one), await of(twin)];
    },
    close: () => {
      for (const { made, x } of [one, twin]) for (const each of [made, x]) each.destroy();
    },
  };
}
