import { readRanges } from '../gpu/buffers.js';
import { show } from '../gpu/errors.js';
import { readClocks } from '../kernels/advance.js';
import type { PlacedVector } from '../space/space.js';
import type { Copies, Json, Stateful } from '../space/stateful.js';
import { readTensors, writeTensor } from '../space/vectors.js';
import { deviceValues, mismatch, savedShape, transposed } from './checkpoint-file.js';
import type { CheckpointOptions } from './checkpoint-types.js';
import { floatTensor, integerTensor, type SafeTensor, toFloats } from './dtypes.js';
import type { Program } from './program.js';

/*
 * What a program of one replica remembers, into tensors and JSON and back. Of its parts this knows only that they are
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
const prefixOf = ({ key }: Stateful, { vector }: PlacedVector) =>
  vector.name === key ? `${key}.` : `${key}.${vector.name}.`;

/** Every vector of a program, and how its tensors are called. */
const vectorsOf = ({ network, parts }: Pick<Program, 'network' | 'parts'>) => [
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

const rangesOf = ({ parts }: Pick<Program, 'parts'>) =>
  parts.flatMap((part) =>
    part.ranges().map((each) => ({ part, name: each.name, saved: `${part.key}.${each.name}`, each })),
  );

/** Words that only their owner knows to read. */
const rawTensor = (bytes: ArrayBuffer): SafeTensor =>
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

type Saved = Pick<Snapshot, 'step' | 'tensors' | 'parts'>;

/** @param finite weights that are not numbers are refused */
interface ApplyOptions {
  readonly finite?: boolean;
}

/**
 * Goes on from a snapshot, in queue order. Everything is checked before anything changes.
 *
 * @throws DownhillError CHECKPOINT-*
 */
export function applySnapshot(program: Program, saved: Saved, { finite = true }: ApplyOptions = {}): void {
  const { device } = program;
  const vectors = vectorsOf(program);
  const ranges = rangesOf(program);
  const isCounter = counterTest(program);
  for (const part of program.parts) if (Object.hasOwn(saved.parts, part.key)) part.checkKind?.(saved.parts[part.key]!);
  checkNames(program, saved);
  const writes = vectors.flatMap(({ placed, prefix, network }) => {
    const { space, vector } = placed;
    return space.tensors
      .filter(({ name }) => space.partsOf(name).length > 0)
      .map(({ name, shape }) => {
        const counter = isCounter(placed, name);
        // State may hold what is not finite, and be that of a training that goes on: adagrad's sum of squares overflows, and
        // that weight stands still ever after; a sum of micro-steps waits to be left out. Such a training is restored, too.
        const values =
          (network && finite) || counter
            ? deviceValues(saved.tensors, prefix + name, shape, counter ? 'u32' : 'f32')
            : transposed(floatsOf(saved.tensors, prefix + name, savedShape(shape)), savedShape(shape));
        return { space, vector, name, values };
      });
  });
  const raw = ranges.map(({ saved: name }) => saved.tensors.get(name)!.bytes.slice().buffer as ArrayBuffer);
  const copiesOf = (owner: Stateful): Copies =>
    new Map(ranges.flatMap(({ part, name }, i) => (part === owner ? [[name, raw[i]!] as const] : [])));
  const loads = program.parts.map((part) => ({ part, host: saved.parts[part.key]!, copies: copiesOf(part) }));
  for (const { part, host, copies } of loads) part.check?.(host, copies);
  // Last: where options differ, their owner has said it better.
  for (const [i, { each, saved: name }] of ranges.entries()) checkBytes(name, raw[i]!, each.size);
  for (const { part, copies } of loads) checkStep(part, saved.step, part.stepIn?.(copies));

  for (const { space, vector, name, values } of writes) writeTensor(device, space, vector, name, values);
  for (const [i, { each }] of ranges.entries()) device.queue.writeBuffer(each.buffer, each.offset, raw[i]!);
  for (const { part, host, copies } of loads) part.load(host, copies);
}

/** The file's tensors and parts must be the program's: none missing, none too many. */
function checkNames(program: Program, { tensors, parts }: Saved): void {
  const needed = new Set([
    ...vectorsOf(program).flatMap(({ placed, prefix }) =>
      placed.space.tensors.filter(({ name }) => placed.space.partsOf(name).length > 0).map(({ name }) => prefix + name),
    ),
    ...rangesOf(program).map(({ saved }) => saved),
  ]);
  const keys = program.parts.map(({ key }) => key);
  const same = 'Make the trainer with the options that the file was trained with, or import its weights alone.';
  for (const key of keys)
    if (!Object.hasOwn(parts, key)) throw mismatch(`The file has no state of this trainer's ${show(key)}.`, same);
  const extra = Object.keys(parts).find((key) => !keys.includes(key));
  if (extra !== undefined) throw mismatch(`The file has the state of ${show(extra)}, this trainer has none.`, same);
  for (const name of needed) if (!tensors.has(name)) throw mismatch(`The file has no tensor ${show(name)}.`, same);
  for (const name of tensors.keys())
    if (!needed.has(name)) throw mismatch(`The file has the tensor ${show(name)}, this trainer has none.`, same);
}

function floatsOf(tensors: Saved['tensors'], name: string, shape: readonly number[]): Float32Array {
  const tensor = tensors.get(name)!;
  if (tensor.shape.join() === shape.join()) return toFloats(name, tensor);
  throw mismatch(
    `Tensor ${show(name)} of the file has the shape [${tensor.shape.join(', ')}], the trainer's is [${shape.join(', ')}].`,
    'Use the model that the file is of.',
  );
}

/** Wherever a step stands it is the same one. */
function checkStep({ key }: Stateful, step: number, own = step): void {
  if (own === step) return;
  throw mismatch(`The file says step ${step}, but its ${key} is at step ${own}.`, 'Use an earlier checkpoint.');
}

function checkBytes(name: string, { byteLength }: ArrayBuffer, size: number): void {
  if (byteLength === size) return;
  throw mismatch(
    `${show(name)} takes ${byteLength} bytes in the file, ${size} in this trainer.`,
    'Make the trainer with the options that the file was trained with.',
  );
}
