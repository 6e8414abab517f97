/** downhill's side of `gemm`: the three products of a dense layer, through downhill/kernels. */
import {
  createPasses,
  dense,
  denseInputGradient,
  denseWeightGradient,
  loadForms,
  loadKernels,
  lower,
  type Op,
  range,
  rowStride,
  wholePiece,
} from '../../../src/kernels/index.js';
import type { Environment, GemmPeer, GemmTask } from '../contract.js';
import { encodeAll, KernelRunner } from './kernel-runner.js';

type Name = 'x' | 'w' | 'dy' | 'saved';
type Arrays = Readonly<Record<Name, GPUBuffer>>;

/** Of each product: its operands a and b, and its result. */
const ROLES: Readonly<Record<GemmTask['op'], readonly [a: Name, b: Name, result: Name]>> = {
  forward: ['x', 'w', 'dy'],
  'input-gradient': ['dy', 'w', 'x'],
  'weight-gradient': ['x', 'dy', 'w'],
};

export async function downhillGemm(task: GemmTask, environment: Environment): Promise<GemmPeer> {
  const device = await environment.requestDevice('bench:downhill');
  const shapes = shapesOf(task);
  const lengths = Object.fromEntries(
    Object.entries(shapes).map(([name, { rows, stride, extra }]) => [name, rows * stride + extra]),
  ) as Record<Name, number>;
  const forms = await loadForms(device);
  const kernels = await KernelRunner.create(device, lengths, async (arrays) => {
    const ops = [opOf(task, arrays)];
    await loadKernels(ops, forms, device);
    return encodeAll(await createPasses(device, lower(ops, forms, device).passes));
  });
  const [a, b, result] = ROLES[task.op];
  const set = async (left: Float32Array, right: Float32Array) => {
    kernels.write(a, pack(left, shapes[a]));
    kernels.write(b, pack(right, shapes[b]));
    kernels.fill(result, Number.NaN); // whatever the kernel leaves out shows
  };
  await set(task.a, task.b);
  return {
    device,
    set,
    async product() {
      await kernels.run(1);
      return unpack(await kernels.read(result), shapes[result]);
    },
    run: (products) => kernels.run(products),
    record: (products) => kernels.record(products),
    settle: () => kernels.settle(),
    relocate: () => kernels.relocate(),
    destroy: () => device.destroy(),
  };
}

function opOf({ op, rows, inputs, outputs }: GemmTask, { x, w, dy }: Arrays): Op {
  const shape = { label: `bench/${op}`, rows, inputs, outputs };
  const matrix = inputs * outputs;
  const weight = [wholePiece(range(w, 0, 4 * matrix), matrix)];
  if (op === 'forward') return dense({ ...shape, x: range(x), weight, y: range(dy) });
  if (op === 'input-gradient') return denseInputGradient({ ...shape, dy: range(dy), weight, dx: range(x) });
  return denseWeightGradient({ ...shape, x: range(x), dy: range(dy), weight });
}

/** A matrix on the GPU: the rows of activations at a stride, weights dense with a bias behind them. */
interface Shape {
  readonly rows: number;
  readonly width: number;
  readonly stride: number;
  readonly extra: number;
}

function shapesOf({ rows, inputs, outputs }: GemmTask): Readonly<Record<Name, Shape>> {
  const activation = (width: number): Shape => ({ rows, width, stride: rowStride(width), extra: 0 });
  return {
    x: activation(inputs),
    w: { rows: inputs, width: outputs, stride: outputs, extra: outputs },
    dy: activation(outputs),
    saved: activation(inputs),
  };
}

function pack(values: Float32Array, { rows, width, stride, extra }: Shape): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(rows * stride + extra);
  for (let row = 0; row < rows; row++) packed.set(values.subarray(row * width, (row + 1) * width), row * stride);
  return packed;
}

function unpack(values: Float32Array, { rows, width, stride }: Shape): Float32Array {
  const out = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) out.set(values.subarray(row * stride, row * stride + width), row * width);
  return out;
}
