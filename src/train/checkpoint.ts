import { readRanges } from '../gpu/buffers.js';
import { readClocks } from '../kernels/advance.js';
import type { PlacedVector } from '../space/space.js';
import type { Copies, Json, Stateful } from '../space/stateful.js';
import { readTensors } from '../space/vectors.js';
import type { CheckpointOptions } from './checkpoint-types.js';
import type { SafeTensor } from './dtypes.js';
import type { Program } from './program.js';
import { floatTensor, integerTensor, savedShape, transposed } from './saved-tensor.js';

/*
 * What a program of one replica remembers, into tensors and JSON; apply.ts has the way back. Of its parts this knows only that they are
 * Stateful: a new one is in every checkpoint as soon as the program lists it.
 */

/** What a program remembers at one moment. */
export interface Snapshot {
  readonly step: number;
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  /** By part: what it knows beside its tensors. */
  readonly parts: Readonly<Record<string, Json>>;
  /** The form of every operation, by pass. */
  readonly plan: Readonly<Record<string, string>>;
}

/** Tells the tensors that hold counters, in whatever vector: their bits are no floats. */
export function counterTest({ options, statistics }: Program): (placed: PlacedVector, name: string) => boolean {
  const names = options.objective.statistics.filter(({ dtype }) => dtype === 'u32').map(({ name }) => name);
  return ({ space }, name) => space === statistics.space && names.includes(name);
}

/** What a vector's tensors are called in a file, in front of their own names. */
export const prefixOf = ({ key }: Stateful, { vector }: PlacedVector) =>
  vector.name === key ? `${key}.` : `${key}.${vector.name}.`;

/** Every vector of a program, and how its tensors are called. */
export const vectorsOf = ({ network, parts }: Pick<Program, 'network' | 'parts'>) => [
  ...network.map((placed) => ({ placed, prefix: '', network: true })),
  ...parts.flatMap((part) =>
    (part.vectors?.() ?? []).map((placed) => ({ placed, prefix: prefixOf(part, placed), network: false })),
  ),
];

/** The network alone, with weights of one kind and what layers keep with them. */
const networkOf = (program: Program, kind: CheckpointOptions['weights']) => {
  const { space, params, statistics } = program.weights(kind);
  return [{ space, vector: params }, statistics].map((placed) => ({ placed, prefix: '' }));
};

/** Every range of a program's parts, and what it is called. */
export const rangesOf = ({ parts }: Pick<Program, 'parts'>) =>
  parts.flatMap((part) =>
    part.ranges().map((each) => ({ part, name: each.name, saved: `${part.key}.${each.name}`, each })),
  );

/** Words that only their owner knows to read. */
export const rawTensor = (bytes: ArrayBuffer): SafeTensor =>
  bytes.byteLength % 4 === 0
    ? { dtype: 'U32', shape: [bytes.byteLength / 4], bytes: new Uint8Array(bytes) }
    : { dtype: 'U8', shape: [bytes.byteLength], bytes: new Uint8Array(bytes) };

/**
 * Takes a snapshot in queue order: of the moment after everything submitted so far, whatever is submitted or set before
 * it has come back.
 *
 * @param options `state: false` for the network alone
 */
export async function takeSnapshot(
  program: Program,
  { state = true, weights }: CheckpointOptions = {},
): Promise<Snapshot> {
  const { device, options, scheduler, updater, choice } = program;
  // What a schedule makes of a validation under way belongs to it. Two flights that arrive at once let a run submit the next
  // validation before this goes on, so it looks again.
  while (scheduler.awaited) await scheduler.awaited;
  const frozen = program.parts.map((part) => ({ key: part.key, held: part.freeze?.() ?? part }));
  const vectors = state ? vectorsOf(program) : networkOf(program, weights);
  const ranges = state ? rangesOf(program) : [];
  // All are recorded before the first is awaited: they show the same moment.
  const [[clock, ...copies], ...read] = await Promise.all([
    readRanges(device, options.label, [updater.clock, ...ranges.map(({ each }) => each)]),
    ...vectors.map(({ placed: { space, vector } }) => readTensors(device, options.label, space, [vector])),
  ]);
  const tensors = new Map<string, SafeTensor>();
  const isCounter = counterTest(program);
  for (const [i, { placed, prefix }] of vectors.entries()) {
    const shapes = new Map(placed.space.tensors.map(({ name, shape }) => [name, shape]));
    for (const [name, values] of read[i]![0]!) {
      const shape = shapes.get(name)!;
      const saved = isCounter(placed, name)
        ? integerTensor(shape, new Uint32Array(values.buffer))
        : floatTensor(savedShape(shape), transposed(values, shape));
      tensors.set(prefix + name, saved);
    }
  }
  for (const [i, { saved }] of ranges.entries()) tensors.set(saved, rawTensor(copies[i]!));
  const copiesOf = (key: string): Copies =>
    new Map(ranges.flatMap(({ part, name }, i) => (part.key === key ? [[name, copies[i]!] as const] : [])));
  const parts = state ? Object.fromEntries(frozen.map(({ key, held }) => [key, held.host(copiesOf(key))])) : {};
  // The clock's, since steps behind one that ended the training are none.
  const { step } = readClocks(clock!)[0]!;
  return { step, tensors, parts, plan: choice };
}
