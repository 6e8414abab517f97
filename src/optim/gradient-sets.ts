import { BufferSet, guardedNow } from '../gpu/buffers.js';
import { DownhillError, show, suggest } from '../gpu/errors.js';
import { makePasses, type Pass, type PassSpec } from '../gpu/passes.js';
import { forgetPipelines } from '../gpu/pipelines.js';
import { type AdoptedTensor, adoptRange, checkOverlap, type ForeignRange } from './adopt.js';
import type { RowOps } from './updater.js';

/*
 * Other gradients for one step, as frameworks have them that pool their memory. State and parameters stay where they are.
 * A set is which buffers there are; its layout is what offsets they have and which tensors share one. A new layout is planned
 * as the first one was, each span in as many pieces as its gradients lie in; a new set of a layout that is known takes a bind
 * group for each pass that reads gradients.
 */

/** Sets whose bind groups are kept: pools rotate a few buffers; what was not used for so long comes at a small price. */
const MOST_SETS = 64;
/** Layouts whose tables are kept. */
const MOST_LAYOUTS = 16;

interface Layout {
  /** By their numbers in the key. */
  readonly gradients: readonly GPUBuffer[];
  readonly made: ReturnType<typeof makePasses>;
  readonly tables: BufferSet;
}

/** The value of a key, as the one used last; made where there is none, in place of the one not used for longest. */
function recall<T>(kept: Map<string, T>, most: number, key: string, make: () => T, drop?: (value: T) => void): T {
  const value = kept.get(key) ?? make();
  kept.delete(key);
  kept.set(key, value);
  // What falls out may be in commands that were not submitted yet: it is let go of, not destroyed.
  for (const [old, dropped] of kept) {
    if (kept.size <= most) break;
    kept.delete(old);
    drop?.(dropped);
  }
  return value;
}

/** The passes of a step for tensors whose gradients lie as these say. @param tables owns what is made for them alone */
type PlanFor = (tensors: readonly AdoptedTensor[], tables: BufferSet) => readonly PassSpec[];

export class GradientSets {
  readonly #buffers: BufferSet;
  readonly #plan: PlanFor;
  readonly #tensors: readonly AdoptedTensor[];
  /** Buffers by numbers: a set's key is text. */
  readonly #ids = new WeakMap<GPUBuffer, number>();
  #next = 0;
  readonly #sets = new Map<string, readonly Pass[]>();
  readonly #layouts = new Map<string, Layout>();
  #failure: DownhillError | undefined;

  readonly #rows: RowOps | undefined;

  /** @param rows where there are spans of records; call whose gradients they are, for messages */
  constructor(
    buffers: BufferSet,
    tensors: readonly AdoptedTensor[],
    plan: PlanFor,
    rows?: RowOps,
    readonly call = 'step',
  ) {
    this.#buffers = buffers;
    this.#rows = rows;
    this.#tensors = tensors;
    this.#plan = plan;
  }

  /** Bytes made for them. */
  get bytes(): number {
    return [...this.#layouts.values()].reduce((sum, { tables }) => sum + tables.bytes, 0);
  }

  /** Throws what the GPU process found wrong with a set since: once. */
  check(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }

  destroy(): void {
    for (const { tables } of this.#layouts.values()) tables.destroy();
    this.#sets.clear();
    this.#layouts.clear();
  }

  /**
   * The passes of a step that reads these gradients.
   *
   * @throws DownhillError OPTION-*, BUFFER-*.
   */
  passesFor(grads: Readonly<Record<string, ForeignRange>>): readonly Pass[] {
    checkNames(this.call, this.#tensors, grads);
    // Of a set that is known everything was checked: only what tells it from others is looked at.
    return recall(this.#sets, MOST_SETS, this.#keyOf(grads), () => this.#make(grads));
  }

  #keyOf(grads: Readonly<Record<string, ForeignRange>>): string {
    let key = '';
    for (const { name } of this.#tensors) {
      const given = Object.hasOwn(grads, name) ? (grads[name] as Partial<Exclude<ForeignRange, GPUBuffer>>) : undefined;
      if (given === undefined) key += ',';
      else
        key += `${this.#idOf(given?.buffer ?? given)}:${given?.offset ?? 0}:${given?.size ?? ''}:${given?.stride ?? ''}:${given?.dtype ?? ''},`;
    }
    return key;
  }

  #idOf(buffer: unknown): number {
    if (typeof buffer !== 'object' || buffer === null) return -1;
    const known = this.#ids.get(buffer as GPUBuffer);
    if (known !== undefined) return known;
    this.#ids.set(buffer as GPUBuffer, this.#next);
    return this.#next++;
  }

  #make(grads: Readonly<Record<string, ForeignRange>>): readonly Pass[] {
    const tensors = this.#tensors.map((tensor) =>
      Object.hasOwn(grads, tensor.name) ? { ...tensor, grad: adoptGradient(tensor, grads[tensor.name]) } : tensor,
    );
    checkOverlap(tensors);
    this.#rows?.check(tensors);
    const params = new Set(tensors.map(({ param }) => param.buffer));
    const gradients = [...new Set(tensors.map(({ grad }) => grad.buffer))].filter((buffer) => !params.has(buffer));
    const own = [...params];
    const key = tensors
      .map(({ grad: { buffer, offset, stride = '' } }) => {
        return `${gradients.indexOf(buffer)}/${own.indexOf(buffer)}:${offset}:${stride}`;
      })
      .join();
    const { device, label } = this.#buffers;
    let fresh: Layout | undefined;
    const make = (): Layout => {
      const tables = new BufferSet(device, label);
      try {
        fresh = { gradients, tables, made: makePasses(tables, this.#plan(tensors, tables)) };
        return fresh;
      } catch (error) {
        free({ tables });
        throw error;
      }
    };
    const drop = ({ tables }: Pick<Layout, 'tables'>) => this.#rows?.drop(tables);
    const free = ({ tables }: Pick<Layout, 'tables'>) => {
      drop({ tables });
      tables.destroy();
    };
    const work = () => {
      const layout = recall(this.#layouts, MOST_LAYOUTS, key, make, drop);
      if (layout.gradients === gradients) return layout.made.passes;
      return layout.made.rebind(new Map(layout.gradients.map((buffer, i) => [buffer, gradients[i]!])));
    };
    return guardedNow(device, label, work, (error) => {
      this.#sets.clear();
      // Not only the set: its layout and pipelines, too, were made with it. One that was there is in steps that are good.
      if (fresh) {
        forgetPipelines(device, fresh.made.passes);
        // A good set of it may have been recorded by now; where memory ran out nothing that was is.
        (error.code === 'GPU-OUT-OF-MEMORY' ? free : drop)(fresh);
        if (this.#layouts.get(key) === fresh) this.#layouts.delete(key);
      }
      this.#failure = error.code === 'GPU-VALIDATION' ? unusable(this.call, error.cause as GPUError) : error;
    });
  }
}

const unusable = (call: string, error: GPUError) =>
  new DownhillError(
    'BUFFER-INVALID',
    `A gradient that was given to ${call} cannot be used: ${error.message}`,
    'Pass buffers of this device; what was submitted with that one was not done.',
    error,
  );

function checkNames(call: string, tensors: readonly AdoptedTensor[], grads: unknown): void {
  if (typeof grads !== 'object' || grads === null || Array.isArray(grads)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${call} takes gradients by the names of tensors, got ${show(grads)}.`,
      'Pass for example { grads: { w: buffer } }.',
    );
  }
  for (const name of Object.keys(grads)) {
    if (tensors.some((tensor) => tensor.name === name)) continue;
    const names = tensors.map((tensor) => tensor.name);
    throw new DownhillError('OPTION-UNKNOWN', `There is no tensor ${show(name)}.`, suggest(name, names));
  }
}

/** Rows at a stride only where the tensor was made with rows: else nobody knows how long one is. */
function adoptGradient({ name, rows, elements, grad: first }: AdoptedTensor, given: ForeignRange | undefined) {
  const where = `Tensor ${show(name)}: grad`;
  const extent = rows ? { rows: rows.most, width: rows.width } : { rows: 1, width: elements };
  const dtype = first.dtype ?? 'f32';
  const grad = adoptRange(where, given, { ...extent, dtype });
  if (grad.dtype !== first.dtype) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${where}: it is ${grad.dtype ?? 'f32'}, but the tensor was made with gradients of ${dtype}.`,
      `Pass gradients of ${dtype}, or make the optimizer with others.`,
    );
  }
  if (rows || grad.stride === undefined) return grad;
  throw new DownhillError(
    'BUFFER-RANGE',
    `${where}: it has a stride of ${grad.stride}, but the tensor was made without one.`,
    'Make the optimizer with a stride for this tensor, or lay its gradient out close together.',
  );
}
