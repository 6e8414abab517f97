import { guarded } from '../gpu/buffers.js';
import { COMPUTE_STAGE, USAGE } from '../gpu/constants.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkOptions, type Fields, type OptionsOf } from '../gpu/fields.js';
import type { PlacedTensor } from '../space/adopted.js';
import { ruleOfGroup } from './groups.js';
import type { Rule } from './rule.js';

/*
 * Foreign memory, checked before it is touched: every tensor's two ranges, their usage, size, alignment and overlap.
 */

/**
 * A buffer of the caller's, or a range of it. Bytes, multiples of 4; `size` follows from the shape, and is checked where it
 * is given.
 */
export type ForeignRange = GPUBuffer | { readonly buffer: GPUBuffer; readonly offset?: number; readonly size?: number };

/** One tensor of the caller's. */
export interface TensorOptions<F extends Fields = Fields> {
  /** In state, checkpoints and messages; unique. */
  readonly name: string;
  /** Empty for a scalar; a 0 in it makes a tensor without elements. */
  readonly shape: readonly number[];
  /** float32, updated in place; usage STORAGE. */
  readonly param: ForeignRange;
  /** float32, or int32 with `gradients: 'fixed'`; usage STORAGE. */
  readonly grad: ForeignRange;
  /** Hyper-parameters of its own; the rest are the rule's. */
  readonly group?: OptionsOf<F>;
  /** Never updated; takes no part in norms. Default false. */
  readonly frozen?: boolean;
}

export interface AdoptedTensor extends PlacedTensor {
  readonly elements: number;
  readonly rules: readonly [Rule];
}

const MAX_ELEMENTS = 2 ** 32 - 1;
const KEYS = ['name', 'shape', 'param', 'grad', 'group', 'frozen'];

/** Checks the caller's tensors. @throws DownhillError with the tensor's name. */
export function adoptTensors(rule: Rule, tensors: readonly TensorOptions[]): AdoptedTensor[] {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new DownhillError(
      'OPTION-TYPE',
      `createOptimizer needs tensors, got ${show(tensors)}.`,
      'Pass a list with at least one tensor.',
    );
  }
  const names = new Set<string>();
  const adopted = Array.from(tensors as readonly TensorOptions[], (tensor, i) => {
    const one = adoptTensor(rule, tensor, i);
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

function adoptTensor(rule: Rule, tensor: TensorOptions, index: number): AdoptedTensor {
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
  const elements = countElements(where, shape);
  const param = adoptRange(`${where}: param`, tensor.param, elements);
  const grad = adoptRange(`${where}: grad`, tensor.grad, elements);
  return { name, shape, elements, param, grad, frozen, rules: [ruleOfGroup(`${where}, group`, rule, tensor.group)] };
}

function countElements(where: string, shape: unknown): number {
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

const isBuffer = (value: unknown): value is GPUBuffer =>
  typeof (value as GPUBuffer | undefined)?.mapAsync === 'function' && typeof (value as GPUBuffer).size === 'number';

/** What has a `buffer` is a range; anything else is refused for what it is. */
const isRange = (value: unknown): boolean => isBuffer((value as { buffer?: unknown } | null | undefined)?.buffer);

/** @throws DownhillError BUFFER-*, OPTION-*. */
export function adoptRange(where: string, given: unknown, elements: number): { buffer: GPUBuffer; offset: number } {
  if (isRange(given)) checkOptions(where, given, ['buffer', 'offset', 'size']);
  const {
    buffer,
    offset = 0,
    size,
  } = isBuffer(given) ? { buffer: given } : ((given ?? {}) as { buffer?: unknown; offset?: unknown; size?: unknown });
  if (!isBuffer(buffer)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} must be a GPUBuffer or { buffer, offset }, got ${show(given)}.`,
      'Pass the buffer that holds it.',
    );
  }
  if (typeof offset !== 'number' || !Number.isInteger(offset) || offset < 0 || offset % 4 !== 0) {
    throw new DownhillError(
      'BUFFER-RANGE',
      `${where}: the offset ${show(offset)} is not a multiple of 4 bytes.`,
      'Start the range at a whole float.',
    );
  }
  if (size !== undefined && (typeof size !== 'number' || !(size >= 4 * elements) || size % 4 !== 0)) {
    throw new DownhillError(
      'BUFFER-RANGE',
      `${where}: the size ${show(size)} is not a multiple of 4 bytes that holds the ${4 * elements} of its shape.`,
      'Leave size out, or pass the bytes of the whole tensor.',
    );
  }
  if ((buffer.usage & USAGE.STORAGE) === 0) {
    throw new DownhillError(
      'BUFFER-USAGE',
      `${where}: its buffer lacks the usage STORAGE.`,
      'Create the buffer with GPUBufferUsage.STORAGE.',
    );
  }
  if (offset + 4 * elements > buffer.size) {
    throw new DownhillError(
      'BUFFER-RANGE',
      `${where} needs ${4 * elements} bytes from ${offset} on, but its buffer has ${buffer.size}.`,
      'Check shape and offset, or make the buffer larger.',
    );
  }
  if (buffer.mapState !== 'unmapped') {
    throw new DownhillError(
      'BUFFER-INVALID',
      `${where}: its buffer is mapped (${buffer.mapState}).`,
      'Unmap it first.',
    );
  }
  return { buffer, offset };
}

/** No two ranges may touch the same bytes: not two parameters, not a parameter and a gradient, not two gradients. */
export function checkOverlap(tensors: readonly AdoptedTensor[]): void {
  const perBuffer = new Map<GPUBuffer, { what: string; begin: number; end: number }[]>();
  for (const { name, elements, param, grad } of tensors) {
    for (const [kind, { buffer, offset }] of [
      ['param', param],
      ['grad', grad],
    ] as const) {
      if (elements === 0) continue;
      const list = perBuffer.get(buffer) ?? [];
      list.push({ what: `${kind} of ${show(name)}`, begin: offset, end: offset + 4 * elements });
      perBuffer.set(buffer, list);
    }
  }
  for (const list of perBuffer.values()) {
    list.sort((a, b) => a.begin - b.begin);
    for (let i = 1; i < list.length; i++) {
      const [before, after] = [list[i - 1]!, list[i]!];
      if (after.begin >= before.end) continue;
      throw new DownhillError(
        'BUFFER-OVERLAP',
        `${before.what} (bytes ${before.begin} to ${before.end}) and ${after.what} (bytes ${after.begin} to ${after.end}) overlap in one buffer.`,
        'Give every parameter and every gradient bytes of its own.',
      );
    }
  }
}

/**
 * Finds what does not show on a buffer's face: that it was destroyed, or is of another device. Binds every buffer in an empty
 * compute pass and submits that in an error scope; only when it fails, one buffer after another, to name the tensor.
 *
 * @throws DownhillError BUFFER-INVALID, DEVICE-LOST.
 */
export async function probeTensors(device: GPUDevice, tensors: readonly AdoptedTensor[], label: string): Promise<void> {
  const places = new Map<GPUBuffer, string>();
  for (const { name, elements, param, grad } of tensors) {
    if (elements === 0) continue;
    if (!places.has(param.buffer)) places.set(param.buffer, `Tensor ${show(name)}: param`);
    if (!places.has(grad.buffer)) places.set(grad.buffer, `Tensor ${show(name)}: grad`);
  }
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
