import type { NormClip } from '../kernels/advance.js';
import type { Wrapper } from './wrappers/wrapper.js';

/** How the state of a rule may be kept. */
export const STATES = ['f32', 'bf16', 'f16', '8bit'] as const;
export type StateEncoding = (typeof STATES)[number];

/** What happens to a gradient before it becomes an update, and how the state is kept. */
export interface GradientSettings {
  readonly clip: NormClip | undefined;
  /** Every element into [-clipValue, clipValue]. */
  readonly clipValue: number | undefined;
  /** Leave out steps with unusable gradients; after so many in a row, all. */
  readonly skip: { readonly atMost: number } | undefined;
  readonly gradScale: number;
  /** Clear the gradient in passing. */
  readonly zero: boolean;
  /** What an integer of a fixed-point gradient is worth; undefined for f32. */
  readonly unit: number | undefined;
  /** Attempts to an update, of the sum of their gradients. */
  readonly micro: number;
  /** What goes round the rule, in this order. Default nothing. */
  readonly wrappers?: readonly Wrapper[];
  /** Default 'f32'. */
  readonly state?: StateEncoding;
}
