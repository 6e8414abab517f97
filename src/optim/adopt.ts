import { guarded } from '../gpu/buffers.js';
import { COMPUTE_STAGE } from '../gpu/constants.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkNumber, checkOptions, type Fields, type OptionsOf } from '../gpu/fields.js';
import type { PlacedTensor } from '../space/adopted.js';
import { type AdoptedRange, adoptRange, bytesOf, type ForeignRange } from './foreign-range.js';
import { ruleOfGroup } from './groups.js';
import type { Rule } from './rule.js';

export { adoptRange, bytesOf, type ForeignDtype, type ForeignRange } from './foreign-range.js';

/*
 * Foreign memory, checked before it is touched: every tensor's two ranges, their usage, size, alignment and overlap.
 */

/** Which rows of a tensor take part: a buffer with a u32 for each, 0 where it is left alone; or one with their number. */
export type ActiveRows =
  | GPUBuffer
  | { readonly buffer: GPUBuffer; readonly offset?: number }
  | { readonly count: GPUBuffer; readonly offset?: number };

/** How gradients are stored: float32, or fixed-point int32, where an integer i stands for i·fixed. */
export type GradientForm = 'f32' | { readonly fixed: number };

/** One tensor of the caller's. */
export interface TensorOptions<F extends Fields = Fields> {
  /** In state, checkpoints and messages; unique. */
  readonly name: string;
  /** Empty for a scalar; a 0 in it makes a tensor without elements. */
  readonly shape: readonly number[];
  /** float32 or float16, updated in place; usage STORAGE. */
  readonly param: ForeignRange;
  /** float32, float16, or int32 with `gradients: { fixed }`; usage STORAGE. */
  readonly grad: ForeignRange;
  /** Hyper-parameters of its own; the rest are the rule's. */
  readonly group?: OptionsOf<F>;
  /** Never updated; takes no part in norms. Default false. */
  readonly frozen?: boolean;
  /** This tensor's, in place of the optimizer's `gradients`. */
  readonly gradients?: GradientForm;
  /**
   * Factors of the learning rate: `rows`, one for each row; `period`, one for each element of a row, or so few that their
   * number divides a row's, which come again and again along it. Both: their product.
   */
  readonly rates?: { readonly rows?: Float32Array; readonly period?: Float32Array };
  /** Rows that take part in a step, as the GPU finds it then. The others keep every bit, of state, too. Default all. */
  readonly active?: ActiveRows;
  /** Rows that its buffers have room for, at least those of the shape: what `gather` and `grow` may make of it. */
  readonly reserve?: number;
}

/** A tensor that is taken by rows. */
export interface RowSettings {
  /** Rows there are at first, and may be. */
  readonly now: number;
  readonly most: number;
  /** Elements of a row. */
  readonly width: number;
  /** Alike for those with the same rows. */
  readonly kind: string;
  /** `reserve` was given. */
  readonly grows: boolean;
  readonly active: { readonly by: 'mask' | 'count'; readonly buffer: GPUBuffer; readonly offset: number } | undefined;
  readonly rates:
    | { readonly rows: Float32Array | undefined; readonly period: Float32Array | undefined; readonly linear: number }
    | undefined;
}

export interface AdoptedTensor extends PlacedTensor {
  readonly param: AdoptedRange;
  readonly grad: AdoptedRange;
  /** So many as there may be. */
  readonly elements: number;
  readonly rules: readonly [Rule];
  readonly rows?: RowSettings | undefined;
}

/** Whether something of a tensor is no float32. */
export const hasHalves = ({ param, grad }: AdoptedTensor): boolean =>
  [param, grad].some(({ dtype }) => dtype === 'f16');

/** Whether it takes more than ranges of floats that lie close together. */
export const isByRows = (tensor: TensorOptions): boolean =>
  tensor?.rates !== undefined ||
  tensor?.active !== undefined ||
  tensor?.reserve !== undefined ||
  [tensor?.param, tensor?.grad].some((range) => (range as { stride?: unknown } | undefined)?.stride !== undefined);

/** How the checks of {@link adoptTensors} go on for a tensor that is taken by rows. */
export type RowAdopter = (where: string, tensor: TensorOptions, rule: Rule) => RowSettings;

const MAX_ELEMENTS = 2 ** 32 - 1;
const KEYS = ['name', 'shape', 'param', 'grad', 'group', 'frozen', 'gradients', 'rates', 'active', 'reserve'];

/**
 * Checks the caller's tensors.
 *
 * @param unit of gradients, where a tensor has none of its own
 * @param rows given where a tensor {@link isByRows}
 * @throws DownhillError with the tensor's name.
 */
export function adoptTensors(
  rule: Rule,
  tensors: readonly TensorOptions[],
  unit?: number,
  rows?: RowAdopter,
): AdoptedTensor[] {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new DownhillError(
      'OPTION-TYPE',
      `createOptimizer needs tensors, got ${show(tensors)}.`,
      'Pass a list with at least one tensor.',
    );
  }
  const names = new Set<string>();
  const adopted = Array.from(tensors as readonly TensorOptions[], (tensor, i) => {
    const one = adoptTensor(rule, tensor, i, unit, rows);
    if (names.has(one.name)) {
      throw new DownhillError(
        'OPTION-RANGE',
        `Two tensors are named ${show(one.name)}.`,
        'Give every tensor a name of its own.',
      );
    }
    names.add(one.name);
    return one;
  });
  checkOverlap(adopted);
  return adopted;
}

function adoptTensor(
  rule: Rule,
  tensor: TensorOptions,
  index: number,
  unit?: number,
  adoptRows?: RowAdopter,
): AdoptedTensor {
  if (typeof tensor !== 'object' || tensor === null) {
    throw new DownhillError('OPTION-TYPE', `Tensor ${index} is ${show(tensor)}.`, 'Pass { name, shape, param, grad }.');
  }
  const { name, shape, frozen = false } = tensor;
  if (typeof name !== 'string' || name === '') {
    throw new DownhillError(
      'OPTION-TYPE',
      `Tensor ${index} has the name ${show(name)}.`,
      'Name it with a string that is not empty.',
    );
  }
  const where = `Tensor ${show(name)}`;
  const unknown = Object.keys(tensor).find((key) => !KEYS.includes(key));
  if (unknown)
    throw new DownhillError('OPTION-UNKNOWN', `${where} has no option ${show(unknown)}.`, `Use: ${KEYS.join(', ')}.`);
  if (typeof frozen !== 'boolean') {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where}: frozen must be true or false, got ${show(frozen)}.`,
      'Pass a boolean.',
    );
  }
  countElements(where, shape);
  const own = ruleOfGroup(`${where}, group`, rule, tensor.group);
  const rows = isByRows(tensor) ? adoptRows?.(where, tensor, own) : undefined;
  const whole = rows ? [rows.most, ...shape.slice(1)] : shape;
  const elements = countElements(where, whole);
  const extent = {
    ...(rows ? { rows: rows.most, width: rows.width } : { rows: 1, width: elements }),
    dtype: 'f32',
  } as const;
  const adopted = {
    ...{ name, shape: whole, elements, frozen, rules: [own] as const, rows },
    param: adoptRange(`${where}: param`, tensor.param, extent),
    grad: adoptRange(`${where}: grad`, tensor.grad, extent),
    unit: tensor.gradients === undefined ? unit : checkGradients(`${where}: gradients`, tensor.gradients),
  };
  if (adopted.unit !== undefined && adopted.grad.dtype === 'f16') {
    throw new DownhillError(
      'OPTION-RANGE',
      `${where}: grad is f16, but gradients are fixed-point.`,
      "Leave dtype out for integers, or give this tensor gradients: 'f32'.",
    );
  }
  return adopted;
}

/** Checks how gradients are stored. @returns what an integer is worth; undefined for f32. */
export function checkGradients(where: string, gradients: unknown): number | undefined {
  if (gradients === 'f32') return undefined;
  if (typeof gradients !== 'object') checkChoice(where, gradients, ['f32']);
  checkOptions(where, gradients, ['fixed']);
  return checkNumber(`${where}.fixed`, (gradients as { fixed: unknown }).fixed, { above: 0 }, { single: true });
}

/** @throws DownhillError SHAPE-INVALID */
export function countElements(where: string, shape: unknown): number {
  // Holes of a sparse list count as what they read as: undefined.
  const sizes = Array.isArray(shape) ? [...(shape as unknown[])] : undefined;
  if (!sizes?.every((size) => typeof size === 'number' && Number.isInteger(size) && size >= 0)) {
    throw new DownhillError(
      'SHAPE-INVALID',
      `${where} has the shape ${show(shape)}.`,
      'Give a list of whole numbers of at least 0.',
    );
  }
  const elements = (sizes as number[]).reduce((product, size) => product * size, 1);
  // Not `>`: infinity times 0 is NaN.
  if (!(elements <= MAX_ELEMENTS)) {
    throw new DownhillError(
      'SHAPE-INVALID',
      `${where} has ${elements} elements; ${MAX_ELEMENTS} are the most.`,
      'Split it into several tensors.',
    );
  }
  return elements;
}

/** Items of so many bytes, so many of them at a stride. */
interface Items {
  readonly what: string;
  readonly begin: number;
  readonly bytes: number;
  readonly stride: number;
  readonly count: number;
}

const endOf = ({ begin, bytes, stride, count }: Items) => begin + (count - 1) * stride + bytes;

/** The first byte of `items` that lies in [begin, end), if any does. */
function firstIn(items: Items, begin: number, end: number): number | undefined {
  // The first item that ends behind `begin`.
  const i = Math.max(Math.floor((begin - items.begin - items.bytes) / items.stride) + 1, 0);
  const at = items.begin + i * items.stride;
  return i < items.count && at < end ? Math.max(at, begin) : undefined;
}

/** Whether two share a byte; `a` begins no later. */
function overlaps(a: Items, b: Items): boolean {
  if (endOf(a) <= b.begin) return false;
  if (a.stride === b.stride) {
    // Every item of b lies the same way to those of a.
    const within = (b.begin - a.begin) % a.stride;
    const last = a.count - 1 - (b.begin - a.begin - within) / a.stride;
    return (within < a.bytes && last >= 0) || (within + b.bytes > a.stride && last >= 1);
  }
  const [few, many] = a.count < b.count ? [a, b] : [b, a];
  for (let i = 0; i < few.count; i++) {
    const begin = few.begin + i * few.stride;
    if (firstIn(many, begin, begin + few.bytes) !== undefined) return true;
  }
  return false;
}

/** No two ranges may touch the same bytes: not two parameters, not a parameter and a gradient, not two gradients. */
export function checkOverlap(tensors: readonly AdoptedTensor[]): void {
  const perBuffer = new Map<GPUBuffer, Items[]>();
  for (const tensor of tensors) {
    const { name, elements, rows } = tensor;
    if (elements === 0) continue;
    for (const side of ['param', 'grad'] as const) {
      const { buffer, offset, stride } = tensor[side];
      const list = perBuffer.get(buffer) ?? [];
      const each = bytesOf(tensor[side]);
      const [count, bytes] = stride === undefined ? [1, each * elements] : [rows!.most, each * rows!.width];
      list.push({ what: `${side} of ${show(name)}`, begin: offset, bytes, stride: stride ?? bytes, count });
      perBuffer.set(buffer, list);
    }
  }
  for (const list of perBuffer.values()) {
    list.sort((a, b) => a.begin - b.begin);
    /** Those that are not over yet. */
    let open: Items[] = [];
    for (const after of list) {
      open = open.filter((each) => endOf(each) > after.begin);
      const before = open.find((each) => overlaps(each, after));
      if (before) {
        const [a, b] = [before, after].map((each) => `${each.what} (bytes ${each.begin} to ${endOf(each)})`);
        throw new DownhillError(
          'BUFFER-OVERLAP',
          `${a} and ${b} overlap in one buffer.`,
          'Give every parameter and every gradient bytes of its own.',
        );
      }
      open.push(after);
    }
  }
}

/**
 * {@link probeBuffers} for those of tensors.
 *
 * @param sides whether gradients, too, must be there
 * @throws DownhillError BUFFER-INVALID, DEVICE-LOST.
 */
export function probeTensors(
  device: GPUDevice,
  tensors: readonly AdoptedTensor[],
  label: string,
  sides: readonly ('param' | 'grad')[] = ['param', 'grad'],
): Promise<void> {
  const places = new Map<GPUBuffer, string>();
  for (const { name, elements, rows, ...ranges } of tensors) {
    if (elements === 0) continue;
    if (rows?.active && !places.has(rows.active.buffer)) places.set(rows.active.buffer, `Tensor ${show(name)}: active`);
    for (const side of sides) {
      const { buffer } = ranges[side];
      if (!places.has(buffer)) places.set(buffer, `Tensor ${show(name)}: ${side}`);
    }
  }
  return probeBuffers(device, places, label);
}

/**
 * Finds what does not show on a buffer's face: that it was destroyed, or is of another device. Binds every buffer in an empty
 * compute pass and submits that in an error scope; only when it fails, one buffer after another, to say which.
 *
 * @param places what each is, for messages
 * @throws DownhillError BUFFER-INVALID, DEVICE-LOST.
 */
export async function probeBuffers(
  device: GPUDevice,
  places: ReadonlyMap<GPUBuffer, string>,
  label: string,
): Promise<void> {
  const probe = (buffers: Iterable<GPUBuffer>) => guarded(device, label, () => bindAll(device, buffers, label));
  const unusable = (error: unknown) => !(error instanceof DownhillError) || error.code === 'GPU-VALIDATION';
  try {
    await probe(places.keys());
  } catch (error) {
    if (!unusable(error)) throw error;
    for (const [buffer, where] of places) {
      await probe([buffer]).catch((cause: Error) => {
        if (!unusable(cause)) throw cause;
        const reason = (cause.cause as GPUError | undefined)?.message ?? cause.message;
        throw new DownhillError(
          'BUFFER-INVALID',
          `${where}: its buffer cannot be used: ${reason}`,
          'Pass a buffer of this device that is neither destroyed nor mapped.',
          cause,
        );
      });
    }
    throw error;
  }
}

function bindAll(device: GPUDevice, buffers: Iterable<GPUBuffer>, label: string): void {
  const own = { label: `downhill:${label}/probe` };
  const layout = device.createBindGroupLayout({
    ...own,
    entries: [{ binding: 0, visibility: COMPUTE_STAGE, buffer: { type: 'storage' } }],
  });
  const encoder = device.createCommandEncoder(own);
  const pass = encoder.beginComputePass(own);
  for (const buffer of buffers) {
    const entries = [{ binding: 0, resource: { buffer, size: 4 } }];
    pass.setBindGroup(0, device.createBindGroup({ ...own, layout, entries }));
  }
  pass.end();
  device.queue.submit([encoder.finish()]);
}
