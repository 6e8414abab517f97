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
const everywhere = ['node', 'chrome'] as const;

const ENTRIES: readonly PeerEntry[] = [
  {
    name: 'tfjs-webgpu',
    title: 'TensorFlow.js, WebGPU',
    mode: 'fused.matMul layers and optimizer.minimize, enqueued without waiting; a device of its own',
    package: '@tensorflow/tfjs-backend-webgpu',
    module: 'tfjs',
    tasks: all,
    places: everywhere,
  },
  {
    name: 'tfjs-wasm',
    title: 'TensorFlow.js, WebAssembly',
    mode: 'fused.matMul layers and optimizer.minimize; SIMD, in Chrome also threads (TensorFlow.js has none in Node)',
    package: '@tensorflow/tfjs-backend-wasm',
    module: 'tfjs',
    tasks: all,
    places: everywhere,
  },
  {
    name: 'jax-webgpu',
    title: 'jax-js, WebGPU',
    mode: 'one jitted step (valueAndGrad and update), submitted without waiting',
    package: '@jax-js/jax',
    module: 'jax',
    tasks: all,
    places: everywhere,
  },
  {
    name: 'jax-wasm',
    title: 'jax-js, WebAssembly',
    mode: 'one jitted step (valueAndGrad and update); SIMD, in Chrome also threads (jax-js has none in Node)',
    package: '@jax-js/jax',
    module: 'jax',
    tasks: all,
    places: everywhere,
  },
  {
    name: 'ort-webgpu',
    title: 'ONNX Runtime Web, WebGPU',
    mode: 'Gemm model; operands and result in preallocated GPU buffers, graph capture',
    package: 'onnxruntime-web',
    module: 'ort',
    tasks: ['gemm'],
    places: everywhere,
  },
  {
    name: 'ort-wasm',
    title: 'ONNX Runtime Web, WebAssembly',
    mode: 'Gemm model; SIMD, in Chrome also threads (ONNX Runtime Web has none in Node)',
    package: 'onnxruntime-web',
    module: 'ort',
    tasks: ['gemm'],
    places: everywhere,
  },
  {
    name: 'js',
    title: 'plain JavaScript',
    mode: 'typed arrays, loops in the order of memory, nothing allocated per step; one thread',
    module: 'js',
    tasks: all,
    places: everywhere,
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
