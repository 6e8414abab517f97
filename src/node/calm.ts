/**
 * Waiting for a CPU adapter without taking a core from it.
 *
 * While any of its promises is pending, the package `webgpu` asks Dawn for news from an endless loop of `setImmediate`. On a
 * CPU adapter that loop and the driver's threads share the cores: of two, it takes one. Here the thread naps between two turns
 * of the loop, while promises of a calm device are pending and nothing else has happened for a moment.
 */
import { performance } from 'node:perf_hooks';
import { describeAdapter } from '../gpu/device.js';

/** A wait that is shorter than this stays as short as it was: an empty submit takes 0.07 ms. */
const SPIN_MS = 0.3;
/** What a result comes later at most, and a timer, a file or a socket. */
const NAP_MS = 0.3;

/* What naps: one cell, which nobody ever wakes. */
const cell = new Int32Array(new SharedArrayBuffer(4));

/** How often this thread has napped so far. */
export const calmCounts = { naps: 0 };

let pending = 0;
let quietSince = 0;
let looping = false;
let seen: number | undefined;

/**
 * What the event loop was given by files, sockets and threads. With it the spin starts over, so that whoever reads a file piece
 * by piece does not wait a nap for each: 8 reads a millisecond beside a training, 1.5 if every turn napped.
 */
const events = () => performance.nodeTiming.uvMetricsInfo?.events;

function turn(): void {
  looping = pending > 0;
  if (!looping) return;
  const before = seen;
  seen = events();
  const now = performance.now();
  if (seen !== before) quietSince = now;
  if (now - quietSince > SPIN_MS) {
    calmCounts.naps++;
    Atomics.wait(cell, 0, 0, NAP_MS);
  }
  loop();
}

/** Not what keeps the process alive: Dawn's own loop does, while it has to. */
const loop = () => setImmediate(turn).unref();

function begin(): void {
  pending++;
  quietSince = performance.now();
  if (looping) return;
  looping = true;
  loop();
}

function end(): void {
  pending--;
  quietSince = performance.now();
}

/** The same outcome, in a promise that is known to be pending. Whoever leaves a rejection to nobody hears of it as before. */
function counted<T>(promise: Promise<T>): Promise<T> {
  begin();
  return promise.then(
    (value) => {
      end();
      return value;
    },
    (error: unknown) => {
      end();
      throw error;
    },
  );
}

type Method = (this: object, ...args: unknown[]) => unknown;
type Methods = Record<string, Method>;
/** What happens to what a method returns, by its name. */
type Changes = Record<string, (result: never) => unknown>;

/** The prototypes in between, by those of the classes. */
const between = new Map<object, object>();
const ours = new Set<object>();

/**
 * Has some methods of an object return something else, by a prototype between it and its class: it stays an instance of that,
 * has no property more, and whoever wraps a method, on the object or in the class, is called as before.
 */
function change<T extends object>(object: T, changes: Changes): T {
  const prototype = Object.getPrototypeOf(object) as Methods;
  if (ours.has(prototype)) return object;
  let changed = between.get(prototype);
  if (!changed) {
    changed = Object.create(prototype) as object;
    for (const [name, after] of Object.entries(changes)) {
      const value: Method = function (...args) {
        return after(prototype[name]!.apply(this, args) as never);
      };
      Object.defineProperty(changed, name, { configurable: true, writable: true, value });
    }
    between.set(prototype, changed);
    ours.add(changed);
  }
  return Object.setPrototypeOf(object, changed) as T;
}

const BUFFER: Changes = { mapAsync: counted };
const MODULE: Changes = { getCompilationInfo: counted };
const QUEUE: Changes = { onSubmittedWorkDone: counted };
const DEVICE: Changes = {
  createComputePipelineAsync: counted,
  createRenderPipelineAsync: counted,
  popErrorScope: counted,
  createBuffer: (buffer: GPUBuffer) => change(buffer, BUFFER),
  createShaderModule: (module: GPUShaderModule) => change(module, MODULE),
};

/** Makes the process nap while it waits for this device: for all of its promises but `lost`. */
export function calmDevice(device: GPUDevice): GPUDevice {
  change(device.queue, QUEUE);
  return change(device, DEVICE);
}

/** Has devices of CPU adapters be calm from the first. */
export function calmGpu(gpu: GPU): GPU {
  const device = (given: GPUDevice) => (describeAdapter(given).cpu ? calmDevice(given) : given);
  const adapter = (given: GPUAdapter | null) =>
    given && change(given, { requestDevice: (promise: Promise<GPUDevice>) => promise.then(device) });
  return change(gpu, { requestAdapter: (promise: Promise<GPUAdapter | null>) => promise.then(adapter) });
}
