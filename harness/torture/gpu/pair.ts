/** An object and its twin, as sequences of calls know them. */
import type { ErrorCode } from '../../../src/index.js';
import { errorOf, untyped } from './place.js';

/** An object and its twin, as one sequence leaves them. */
export interface Pair {
  /** Does a call on the one, and to the twin what it changes. */
  readonly calls: Readonly<Record<string, (a: number, b: number) => Promise<unknown>>>;
  /** Whether the object was destroyed: then every call says so. */
  dead(): boolean;
  /** Of both. */
  ends(): Promise<readonly [unknown, unknown]>;
  close(): void;
}

/** A call that must be refused, with one of these codes. */
export async function refused(call: () => unknown, ...codes: readonly ErrorCode[]): Promise<void> {
  const wrong = untyped(await errorOf((async () => call())()), codes);
  if (wrong) throw new Error(wrong);
}

/** From 0 to `most`. @param a in [0, 1) */
export const integer = (a: number, most: number): number => Math.floor(a * (most + 1));

/** Records and submits. */
export function submit(device: GPUDevice, record: (encoder: GPUCommandEncoder) => void): void {
  const encoder = device.createCommandEncoder();
  record(encoder);
  device.queue.submit([encoder.finish()]);
}
