import { type BufferRange, range } from '../gpu/buffers.js';

/* Ranges of one buffer that two bindings would share. */

export const touches = (a: BufferRange, b: BufferRange) => a.offset < b.offset + b.size && b.offset < a.offset + a.size;

export function unite(a: BufferRange, b: BufferRange): BufferRange {
  const offset = Math.min(a.offset, b.offset);
  return range(a.buffer, offset, Math.max(a.offset + a.size, b.offset + b.size) - offset);
}
