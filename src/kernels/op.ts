import { type BufferRange, isLater } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkText } from '../gpu/fields.js';
import type { PassSpec } from '../gpu/passes.js';

/*
 * What is to be computed, apart from how. A program is a flat list of ops; forms turn ops, alone or several neighbours at
 * once, into dispatches.
 */

/** One operation on ranges of buffers: what, never how. Made by the functions of src/kernels. */
export interface Op<K extends string = string, S = unknown> {
  readonly kind: K;
  /** '<plan>/<pass>': the label of the pass it becomes, in errors, timings and reports. */
  readonly label: string;
  /** Sizes, flags, and whatever else the forms of this kind need to know. */
  readonly shape: S;
  /** By the names that the kind gives them. */
  readonly buffers: Readonly<Record<string, BufferRange | undefined>>;
  /** Copies of everything that run in the same dispatches: the z axis of the grid. */
  readonly replicas: number;
  /** Others read what it writes: no form takes it together with its neighbours, and leaves that out. Default false. */
  readonly alone?: boolean;
}

/** One way to compute ops of some kinds. All forms of an op are compared with the same reference. */
export interface Form {
  /** 'dense/tile': in the plan's choice and nowhere else. */
  readonly name: string;
  /** How many ops from `at` on it takes at once; 0 where it does not fit them. */
  match(ops: readonly Op[], at: number, device: GPUDevice): number;
  /**
   * Whether it is the one to take where it fits and nobody asks for another: by the adapter's published traits and the
   * shape, as measured. Default true.
   */
  suits?(ops: readonly Op[], at: number, device: GPUDevice): boolean;
  /** Loads kernels that it may need for some of these ops, before `match` is asked. */
  load?(ops: readonly Op[], device: GPUDevice): Promise<void>;
  /**
   * What this device lacks for it where it fits ('subgroups', '10 storage buffers in a kernel'): it is not taken then, and the
   * plan's notes say so. Default nothing.
   */
  needs?(ops: readonly Op[], at: number, device: GPUDevice): string | undefined;
  /** It puts ranges of its ops into one buffer, where another form of these ops could not bind them. */
  readonly puts?: boolean;
  /** The passes of the ops that it matched. */
  lower(ops: readonly Op[], device: GPUDevice): PassSpec[];
}

/** Passes, and for each label the form that made it: fixed before step 0, printed, reused. */
export interface Plan {
  readonly passes: readonly PassSpec[];
  readonly choice: Readonly<Record<string, string>>;
  /** What would have been chosen on a device that has more, a line for each form. */
  readonly notes: readonly string[];
}

/**
 * What ops of a caller's are made of: an op of no rows, or without the range that it writes, would compute nothing, or into a stand-in,
 * and say nothing.
 *
 * @param sizes whole numbers of at least 1; `replicas` may be left out
 * @param ranges that must be there
 * @throws DownhillError SHAPE-INVALID, BUFFER-RANGE, OPTION-TYPE
 */
export function checkOperands(
  label: string,
  sizes: Readonly<Record<string, unknown>>,
  ranges: Readonly<Record<string, BufferRange | undefined>>,
): void {
  checkText('The label of an op', label);
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isInteger(size) && (size as number) >= 1 && (size as number) < 2 ** 32) continue;
    throw new DownhillError(
      'SHAPE-INVALID',
      `${label}: ${name} must be a whole number of at least 1, got ${show(size)}.`,
      `Pass how many ${name} there are.`,
    );
  }
  for (const [name, given] of Object.entries(ranges)) {
    // One that has no place yet would get it here.
    if (
      typeof given === 'object' &&
      given &&
      (isLater(given) || (given.buffer && Number.isInteger(given.offset) && given.size > 0))
    )
      continue;
    throw new DownhillError(
      'BUFFER-RANGE',
      `${label}: ${name} is ${show(given)}, no range of a buffer.`,
      `Pass ${name}: range(buffer, offset, size).`,
    );
  }
}
