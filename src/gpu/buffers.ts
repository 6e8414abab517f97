import { MAP_READ, USAGE } from './constants.js';
import { DownhillError, show } from './errors.js';
import { checkInteger, checkText, noDevice } from './fields.js';
import { untilLost } from './lost.js';

/** Part of a buffer, in bytes. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

export const range = (buffer: GPUBuffer, offset = 0, size = buffer.size - offset): BufferRange => ({
  buffer,
  offset,
  size,
});

/** A range whose place is open until its `buffer` is first asked for: see {@link BufferSet.later}. */
export interface LaterRange extends BufferRange {
  /** Bytes it takes so far. */
  readonly made: number;
  readonly set: BufferSet;
  /** Gives it a place, while it has none. */
  put(buffer: GPUBuffer, offset: number): void;
}

export const isLater = (given: BufferRange | undefined): given is LaterRange => given !== undefined && 'put' in given;

/**
 * Puts ranges that have no place yet into one buffer, for a kernel that binds them all at once.
 *
 * @param more bytes of that buffer that nobody has a range of
 */
export function together(name: string, ranges: readonly LaterRange[], more = 0): { range: BufferRange; more: number } {
  const offsets: number[] = [];
  let bytes = 0;
  for (const { size } of ranges) {
    offsets.push(bytes);
    bytes += roundUp(size, ALIGNMENT);
  }
  const buffer = ranges[0]!.set.storage(name, bytes + more);
  for (const [i, each] of ranges.entries()) each.put(buffer, offsets[i]!);
  return { range: range(buffer), more: bytes };
}

/** Storage offsets are multiples of this on every adapter: the default of minStorageBufferOffsetAlignment. */
export const ALIGNMENT = 256;

export const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple;

/** Throws LIMIT-BINDING when `bytes` cannot be one storage binding on this device. */
export function checkBindable(device: GPUDevice, what: string, bytes: number, fix: string): void {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  if (bytes > limit) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `${what} takes ${bytes} bytes, but this device binds at most ${limit}.`,
      fix,
    );
  }
}

/**
 * A buffer. In error scopes, as everything that is made: a GPU without memory tells them; a host without any throws, which
 * becomes the same error here.
 *
 * @throws DownhillError GPU-OUT-OF-MEMORY
 */
function allocate(device: GPUDevice, descriptor: GPUBufferDescriptor): GPUBuffer {
  try {
    return device.createBuffer(descriptor);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw outOfMemory(`${descriptor.label}: there are no ${descriptor.size} bytes for it (${cause.message})`, cause);
  }
}

const outOfMemory = (what: string, cause: unknown) =>
  new DownhillError(
    'GPU-OUT-OF-MEMORY',
    `${what}.`,
    'Use a smaller model or batch, stream the data (`stream: true`), or free other GPU resources.',
    cause,
  );

/** Makes labelled buffers and remembers them, so that `destroy` frees what was made and nothing else. */
export class BufferSet {
  readonly #made: GPUBuffer[] = [];

  constructor(
    readonly device: GPUDevice,
    readonly label: string,
  ) {
    if (typeof (device as GPUDevice | null)?.createBuffer !== 'function') throw noDevice('BufferSet', device);
    checkText('The label of buffers', label);
  }

  make(name: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    checkInteger(`${this.label}/${checkText('The name of a buffer', name)}: its bytes`, bytes, 0);
    const size = Math.max(roundUp(bytes, 16), ALIGNMENT);
    const buffer = allocate(this.device, { label: `downhill:${this.label}/${name}`, size, usage });
    this.#made.push(buffer);
    return buffer;
  }

  /** Of everything made. */
  get bytes(): number {
    return this.#made.reduce((sum, { size }) => sum + size, 0);
  }

  storage(name: string, bytes: number): GPUBuffer {
    return this.make(name, bytes, USAGE.STORAGE | USAGE.COPY_DST | USAGE.COPY_SRC);
  }

  /** A storage buffer of its own for each range, made when its `buffer` is first asked for, unless it was put elsewhere before. */
  later(name: string, bytes: number): LaterRange {
    const size = Math.max(roundUp(bytes, 16), ALIGNMENT);
    let place: { readonly buffer: GPUBuffer; readonly offset: number } | undefined;
    const make = () => {
      place ??= { buffer: this.storage(name, bytes), offset: 0 };
      return place.buffer;
    };
    return {
      get buffer() {
        return make();
      },
      get offset() {
        return place?.offset ?? 0;
      },
      size,
      get made() {
        return place ? size : 0;
      },
      set: this,
      put(buffer, offset) {
        if (place) throw new DownhillError('INTERNAL', `${name} has its place already.`, 'Report this.');
        place = { buffer, offset };
      },
    };
  }

  /** A storage buffer that starts with `data`. */
  upload(name: string, data: ArrayBufferView<ArrayBuffer>): GPUBuffer {
    const buffer = this.storage(name, data.byteLength);
    const whole = data.byteLength & ~3;
    this.device.queue.writeBuffer(buffer, 0, data.buffer, data.byteOffset, whole);
    if (whole < data.byteLength) {
      // writeBuffer takes multiples of 4 bytes only.
      const tail = new Uint8Array(4);
      tail.set(new Uint8Array(data.buffer, data.byteOffset + whole, data.byteLength - whole));
      this.device.queue.writeBuffer(buffer, whole, tail);
    }
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.#made) buffer.destroy();
    this.#made.length = 0;
  }
}

/**
 * Runs `work`, which creates GPU objects and awaits nothing, inside error scopes: what the GPU process would only tell an
 * event becomes an exception. (A scope held over an `await` would catch other people's errors.)
 */
export async function guarded<T>(device: GPUDevice, label: string, work: () => T): Promise<T> {
  const { result, validation, memory } = inScopes(device, work);
  const [invalid, full] = await untilLost(device, Promise.all([validation, memory]));
  const wrong = foundWrong(label, invalid, full);
  if (wrong) throw wrong;
  return result;
}

/** The same for who cannot wait: the result is there at once, and what was wrong with it is told as soon as it is known. */
export function guardedNow<T>(
  device: GPUDevice,
  label: string,
  work: () => T,
  failed: (error: DownhillError) => void,
): T {
  const { result, validation, memory } = inScopes(device, work);
  const none = () => {}; // the device is lost
  let invalid: GPUError | null = null;
  validation.then((error) => {
    invalid = error;
  }, none);
  // Scopes are told of in the order they are popped: both are known then, and before whatever the caller asks for next.
  memory.then((full) => {
    const wrong = foundWrong(label, invalid, full);
    if (wrong) failed(wrong);
  }, none);
  return result;
}

function inScopes<T>(device: GPUDevice, work: () => T) {
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  const pop = () => ({ validation: device.popErrorScope(), memory: device.popErrorScope() });
  let result: T;
  try {
    result = work();
  } catch (error) {
    for (const each of Object.values(pop())) each.catch(() => {}); // nobody waits for them
    throw error;
  }
  return { result, ...pop() };
}

function foundWrong(label: string, invalid: GPUError | null, full: GPUError | null): DownhillError | undefined {
  if (full) return outOfMemory(`${label}: the GPU has no memory left (${full.message})`, full);
  if (!invalid) return undefined;
  // Nobody waited for the compiler: it is told of here, in the words of Chrome or Firefox.
  const said = invalid.message.replace(/"[^"]*"|'[^']*'/g, ''); // without labels of the caller's
  if (/parsing WGSL|shader ?module|shader\s+(parsing|validation)/i.test(said)) {
    const name = /"downhill:([^"]+)"/.exec(invalid.message)?.[1];
    const shader = name === undefined ? 'a shader' : `the shader ${name}`;
    const fix = 'Report this with the name of your adapter and browser.';
    return new DownhillError('SHADER-COMPILE', `${label}: ${shader} did not compile: ${invalid.message}`, fix, invalid);
  }
  const fix = 'Report this: downhill should have refused it earlier.';
  return new DownhillError('GPU-VALIDATION', `${label}: ${invalid.message}`, fix, invalid);
}

/**
 * Waits until a buffer's first bytes are there for `getMappedRange`.
 *
 * @throws DownhillError DEVICE-LOST; GPU-READ where they cannot be had: the buffer has them still, and can be asked again
 */
export async function mapToRead(device: GPUDevice, buffer: GPUBuffer, bytes = buffer.size): Promise<void> {
  try {
    await untilLost(device, buffer.mapAsync(MAP_READ, 0, bytes));
  } catch (cause) {
    if (cause instanceof DownhillError) throw cause;
    throw new DownhillError(
      'GPU-READ',
      `${buffer.label}: what was computed could not be brought to the host: ${cause instanceof Error ? cause.message : show(cause)}`,
      'Call again: nothing that was computed is lost. If it stays so, go on from a checkpoint on a new device.',
      cause,
    );
  }
}

/** Whether an error says that something computed could not be read, and can be asked for again. */
export const isUnread = (error: unknown): boolean => error instanceof DownhillError && error.code === 'GPU-READ';

/**
 * Copies ranges to the host, after everything submitted so far, in portions that fit one staging buffer. Every portion
 * is recorded before the first is awaited, so all show the same moment.
 *
 * @throws DownhillError DEVICE-LOST, GPU-OUT-OF-MEMORY, GPU-VALIDATION, GPU-READ: no staging buffer is left behind
 */
export async function readRanges(
  device: GPUDevice,
  label: string,
  ranges: readonly BufferRange[],
): Promise<ArrayBuffer[]> {
  const result = ranges.map(({ size }) => new Uint8Array(size));
  const pieces = ranges.flatMap((range, index) =>
    portions(range, device.limits.maxBufferSize).map((each) => ({ index, ...each })),
  );
  const groups: (typeof pieces)[] = [];
  let room = 0;
  for (const piece of pieces) {
    const bytes = roundUp(piece.size, 4);
    if (bytes > room || groups.length === 0) {
      groups.push([]);
      room = device.limits.maxBufferSize;
    }
    groups.at(-1)!.push(piece);
    room -= bytes;
  }
  const buffers = new BufferSet(device, label);
  try {
    const reads = await guarded(device, label, () =>
      groups.map((group) => {
        const staging = buffers.make('staging', bytesOf(group), USAGE.COPY_DST | USAGE.MAP_READ);
        copyTogether(device, `downhill:${label}/read`, group, staging);
        return { group, staging };
      }),
    );
    for (const { group, staging } of reads) {
      await mapToRead(device, staging);
      const bytes = new Uint8Array(staging.getMappedRange());
      let at = 0;
      for (const { index, start, size } of group) {
        result[index]!.set(bytes.subarray(at, at + size), start);
        at += roundUp(size, 4);
      }
      staging.unmap();
    }
  } finally {
    buffers.destroy();
  }
  return result.map(({ buffer }) => buffer);
}

const bytesOf = (ranges: readonly BufferRange[]) => ranges.reduce((sum, { size }) => sum + roundUp(size, 4), 0);

/** Submits a copy of ranges, one behind the other, to the beginning of a buffer. */
function copyTogether(device: GPUDevice, label: string, ranges: readonly BufferRange[], target: GPUBuffer): void {
  const encoder = device.createCommandEncoder({ label });
  let at = 0;
  for (const { buffer, offset, size } of ranges) {
    encoder.copyBufferToBuffer(buffer, offset, target, at, roundUp(size, 4));
    at += roundUp(size, 4);
  }
  device.queue.submit([encoder.finish()]);
}

/** A range in parts of at most `most` bytes. */
function portions({ buffer, offset, size }: BufferRange, most: number) {
  const parts = [];
  for (let start = 0; start < size || start === 0; start += most) {
    parts.push({ buffer, offset: offset + start, start, size: Math.min(most, size - start) });
  }
  return parts;
}
