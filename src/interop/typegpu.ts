import { DownhillError, show } from '../gpu/errors.js';
import type { TensorOptions } from '../optim/adopt.js';

/*
 * `downhill/interop/typegpu`: TypeGPU 0.12. Its typed buffers as tensors; the root's device is the one to use.
 */

/** A buffer of TypeGPU with the usage 'storage'. */
export interface TypeGpuBuffer {
  /** `d.arrayOf(d.f32, n)` and the like. */
  readonly dataType: unknown;
}

/** What `tgpu.init` or `tgpu.initFromDevice` gives, as far as it is used here. */
export interface TypeGpuRoot<B> {
  unwrap(buffer: B): GPUBuffer;
}

/** Components of an element, by its schema's type. */
const COMPONENTS: Readonly<Record<string, number>> = { f32: 1, vec2f: 2, vec3f: 3, vec4f: 4, mat2x2f: 4, mat4x4f: 16 };

function shapeOf(name: string, { dataType }: TypeGpuBuffer): { shape: number[]; stride?: number } {
  const {
    type,
    elementType = {},
    elementCount,
  } = dataType as {
    readonly type?: string;
    readonly elementType?: { readonly type?: string };
    readonly elementCount?: number;
  };
  const components = COMPONENTS[elementType.type ?? ''];
  if (type !== 'array' || !elementCount || !components) {
    throw new DownhillError(
      'SHAPE-INVALID',
      `Tensor ${show(name)}: a TypeGPU buffer of ${show(elementType.type ?? type)} is no list of floats.`,
      `Use d.arrayOf of one of ${Object.keys(COMPONENTS).join(', ')}.`,
    );
  }
  if (components === 1) return { shape: [elementCount] };
  return { shape: [elementCount, components], ...(components === 3 && { stride: 16 }) };
}

/**
 * One tensor for {@link createOptimizer}: its shape is that of the schema, and where WGSL pads (a vec3f takes 16 bytes) so does its range.
 *
 * @param param updated in place
 * @throws DownhillError SHAPE-INVALID unless both are arrays of floats or vectors of them, SHAPE-MISMATCH where they differ
 */
export function tensor<B extends TypeGpuBuffer>(
  root: TypeGpuRoot<B>,
  name: string,
  param: B,
  grad: B,
  options: Pick<TensorOptions, 'group' | 'frozen'> = {},
): TensorOptions {
  const { shape, stride } = shapeOf(name, param);
  const other = shapeOf(name, grad);
  if (`${shape}` !== `${other.shape}`) {
    const message = `Tensor ${show(name)}: its parameters have the shape [${shape}], its gradients [${other.shape}].`;
    throw new DownhillError('SHAPE-MISMATCH', message, 'Give both buffers one schema.');
  }
  const range = (buffer: B) => ({ buffer: root.unwrap(buffer), ...(stride && { stride }) });
  return { name, shape, param: range(param), grad: range(grad), ...options };
}

/** `import * as d from 'typegpu/data'`, as far as it is used here. */
export interface TypeGpuData {
  sizeOf(schema: never): number;
  memoryLayoutOf(schema: never, field: (item: never) => unknown): { readonly offset: number };
}

/**
 * A tensor for each float field of an array of structs, by its name: `d.arrayOf(d.struct({ position: d.vec3f, … }), n)`. All fields of two
 * buffers are one dispatch; fields of other types, and what WGSL pads, are left alone.
 *
 * @param param updated in place
 * @param grad of the same schema
 * @param groups hyper-parameters of single fields, by name
 * @throws DownhillError SHAPE-INVALID unless both are arrays of structs, SHAPE-MISMATCH where they differ
 */
export function fields<B extends TypeGpuBuffer>(
  root: TypeGpuRoot<B>,
  d: TypeGpuData,
  param: B,
  grad: B,
  groups: Readonly<Record<string, TensorOptions['group']>> = {},
): TensorOptions[] {
  const { elementType: struct, elementCount: count } = param.dataType as {
    readonly elementType?: {
      readonly type: string;
      readonly propTypes: Readonly<Record<string, { readonly type: string }>>;
    };
    readonly elementCount: number;
  };
  if (struct?.type !== 'struct') {
    throw new DownhillError(
      'SHAPE-INVALID',
      'A TypeGPU buffer holds no structs.',
      'Use d.arrayOf of a d.struct, or tensor().',
    );
  }
  const bytes = d.sizeOf(param.dataType as never);
  if (d.sizeOf(grad.dataType as never) !== bytes) {
    const message = `The parameters take ${bytes} bytes, their gradients ${d.sizeOf(grad.dataType as never)}.`;
    throw new DownhillError('SHAPE-MISMATCH', message, 'Give both buffers one schema.');
  }
  return Object.entries(struct.propTypes).flatMap(([name, { type }]) => {
    const components = COMPONENTS[type];
    if (!components) return [];
    const { offset } = d.memoryLayoutOf(struct as never, (item) => item[name as never]);
    const range = (buffer: B) => ({ buffer: root.unwrap(buffer), offset, stride: bytes / count });
    const shape = components === 1 ? [count] : [count, components];
    return [{ name, shape, param: range(param), grad: range(grad), group: groups[name] }];
  });
}
