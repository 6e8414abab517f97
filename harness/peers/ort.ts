/**
 * ONNX Runtime Web: products only, since it runs models and does not train. A model of one Gemm node; on WebGPU the operands
 * stay in buffers of the caller's (IO binding), the result in one of the library's, and the run is captured once and
 * replayed (`enableGraphCapture`), which its docs recommend for models of fixed shape.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProto_DataType,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import * as ortWasm from 'onnxruntime-web/wasm';
import * as ort from 'onnxruntime-web/webgpu';
import type { Environment, GemmPeer, GemmTask, Peer } from '../bench/contract.js';
import { peer } from './names.js';
import { acceptSharedMemory, besideModule, offerWebGpu } from './place.js';

type Floats = Float32Array<ArrayBuffer>;
type Shape = readonly [number, number];

function shapesOf({ op, rows, inputs, outputs }: GemmTask): { a: Shape; b: Shape; y: Shape } {
  if (op === 'forward') return { a: [rows, inputs], b: [inputs, outputs], y: [rows, outputs] };
  if (op === 'input-gradient') return { a: [rows, outputs], b: [inputs, outputs], y: [rows, inputs] };
  return { a: [rows, inputs], b: [rows, outputs], y: [inputs, outputs] };
}

/** y = a · b, either of them transposed as the product asks. Every shape is fixed, which graph capture needs. */
function modelOf(task: GemmTask): Uint8Array {
  const shapes = shapesOf(task);
  const value = (name: 'a' | 'b' | 'y') =>
    create(ValueInfoProtoSchema, {
      name,
      type: create(TypeProtoSchema, {
        value: {
          case: 'tensorType',
          value: create(TypeProto_TensorSchema, {
            elemType: TensorProto_DataType.FLOAT,
            shape: create(TensorShapeProtoSchema, {
              dim: shapes[name].map((size) =>
                create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(size) } }),
              ),
            }),
          }),
        },
      }),
    });
  const flag = (name: string, on: boolean) =>
    create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: on ? 1n : 0n });
  const node = create(NodeProtoSchema, {
    name: 'product',
    opType: 'Gemm',
    input: ['a', 'b'],
    output: ['y'],
    attribute: [flag('transA', task.op === 'weight-gradient'), flag('transB', task.op === 'input-gradient')],
  });
  const graph = create(GraphProtoSchema, {
    name: 'gemm',
    node: [node],
    input: [value('a'), value('b')],
    output: [value('y')],
  });
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: 17n })],
    graph,
  });
  return toBinary(ModelProtoSchema, model);
}

type Build = typeof ort | typeof ortWasm;

/**
 * Each of the two builds of the library has a WebAssembly of its own: WebGPU needs one whose calls can wait ('asyncify'),
 * of which V8 compiles the largest functions for half a minute.
 */
function configure({ env }: Build): void {
  env.logLevel = 'error';
  env.wasm.wasmPaths = besideModule();
  // By default it takes half of the cores; TensorFlow.js and jax-js take all of them. In Node it has no threads.
  if (globalThis.crossOriginIsolated) env.wasm.numThreads = navigator.hardwareConcurrency;
}

/**
 * A session of the task's model. In Node the loader leaves a `Worker` on globalThis, by which jax-js, if it shares the
 * process, takes it for a page with threads, and its memory no longer fits its kernels: what was not there goes again.
 */
async function openSession(build: Build, task: GemmTask, options: ort.InferenceSession.SessionOptions) {
  configure(build);
  const hadWorker = 'Worker' in globalThis;
  const session = await build.InferenceSession.create(modelOf(task), { graphOptimizationLevel: 'all', ...options });
  if (!hadWorker) Reflect.deleteProperty(globalThis, 'Worker');
  return session;
}

async function openWasm(task: GemmTask): Promise<GemmPeer> {
  const shapes = shapesOf(task);
  const session = await openSession(ortWasm, task, { executionProviders: ['wasm'] });
  const tensor = (values: Floats, shape: Shape) => new ortWasm.Tensor('float32', values, shape);
  let feeds = { a: tensor(task.a, shapes.a), b: tensor(task.b, shapes.b) };
  return {
    async set(a, b) {
      feeds = { a: tensor(a, shapes.a), b: tensor(b, shapes.b) };
    },
    async product() {
      return (await session.run(feeds)).y!.data as Float32Array;
    },
    // Each run copies its operands into WebAssembly's memory and the result out; a result tensor given in advance is
    // left as it was (ONNX Runtime Web 1.30), so there is no way around that on the CPU.
    async run(products) {
      for (let i = 0; i < products; i++) await session.run(feeds);
    },
    destroy: () => session.release(),
  };
}

async function openWebGpu(task: GemmTask, environment: Environment): Promise<GemmPeer> {
  offerWebGpu(environment);
  const device = await environment.requestDevice('ort-webgpu');
  if (environment.place === 'node') acceptSharedMemory(device.queue);
  const shapes = shapesOf(task);
  const session = await openSession(ort, task, {
    executionProviders: [{ name: 'webgpu', device }],
    enableGraphCapture: true,
    preferredOutputLocation: 'gpu-buffer',
  });
  const operand = (name: 'a' | 'b') => {
    const [height, width] = shapes[name];
    // ONNX Runtime binds whole multiples of 16 bytes.
    const buffer = device.createBuffer({
      label: `ort ${name}`,
      size: Math.ceil((4 * height * width) / 16) * 16,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    return { buffer, tensor: ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: [height, width] }) };
  };
  const [a, b] = [operand('a'), operand('b')];
  const place = (left: Floats, right: Floats) => {
    device.queue.writeBuffer(a.buffer, 0, left);
    device.queue.writeBuffer(b.buffer, 0, right);
  };
  // The result is the library's own buffer, the same one in every run. One of ours, given in advance as its docs show, is
  // registered anew in each run, and a replayed run looks for it under its address of the first: whether that is still
  // the same is luck of its allocator (1.30: "Cannot set properties of undefined (setting 'Symbol(gpuBufferMetadata)')").
  const run = async () => (await session.run({ a: a.tensor, b: b.tensor })).y!;
  place(task.a, task.b);
  return {
    device,
    set: async (left, right) => place(left, right),
    async product() {
      const y = await run();
      const values = (await y.getData()) as Float32Array;
      y.dispose();
      return values;
    },
    async run(products) {
      for (let i = 0; i < products; i++) (await run()).dispose();
      await device.queue.onSubmittedWorkDone();
    },
    async destroy() {
      await session.release();
      device.destroy();
    },
  };
}

export const peers: readonly Peer[] = [peer('ort-webgpu', { gemm: openWebGpu }), peer('ort-wasm', { gemm: openWasm })];
