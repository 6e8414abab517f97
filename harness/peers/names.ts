/** The peers by name, as known without loading any of them. */
import type { Peer } from '../bench/contract.js';

/** The built module that holds the peer; 'js' needs no build. */
export type PeerModule = 'tfjs' | 'jax' | 'ort' | 'js';

export type PeerTask = 'step' | 'gemm' | 'update';

export interface PeerEntry extends Omit<Peer, PeerTask> {
  readonly module: PeerModule;
  readonly tasks: readonly PeerTask[];
}

const all = ['step', 'gemm', 'update'] as const;

const ENTRIES: readonly PeerEntry[] = [
  {
    name: 'tfjs-webgpu',
    title: 'TensorFlow.js, WebGPU',
    mode: 'fused.matMul layers and optimizer.minimize, enqueued without waiting; a device of its own',
    package: '@tensorflow/tfjs-backend-webgpu',
    module: 'tfjs',
    tasks: all,
  },
  {
    name: 'tfjs-wasm',
    title: 'TensorFlow.js, WebAssembly',
    mode: 'fused.matMul layers and optimizer.minimize; SIMD, in Chrome also threads (TensorFlow.js has none in Node)',
    package: '@tensorflow/tfjs-backend-wasm',
    module: 'tfjs',
    tasks: all,
  },
  {
    name: 'jax-webgpu',
    title: 'jax-js, WebGPU',
    mode: 'one jitted step (valueAndGrad and update), submitted without waiting',
    package: '@jax-js/jax',
    module: 'jax',
    tasks: all,
  },
  {
    name: 'jax-wasm',
    title: 'jax-js, WebAssembly',
    mode: 'one jitted step (valueAndGrad and update); SIMD, in Chrome also threads (jax-js has none in Node)',
    package: '@jax-js/jax',
    module: 'jax',
    tasks: all,
  },
  {
    name: 'ort-webgpu',
    title: 'ONNX Runtime Web, WebGPU',
    mode: 'Gemm model; operands and result stay in GPU buffers, graph capture',
    package: 'onnxruntime-web',
    module: 'ort',
    tasks: ['gemm'],
    notQuick: { place: 'node', why: 'V8 of Node 20 compiles it for half a minute, beside all that is measured then' },
  },
  {
    name: 'ort-wasm',
    title: 'ONNX Runtime Web, WebAssembly',
    mode: 'Gemm model; SIMD, in Chrome also threads (ONNX Runtime Web has none in Node)',
    package: 'onnxruntime-web',
    module: 'ort',
    tasks: ['gemm'],
  },
  {
    name: 'js',
    title: 'plain JavaScript',
    mode: 'typed arrays, loops in the order of memory, nothing allocated per step; one thread',
    module: 'js',
    tasks: all,
  },
];

export const PEERS: Readonly<Record<string, PeerEntry>> = Object.fromEntries(
  ENTRIES.map((entry) => [entry.name, entry]),
);

/** A peer of the table with what it can do. */
export function peer(name: string, does: Pick<Peer, PeerTask>): Peer {
  const { module: _module, tasks: _tasks, ...facts } = PEERS[name]!;
  return { ...facts, ...does };
}
