import type { BufferRange, BufferSet } from '../../src/gpu/buffers.js';
import type { PassSpec } from '../../src/gpu/passes.js';
import { lower } from '../../src/kernels/lower.js';
import { passForms } from '../../src/kernels/passes.js';
import { passesOf } from '../../src/optim/passes.js';
import type { Rule } from '../../src/optim/rule.js';
import { arenaSpace } from '../../src/space/arena.js';

/*
 * The dispatches of a rule of several passes for one tensor, written down: a row's `passes` is run with buffers that are names. What comes
 * out is what a host does at every step.
 */

/** Memory of a step beside hyper, param, grad and state. */
interface PlanBuffer {
  readonly name: string;
  readonly bytes: number;
  /** What it holds from the start. */
  readonly words?: readonly number[];
}

interface Dispatch {
  readonly pass: string;
  readonly kernel: string;
  readonly overrides: Readonly<Record<string, number | boolean>>;
  /** Values of the uniform `shape`, where the kernel has one. */
  readonly shape?: Readonly<Record<string, number>>;
  /** Names of buffers, by those of bindings; an offset in bytes where it is not 0. */
  readonly buffers: Readonly<Record<string, string | { readonly buffer: string; readonly offset: number }>>;
  readonly workgroups: number;
}

export interface PassPlan {
  readonly buffers: readonly PlanBuffer[];
  readonly dispatches: readonly Dispatch[];
}

/** What stands for a GPU buffer here. */
interface Named {
  readonly label: string;
  readonly size: number;
  words?: number[];
}

/** WebGPU's default limits, no features: what every device has. */
const DEVICE = {
  limits: { maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 28, maxComputeWorkgroupsPerDimension: 65_535 },
  features: new Set<string>(),
  adapterInfo: {},
  queue: {
    writeBuffer: (buffer: Named, offset: number, data: ArrayBufferView) => write(buffer, offset, data),
  },
};

function write(buffer: Named, offset: number, data: ArrayBufferView): void {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.byteLength / 4);
  buffer.words ??= Array.from({ length: buffer.size / 4 }, () => 0);
  for (const [i, word] of words.entries()) buffer.words[offset / 4 + i] = word;
}

/** A vector of one arena has its number in the name. */
const plain = (name: string) => name.replace(/-0$/, '');

/** A set of buffers that are names. */
function recorder() {
  const made: Named[] = [];
  const storage = (name: string, bytes: number): Named => {
    const buffer = { label: plain(name), size: bytes };
    made.push(buffer);
    return buffer;
  };
  const upload = (name: string, data: ArrayBufferView): Named => {
    const buffer = storage(name, data.byteLength);
    write(buffer, 0, data);
    return buffer;
  };
  return { set: { device: DEVICE, storage, upload } as unknown as BufferSet, made };
}

/**
 * What a step of a rule is for one tensor with records of its own.
 *
 * @param slots names of the state that these settings use
 */
export function recordPasses({ row, hyper }: Rule, shape: readonly number[]): PassPlan {
  const { set, made } = recorder();
  const space = arenaSpace([{ name: 'p', shape }], { maxBytes: 2 ** 27 });
  const vector = (name: string) => space.vector(set, name);
  const named = (label: string, size: number): BufferRange => ({
    buffer: { label, size } as unknown as GPUBuffer,
    offset: 0,
    size,
  });
  const slots = row.slots(hyper).map(vector);
  const { ops } = passesOf((step) => row.passes!(step), {
    label: row.name,
    buffers: set,
    space,
    groups: [{ tensors: ['p'], frozen: false, rules: [{ row, hyper }] }],
    param: vector('param'),
    grad: vector('grad'),
    clock: named('clock', 32),
    hyper: named('hyper', 65_536),
    slots,
  });
  const { passes } = lower(ops, [...(row.forms ?? []), ...passForms], DEVICE as unknown as GPUDevice);
  const dispatches = passes.map((spec) => dispatchOf(spec, set));
  const buffers = made.map(({ label, size, words }) => ({ name: label, bytes: size, words }));
  return { buffers, dispatches };
}

function dispatchOf(spec: PassSpec, set: BufferSet): Dispatch {
  const { label, shader, constants, shape, groups, tables = {}, scratch = {} } = spec;
  const pass = label.slice(label.indexOf('/') + 1);
  const own: Record<string, Named> = {};
  for (const [name, words] of Object.entries(tables))
    own[name] = set.upload(`${pass}-${name}`, words) as unknown as Named;
  for (const [name, { key, bytes }] of Object.entries(scratch))
    own[name] = set.storage(`scratch-${key}`, bytes) as unknown as Named;
  const given = Object.entries(spec.buffers).flatMap(([name, place]) => {
    if (!place) return [];
    const buffer = (place.buffer as unknown as Named).label;
    return [[name, place.offset === 0 ? buffer : { buffer, offset: place.offset }] as const];
  });
  const buffers = {
    ...Object.fromEntries(given),
    ...Object.fromEntries(Object.entries(own).map(([name, buffer]) => [name, buffer.label])),
  };
  return { pass, kernel: shader.name, overrides: constants, shape, buffers, workgroups: groups };
}
