import type { BufferRange } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/passes.js';
import { encodeShader } from '../shaders/optim/encode.gen.js';
import { checkOperands } from './op.js';

/** How four values become words: in the order of the kernel's override. A positive one above 0 is never rounded to 0. */
export const BLOCK_ENCODINGS = ['bf16', 'f16', 'f16-positive', '8bit', '8bit-positive'] as const;

/**
 * One block of values in an encoding of optimizer state, and decoded again: for tests, and to see what an encoding does to numbers.
 *
 * @param key with count and slot what the rounding's random bits are keyed by
 * @param buffers x and y, quads · 4 float32; words, quads · 2 u32; scale, one float32
 */
export const encodeBlock = (operands: {
  readonly label: string;
  readonly encoding: (typeof BLOCK_ENCODINGS)[number];
  readonly quads: number;
  readonly key: number;
  readonly count: number;
  readonly slot: number;
  readonly buffers: Readonly<Record<'x' | 'words' | 'y' | 'scale', BufferRange>>;
}): PassSpec => {
  const { label, encoding, quads, key, count, slot, buffers } = operands;
  const { x, words, y, scale } = buffers;
  checkOperands(label, { quads }, { x, words, y, scale });
  return {
    label,
    shader: encodeShader,
    constants: { ENCODING: BLOCK_ENCODINGS.indexOf(encoding) },
    shape: { quads, key, count, slot },
    buffers,
    groups: 1,
    replicas: 1,
  };
};
