import { show } from '../gpu/errors.js';
import type { Updater } from '../optim/updater.js';
import type { Copies, Stateful } from '../space/stateful.js';
import { writeTensor } from '../space/vectors.js';
import { counterTest, rangesOf, type Snapshot, vectorsOf } from './checkpoint.js';
import { deviceValues, mismatch } from './checkpoint-file.js';
import { toFloats } from './dtypes.js';
import type { Program } from './program.js';
import { savedShape, transposed } from './saved-tensor.js';

/* A snapshot back into a program: of a file, or after a device was lost. */

/** Passes whose form differs from a plan's. */
export const otherForms = ({ choice }: Program, plan: Readonly<Record<string, string>>): string[] =>
  [...new Set([...Object.keys(choice), ...Object.keys(plan)])].filter((pass) => choice[pass] !== plan[pass]);

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
  const sum = (program.updater as Partial<Updater>).accumulated;
  for (const part of program.parts) if (Object.hasOwn(saved.parts, part.key)) part.checkKind?.(saved.parts[part.key]!);
  checkNames(program, saved);
  const writes = vectors.flatMap(({ placed, prefix, network }) => {
    const { space, vector } = placed;
    return space.tensors
      .filter(({ name }) => space.partsOf(name).length > 0)
      .map(({ name, shape }) => {
        const counter = isCounter(placed, name);
        // State may be infinite, and that of a training that goes on: adagrad's sum of squares overflows, and that weight stands
        // still ever after; a sum of micro-steps waits to be left out. Such a training is restored, too.
        const values =
          (network && finite) || counter
            ? deviceValues(saved.tensors, prefix + name, shape, counter ? 'u32' : 'f32')
            : transposed(floatsOf(saved.tensors, prefix + name, savedShape(shape)), savedShape(shape));
        if (finite && !counter && vector !== sum) checkNumbers(prefix + name, values);
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

/** What is NaN would come into every weight. */
function checkNumbers(name: string, values: Float32Array): void {
  const bad = values.findIndex(Number.isNaN);
  if (bad >= 0)
    throw mismatch(`Element ${bad} of tensor ${show(name)} in the file is NaN.`, 'Use an earlier checkpoint.');
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
