/** downhill's side of `gemm`: the three products of a dense layer, through downhill/kernels. */
import {
  createPasses,
  denseForward,
  denseInputGradient,
  denseWeightGradient,
  type PassSpec,
  range,
  rowStride,
} from '../../../src/kernels/index.js';
import type { Environment, GemmPeer, GemmTask } from '../contract.js';
import { KernelRunner, readFloats, storage } from './kernel-runner.js';

/** A matrix on the GPU: rows at a stride for activations, dense for weights. */
interface Matrix {
  readonly buffer: GPUBuffer;
  readonly rows: number;
  readonly width: number;
  readonly stride: number;
  /** Floats behind the matrix: a bias. */
  readonly extra: number;
}

export async function downhillGemm(task: GemmTask, environment: Environment): Promise<GemmPeer> {
  const device = await environment.requestDevice('bench:downhill');
  const { op, rows, inputs, outputs } = task;
  const activation = (width: number) => matrix(device, rows, width, rowStride(width), 0);
  const weights = () => matrix(device, inputs, outputs, outputs, outputs);
  const [x, w, dy] = [activation(inputs), weights(), activation(outputs)];
  const shape = { label: `bench/${op}`, rows, inputs, outputs };
  const bias = inputs * outputs;
  const forms: Record<GemmTask['op'], { spec: PassSpec; operands: readonly [Matrix, Matrix]; result: Matrix }> = {
    forward: {
      spec: denseForward({
        ...shape,
        x: range(x.buffer),
        params: range(w.buffer),
        bias,
        y: range(dy.buffer),
        activation: 'linear',
      }),
      operands: [x, w],
      result: dy,
    },
    'input-gradient': {
      spec: denseInputGradient({
        ...shape,
        dy: range(dy.buffer),
        params: range(w.buffer),
        saved: range(activation(inputs).buffer),
        dx: range(x.buffer),
        activation: 'linear',
      }),
      operands: [dy, w],
      result: x,
    },
    'weight-gradient': {
      spec: denseWeightGradient({ ...shape, x: range(x.buffer), dy: range(dy.buffer), grads: range(w.buffer), bias }),
      operands: [x, dy],
      result: w,
    },
  };
  const { spec, operands, result } = forms[op];
  const kernels = KernelRunner.of(device, await createPasses(device, [spec]));
  const set = async (a: Float32Array, b: Float32Array) => {
    write(device, operands[0], a);
    write(device, operands[1], b);
    const poison = new Float32Array(result.buffer.size / 4).fill(Number.NaN);
    device.queue.writeBuffer(result.buffer, 0, poison);
  };
  await set(task.a, task.b);
  return {
    device,
    set,
    async product() {
      await kernels.run(1);
      return unpack(await readFloats(device, result.buffer, result.rows * result.stride), result);
    },
    run: (products) => kernels.run(products),
    record: (products) => kernels.record(products),
    settle: () => kernels.settle(),
    destroy: () => device.destroy(),
  };
}

function matrix(device: GPUDevice, rows: number, width: number, stride: number, extra: number): Matrix {
  return { buffer: storage(device, rows * stride + extra), rows, width, stride, extra };
}

function write(device: GPUDevice, { buffer, rows, width, stride, extra }: Matrix, values: Float32Array): void {
  const packed = new Float32Array(rows * stride + extra);
  for (let row = 0; row < rows; row++) packed.set(values.subarray(row * width, (row + 1) * width), row * stride);
  device.queue.writeBuffer(buffer, 0, packed);
}

function unpack(values: Float32Array, { rows, width, stride }: Matrix): Float32Array {
  const out = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) out.set(values.subarray(row * stride, row * stride + width), row * width);
  return out;
}
