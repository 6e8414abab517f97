/**
 * jax-js, on its WebGPU and its WebAssembly backend: the whole step, gradient and update, in one jitted function, as its
 * README and examples train. jax-js evaluates lazily: a step is only noted until its result is asked for, so every step is
 * submitted as soon as it is noted (WebGPU), or awaited at once (WebAssembly; the lecture's net takes 1.5 ms a step so, and
 * 2.0 ms with 8 steps pending at a time). Its docs advise against long queues of pending work.
 *
 * Ownership: a function consumes the arrays passed to it; `.ref` keeps one for later use.
 */
import {
  blockUntilReady,
  type Device,
  defaultDevice,
  getWebGPUDevice,
  init,
  jit,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
} from '@jax-js/jax';
import type {
  Environment,
  GemmPeer,
  GemmTask,
  Peer,
  ReadLoss,
  StepBatch,
  StepPeer,
  StepTask,
  UpdatePeer,
  UpdateTask,
} from '../bench/contract.js';
import { peer } from './names.js';
import { ADAM, MOMENTUM, offerWebGpu, oneHot } from './place.js';

type Floats = Float32Array<ArrayBuffer>;
/** `device` is documented; the declared type lacks it (0.1.25). */
type JitOptions = Parameters<typeof jit>[1];

/** One of jax-js's two devices, of which it has one each per page. */
interface Backend {
  readonly name: Device;
  readonly gpu?: GPUDevice;
  put(values: Floats, shape: number[]): np.Array;
  /** Starts what `array` is waiting for; only WebGPU can without waiting for the result. */
  submit(array: np.Array): void;
}

async function openBackend(name: 'webgpu' | 'wasm', environment: Environment): Promise<Backend> {
  if (name === 'webgpu') offerWebGpu(environment);
  const ready = await init(name);
  if (!ready.includes(name)) throw new Error(`jax-js has no device '${name}' here.`);
  return {
    name,
    gpu: name === 'webgpu' ? getWebGPUDevice() : undefined,
    put(values, shape) {
      defaultDevice(name);
      return np.array(values, { shape, device: name });
    },
    submit: (array) => void array.ref.gpuBufferSync(),
  };
}

/** A tensor's update rule on its parameter, gradient and state: [parameter, state], all within a jit. */
type Tensors = np.Array[];

/** State of the rule for these parameters: nothing, momenta, or Adam's two moments and the powers of its betas. */
function stateOf(rule: UpdateTask['rule'], params: Tensors, backend: Backend): { slots: Tensors[]; powers: Tensors } {
  const zeros = () => params.map(({ shape, size }) => backend.put(new Float32Array(size), shape));
  const slots = { sgd: 0, momentum: 1, adam: 2 }[rule];
  const one = () => backend.put(Float32Array.of(1), []);
  return { slots: Array.from({ length: slots }, zeros), powers: rule === 'adam' ? [one(), one()] : [] };
}
type State = ReturnType<typeof stateOf>;

/** Traced, never run by itself. Consumes all its arguments. */
function applyRule(
  rule: UpdateTask['rule'],
  lr: number,
  params: Tensors,
  grads: Tensors,
  state: State,
): { params: Tensors; state: State } {
  if (rule === 'sgd') return { params: params.map((p, i) => p.sub(grads[i]!.mul(lr))), state };
  if (rule === 'momentum') {
    const velocity = state.slots[0]!.map((v, i) => v.mul(MOMENTUM).add(grads[i]!));
    return { params: params.map((p, i) => p.sub(velocity[i]!.ref.mul(lr))), state: { slots: [velocity], powers: [] } };
  }
  const { beta1, beta2, epsilon } = ADAM;
  const powers = [state.powers[0]!.mul(beta1), state.powers[1]!.mul(beta2)];
  const first = state.slots[0]!.map((m, i) => m.mul(beta1).add(grads[i]!.ref.mul(1 - beta1)));
  const second = state.slots[1]!.map((v, i) => v.mul(beta2).add(np.square(grads[i]!).mul(1 - beta2)));
  const [rest1, rest2] = powers.map((power) => np.subtract(1, power.ref)) as [np.Array, np.Array];
  const updated = params.map((p, i) => {
    const mean = first[i]!.ref.div(rest1.ref);
    const deviation = np.sqrt(second[i]!.ref.div(rest2.ref)).add(epsilon);
    return p.sub(mean.div(deviation).mul(lr));
  });
  rest1.dispose();
  rest2.dispose();
  return { params: updated, state: { slots: [first, second], powers } };
}

/** params: weight and bias of each layer, in turn. Consumes its arguments. */
function lossOf(kind: StepTask['loss'], batchSize: number, params: Tensors, x: np.Array, y: np.Array): np.Array {
  let h = x;
  for (let i = 0; i < params.length; i += 2) {
    h = np.dot(h, params[i]!).add(params[i + 1]!);
    if (i < params.length - 2) h = nn.relu(h);
  }
  if (kind === 'mse') return np.square(h.sub(y)).mean();
  return nn
    .logSoftmax(h)
    .mul(y)
    .sum()
    .mul(-1 / batchSize);
}

function openStep(backend: Backend, task: StepTask): StepPeer {
  const { sizes, batchSize, rule, lr } = task;
  const outputs = sizes.at(-1)!;
  const place = ({ x, labels, values }: StepBatch) => ({
    x: backend.put(x, [batchSize, sizes[0]!]),
    y: backend.put(values ?? oneHot(labels!, outputs), [batchSize, outputs]),
  });
  const batches = task.batches.map(place);
  const start = () => {
    const params = task.weights.flatMap(({ w, b }, l) => [
      backend.put(w, [sizes[l]!, sizes[l + 1]!]),
      backend.put(b, [b.length]),
    ]);
    return { params, state: stateOf(rule, params, backend) };
  };
  const loss = (params: Tensors, x: np.Array, y: np.Array) => lossOf(task.loss, batchSize, params, x, y);
  const step = jit(
    (params: Tensors, state: State, x: np.Array, y: np.Array) => {
      const [value, grads] = valueAndGrad(loss)(tree.ref(params), x, y);
      return { ...applyRule(rule, lr, params, grads, state), loss: value };
    },
    { device: backend.name } as JitOptions,
  );

  let now = start();
  let next = 0;
  const advance = ({ x, y }: (typeof batches)[number]): np.Array => {
    const { params, state, loss } = step(now.params, now.state, x.ref, y.ref);
    now = { params, state };
    return loss;
  };
  const settle = async () => void (await blockUntilReady(now.params));
  const submit = () => backend.submit(now.params[0]!);

  return {
    device: backend.gpu,
    async losses(steps) {
      tree.dispose(now);
      now = start();
      next = 0;
      const found: number[] = [];
      for (let i = 0; i < steps; i++) found.push((await advance(batches[0]!).data())[0]!);
      return found;
    },
    async train(steps, read?: ReadLoss) {
      defaultDevice(backend.name);
      for (let i = 1; i <= steps; i++) {
        const loss = advance(batches[next++ % batches.length]!);
        const wanted = read !== undefined && (i === steps || (typeof read === 'number' && i % read === 0));
        if (wanted) await loss.data();
        else loss.dispose();
        if (backend.gpu) submit();
        else await settle();
      }
      await settle();
    },
    ...(backend.gpu && {
      record(steps: number) {
        defaultDevice(backend.name);
        for (let i = 0; i < steps; i++) {
          advance(batches[next++ % batches.length]!).dispose();
          submit();
        }
      },
      settle,
    }),
    destroy() {
      tree.dispose([now, batches]);
      step.dispose();
    },
  };
}

function openGemm(backend: Backend, { op, rows, inputs, outputs, a, b }: GemmTask): GemmPeer {
  const shapeA = [rows, op === 'input-gradient' ? outputs : inputs];
  const shapeB = op === 'weight-gradient' ? [rows, outputs] : [inputs, outputs];
  const multiply = jit(
    (left: np.Array, right: np.Array) => {
      if (op === 'weight-gradient') return np.matmul(left.transpose(), right);
      return np.matmul(left, op === 'input-gradient' ? right.transpose() : right);
    },
    { device: backend.name } as JitOptions,
  );
  let operands: Tensors = [];
  const place = (left: Floats, right: Floats) => {
    tree.dispose(operands);
    operands = [backend.put(left, shapeA), backend.put(right, shapeB)];
  };
  place(a, b);

  let last: np.Array | undefined;
  const once = () => {
    last?.dispose();
    last = multiply(operands[0]!.ref, operands[1]!.ref);
  };
  const settle = async () => void (await last?.blockUntilReady());
  const record = (products: number) => {
    defaultDevice(backend.name);
    for (let i = 0; i < products; i++) {
      once();
      backend.submit(last!);
    }
  };
  return {
    device: backend.gpu,
    set: async (left, right) => place(left, right),
    async product() {
      defaultDevice(backend.name);
      once();
      return (await last!.ref.data()) as Float32Array;
    },
    async run(products) {
      if (backend.gpu) {
        record(products);
        return settle();
      }
      // One is independent of the next and would never be computed, were it not asked for.
      defaultDevice(backend.name);
      for (let i = 0; i < products; i++) {
        once();
        await settle();
      }
    },
    ...(backend.gpu && { record, settle }),
    destroy() {
      tree.dispose(operands);
      last?.dispose();
      multiply.dispose();
    },
  };
}

function openUpdate(backend: Backend, { rule, lr, param, grad }: UpdateTask): UpdatePeer {
  const step = jit((params: Tensors, grads: Tensors, state: State) => applyRule(rule, lr, params, grads, state), {
    device: backend.name,
  } as JitOptions);
  const place = (values: Floats, gradient: Floats) => {
    const params = [backend.put(values, [values.length])];
    return {
      now: { params, state: stateOf(rule, params, backend) },
      grads: [backend.put(gradient, [gradient.length])],
    };
  };
  let held = place(param, grad);
  const once = () => {
    held.now = step(held.now.params, tree.ref(held.grads), held.now.state);
  };
  const settle = async () => void (await blockUntilReady(held.now.params));
  const record = (updates: number) => {
    defaultDevice(backend.name);
    for (let i = 0; i < updates; i++) {
      once();
      backend.submit(held.now.params[0]!);
    }
  };
  return {
    device: backend.gpu,
    async set(values, gradient) {
      tree.dispose(held);
      held = place(values, gradient);
    },
    async run(updates) {
      if (backend.gpu) record(updates);
      else {
        defaultDevice(backend.name);
        for (let i = 0; i < updates; i++) {
          once();
          await settle();
        }
      }
      await settle();
    },
    read: async () => (await held.now.params[0]!.ref.data()) as Float32Array,
    ...(backend.gpu && { record, settle }),
    destroy() {
      tree.dispose(held);
      step.dispose();
    },
  };
}

const does = (device: 'webgpu' | 'wasm') => ({
  step: async (task: StepTask, place: Environment) => openStep(await openBackend(device, place), task),
  gemm: async (task: GemmTask, place: Environment) => openGemm(await openBackend(device, place), task),
  update: async (task: UpdateTask, place: Environment) => openUpdate(await openBackend(device, place), task),
});

export const peers: readonly Peer[] = [peer('jax-webgpu', does('webgpu')), peer('jax-wasm', does('wasm'))];
