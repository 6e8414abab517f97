/*
 * Faults of a real device. Each wraps single methods of one object, as properties of its own: everything else is what the
 * driver makes of it. What they return takes them away again, the last one first.
 */

type Callable = (...args: never[]) => unknown;
type MethodOf<T> = { [K in keyof T]: T[K] extends Callable ? K : never }[keyof T];
type Undo = () => void;

/** Puts another method in the place of one, of this object alone. */
export function wrap<T extends object, K extends MethodOf<T>>(
  object: T,
  name: K,
  make: (original: T[K]) => T[K],
): Undo {
  const before = Object.getOwnPropertyDescriptor(object, name);
  const original = (object[name] as Callable).bind(object) as T[K];
  Object.defineProperty(object, name, { configurable: true, writable: true, value: make(original) });
  return () => {
    if (before) Object.defineProperty(object, name, before);
    else delete object[name];
  };
}

/** Several, undone in the other order. */
export const all =
  (...undo: readonly Undo[]): Undo =>
  () => {
    for (const each of [...undo].reverse()) each();
  };

/** What a call was of, and how many of its name came before it. */
export interface Call {
  readonly name: string;
  readonly index: number;
  readonly when: 'before' | 'after';
}

const OF_DEVICE = [
  'createBuffer',
  'createBindGroup',
  'createBindGroupLayout',
  'createPipelineLayout',
  'createShaderModule',
  'createComputePipelineAsync',
  'createCommandEncoder',
  'pushErrorScope',
  'popErrorScope',
] as const;
const OF_QUEUE = ['submit', 'writeBuffer'] as const;

/** Tells of the calls that reach the GPU process, right before and right after each. */
export function followCalls(device: GPUDevice, heard: (call: Call) => void): Undo {
  const counts = new Map<string, number>();
  const follow = <T extends object, K extends MethodOf<T> & string>(object: T, name: K): Undo =>
    wrap(object, name, (original) => {
      const told = (...args: never[]) => {
        const index = counts.get(name) ?? 0;
        counts.set(name, index + 1);
        heard({ name, index, when: 'before' });
        const result = (original as Callable)(...args);
        heard({ name, index, when: 'after' });
        return result;
      };
      return told as T[K];
    });
  return all(
    ...OF_DEVICE.map((name) => follow(device, name)),
    ...OF_QUEUE.map((name) => follow(device.queue, name)),
    onBuffers(device, (buffer) => void follow(buffer, 'mapAsync')),
  );
}

/** Does something to every buffer as soon as it is made. */
export const onBuffers = (device: GPUDevice, made: (buffer: GPUBuffer) => void): Undo =>
  wrap(device, 'createBuffer', (create) => (descriptor) => {
    const buffer = create(descriptor);
    made(buffer);
    return buffer;
  });

/** Of the library's objects. What unused bindings are given is the device's, however many objects there are. */
const isOwned = (label: string) => label.startsWith('downhill:') && !label.startsWith('downhill:dummy/');

/** Buffers that were made from here on. */
export interface Followed {
  /** The labels of those that are not destroyed. */
  live(): string[];
  /** Of them. */
  bytes(): number;
  made(): number;
  undo: Undo;
}

/** Follows a device's buffers. @param counts by their labels */
export function followBuffers(device: GPUDevice, counts = isOwned): Followed {
  const there = new Set<GPUBuffer>();
  let made = 0;
  const undo = onBuffers(device, (buffer) => {
    if (!counts(buffer.label)) return;
    made++;
    there.add(buffer);
    wrap(buffer, 'destroy', (destroy) => () => {
      there.delete(buffer);
      return destroy();
    });
  });
  const live = () => [...there].map(({ label }) => label);
  return { live, bytes: () => [...there].reduce((sum, { size }) => sum + size, 0), made: () => made, undo };
}

/** How an allocation fails. */
export type Shortage =
  /** As most do: the buffer is none, and the scope of its memory says so. */
  | 'scope'
  /** As Chrome's does where it cannot reserve the bytes on the page's side. */
  | 'range-error'
  /** As drivers' may: the device is gone. */
  | 'loss';

/** Lets the allocation of this number, of the library's from here on, fail. */
export function failBuffer(device: GPUDevice, at: number, how: Shortage): { failed(): string | undefined; undo: Undo } {
  /** The scopes that are open, the last one innermost; where the failure fell into one, it is told there. */
  const scopes: { readonly filter: GPUErrorFilter; told?: GPUError }[] = [];
  let [count, failed] = [0, undefined as string | undefined];
  const undo = all(
    wrap(device, 'pushErrorScope', (push) => (filter) => {
      scopes.push({ filter });
      return push(filter);
    }),
    wrap(device, 'popErrorScope', (pop) => async () => {
      const scope = scopes.pop();
      const told = await pop();
      return scope?.told ?? told;
    }),
    wrap(device, 'createBuffer', (create) => (descriptor) => {
      if (!descriptor.label?.startsWith('downhill:') || count++ !== at) return create(descriptor);
      failed = descriptor.label;
      if (how === 'range-error') throw new RangeError('createBuffer failed, size is too large for the implementation');
      if (how === 'loss') device.destroy();
      if (how === 'loss') return create(descriptor);
      const scope = scopes.findLast(({ filter }) => filter === 'out-of-memory');
      const error = new GPUOutOfMemoryError(`There is no memory for ${failed}.`);
      if (scope) scope.told ??= error;
      else device.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error }));
      return invalidBuffer(device, create, descriptor);
    }),
  );
  return { failed: () => failed, undo };
}

/** A buffer that is none: usages that contradict each other, in a scope that nobody else sees. */
function invalidBuffer(
  device: GPUDevice,
  create: GPUDevice['createBuffer'],
  descriptor: GPUBufferDescriptor,
): GPUBuffer {
  const { pushErrorScope, popErrorScope } = Object.getPrototypeOf(device) as GPUDevice;
  pushErrorScope.call(device, 'validation');
  const buffer = create({ ...descriptor, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.MAP_WRITE });
  void popErrorScope.call(device).catch(() => {});
  return buffer;
}

/** Changes the text of shader modules before they are compiled. */
export const changeShaders = (device: GPUDevice, change: (name: string, code: string) => string): Undo =>
  wrap(device, 'createShaderModule', (create) => (descriptor) => {
    const name = (descriptor.label ?? '').replace(/^downhill:/, '');
    return create({ ...descriptor, code: change(name, descriptor.code) });
  });

/** What becomes of a map: `map` asks for it, by the number of the call. */
export type MapFault = (index: number, map: () => Promise<undefined>) => Promise<undefined>;

/** Has every `mapAsync` of the library's buffers made from here on be answered otherwise. */
export function faultMaps(device: GPUDevice, fault: MapFault): Undo {
  let [count, on] = [0, true];
  const undo = onBuffers(device, (buffer) => {
    if (!isOwned(buffer.label)) return;
    wrap(
      buffer,
      'mapAsync',
      (map) =>
        (...args) =>
          on ? fault(count++, () => map(...args)) : map(...args),
    );
  });
  return () => {
    on = false;
    undo();
  };
}

/** Dispatches recorded from here on. */
export function countDispatches(device: GPUDevice): { count(): number; undo: Undo } {
  let count = 0;
  const undo = wrap(device, 'createCommandEncoder', (create) => (descriptor) => {
    const encoder = create(descriptor);
    wrap(encoder, 'beginComputePass', (begin) => (options) => {
      const pass = begin(options);
      wrap(pass, 'dispatchWorkgroups', (dispatch) => (...grid) => {
        count++;
        return dispatch(...grid);
      });
      return pass;
    });
    return encoder;
  });
  return { count: () => count, undo };
}
