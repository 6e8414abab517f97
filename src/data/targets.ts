import { show } from '../gpu/errors.js';
import type { Targets } from './dataset.js';
import { scaleRows } from './scaling.js';

/** What one kind of targets is like. */
interface TargetKind<T> {
  /** What says how wide a sample's targets are, what they are in, and of which types that may be. */
  readonly width: string;
  readonly list: string;
  readonly arrays: readonly (new (length: number) => ArrayLike<number>)[];
  /** 4-byte values of one sample on the GPU. */
  perSample(targets: T): number;
  /** As the GPU has them. */
  upload(targets: T): Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  slice(targets: T, start: number, end: number): T;
  /** Those of some samples, copied. */
  pick(targets: T, samples: Uint32Array): T;
  /** The same kind of targets with these values. */
  of(targets: T, values: TargetValues): T;
}

/** Those that targets of any kind may hold. */
export type TargetValues = Uint8Array | Uint16Array | Uint32Array | Float32Array;

function pickRows(from: Float32Array, width: number, samples: Uint32Array): Float32Array {
  const values = new Float32Array(samples.length * width);
  for (const [row, sample] of samples.entries())
    values.set(from.subarray(sample * width, (sample + 1) * width), row * width);
  return values;
}

const kinds: { readonly [K in Targets['kind']]: TargetKind<Extract<Targets, { kind: K }>> } = {
  classes: {
    ...{ width: 'classes', list: 'labels', arrays: [Uint8Array, Uint16Array, Uint32Array] },
    perSample: () => 1,
    upload: ({ labels }) => Uint32Array.from(labels),
    slice: (targets, start, end) => ({ ...targets, labels: targets.labels.subarray(start, end) }),
    pick({ labels, ...rest }, samples) {
      const Labels =
        labels instanceof Uint8Array ? Uint8Array : labels instanceof Uint16Array ? Uint16Array : Uint32Array;
      const picked = new Labels(samples.length);
      for (const [row, sample] of samples.entries()) picked[row] = labels[sample]!;
      return { ...rest, labels: picked };
    },
    of: (targets, values) => ({ ...targets, labels: values as Uint32Array }),
  },
  values: {
    ...{ width: 'width', list: 'values', arrays: [Float32Array] },
    perSample: ({ width }) => width,
    upload({ values, width, scale = 1, shift = 0 }) {
      const wanted = new Float32Array(values);
      if (scale !== 1 || shift !== 0) scaleRows(values, width, { scale, shift }, wanted);
      return wanted;
    },
    slice: (targets, start, end) => ({
      ...targets,
      values: targets.values.subarray(start * targets.width, end * targets.width),
    }),
    pick: (targets, samples) => ({ ...targets, values: pickRows(targets.values, targets.width, samples) }),
    of: (targets, values) => ({ ...targets, values: values as Float32Array }),
  },
  probabilities: {
    ...{ width: 'classes', list: 'values', arrays: [Float32Array] },
    perSample: ({ classes }) => classes,
    upload: ({ values }) => new Float32Array(values),
    slice: (targets, start, end) => ({
      ...targets,
      values: targets.values.subarray(start * targets.classes, end * targets.classes),
    }),
    pick: (targets, samples) => ({ ...targets, values: pickRows(targets.values, targets.classes, samples) }),
    of: (targets, values) => ({ ...targets, values: values as Float32Array }),
  },
};

/** The row of the kind that these targets are. */
export const kindOf = (targets: Targets): TargetKind<Targets> => kinds[targets.kind] as TargetKind<Targets>;

/**
 * What is wrong with targets as such, whatever network they are for: they are plain data that anybody can make.
 *
 * @param samples in memory
 */
export function faultOf(targets: unknown, samples: number): string | undefined {
  const { kind, ...own } = Object(targets) as Readonly<Record<string, unknown>>;
  if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind)) return `targets of the kind ${show(kind)}`;
  const { width, list, arrays, perSample } = kinds[kind as Targets['kind']] as TargetKind<unknown>;
  if (!Number.isSafeInteger(own[width]) || (own[width] as number) < 1)
    return `targets whose ${width} is ${show(own[width])}`;
  const values = own[list];
  if (!arrays.some((Values) => values instanceof Values)) return `targets whose ${list} are ${show(values)}`;
  const [length, wanted] = [(values as ArrayLike<number>).length, samples * perSample(targets)];
  return length === wanted ? undefined : `${length} targets where ${wanted} are needed`;
}
