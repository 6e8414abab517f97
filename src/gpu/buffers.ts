import { MAP_READ, USAGE } from './constants.js';
import { DownhillError } from './errors.js';
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

/** Makes labelled buffers and remembers them, so that `destroy` frees what was made and nothing else. */
export class BufferSet {
  readonly #made: GPUBuffer[] = [];

  constructor(
    readonly device: GPUDevice,
    readonly label: string,
  ) {}

  make(name: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.max(roundUp(bytes, 16), ALIGNMENT);
    const buffer = this.device.createBuffer({ label: `downhill:${this.label}/${name}`, size, usage });
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
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  let result: T;
  let validation: Promise<GPUError | null>;
  let memory: Promise<GPUError | null>;
  try {
    result = work();
  } finally {
    validation = device.popErrorScope();
    memory = device.popErrorScope();
  }
  const [invalid, outOfMemory] = await untilLost(device, Promise.all([validation, memory]));
  if (outOfMemory) {
    throw new DownhillError(
      'GPU-OUT-OF-MEMORY',
      `${label}: the GPU has no memory left (${outOfMemory.message}).`,
      'Use a smaller model or batch, stream the data (`stream: true`), or free other GPU resources.',
      outOfMemory,
    );
  }
  if (invalid) {
    throw new DownhillError(
      'GPU-VALIDATION',
      `${label}: ${invalid.message}`,
      'Report this: downhill should have refused it earlier.',
      invalid,
    );
  }
  return result;
}

/**
 * Copies ranges to the host, after everything submitted so far, in portions that fit one staging buffer. Every portion
 * is recorded before the first is awaited, so all show the same moment.
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
  const reads = await guarded(device, label, () =>
    groups.map((group) => {
      const total = group.reduce((sum, { size }) => sum + roundUp(size, 4), 0);
      const staging = device.createBuffer({
        label: `downhill:${label}/staging`,
        size: Math.max(total, 4),
        usage: USAGE.COPY_DST | USAGE.MAP_READ,
      });
      const encoder = device.createCommandEncoder({ label: `downhill:${label}/read` });
      let at = 0;
      for (const { buffer, offset, size } of group) {
        encoder.copyBufferToBuffer(buffer, offset, staging, at, roundUp(size, 4));
        at += roundUp(size, 4);
      }
      device.queue.submit([encoder.finish()]);
      return { group, staging };
    }),
  );
  try {
    for (const { group, staging } of reads) {
      await untilLost(device, staging.mapAsync(MAP_READ));
      const bytes = new Uint8Array(staging.getMappedRange());
      let at = 0;
      for (const { index, start, size } of group) {
        result[index]!.set(bytes.subarray(at, at + size), start);
        at += roundUp(size, 4);
      }
      staging.unmap();
    }
  } finally {
    for (const { staging } of reads) staging.destroy();
  }
  return result.map(({ buffer }) => buffer);
}

/** A range in parts of at most `most` bytes. */
function portions({ buffer, offset, size }: BufferRange, most: number) {
  const parts = [];
  for (let start = 0; start < size || start === 0; start += most) {
    parts.push({ buffer, offset: offset + start, start, size: Math.min(most, size - start) });
  }
  return parts;
}
