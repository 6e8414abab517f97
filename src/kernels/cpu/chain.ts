import { type BufferRange, isLater, type LaterRange, together } from '../../gpu/buffers.js';
import type { PassSpec } from '../../gpu/passes.js';
import type { Shader } from '../../shaders/shader.js';
import { type ActivationGradientOp, type ActivationOp, activationConstants } from '../activation.js';
import type { DenseInputGradientOp, DenseOp, DenseWeightGradientOp } from '../dense.js';
import type { LossOp } from '../loss.js';
import { inputConstants, rowStride } from '../matrix.js';
import type { Op } from '../op.js';

/*
 * The chain of a network, for a form that computes it a block of rows at a time: dense layers with at most one activation
 * behind each, a loss, and the gradients back to the first. Found in a list of ops, and what its kernel is told.
 */

/** A dense layer of a chain, with everything that is computed for it. */
export interface Link {
  readonly dense: DenseOp;
  readonly activation?: ActivationOp | undefined;
  readonly weightGradient: DenseWeightGradientOp;
  /** Of every layer but the first, with the gradient of the activation in front of it. */
  readonly inputGradient?: DenseInputGradientOp | undefined;
  readonly activationGradient?: ActivationGradientOp | undefined;
}

export interface Chain {
  readonly links: readonly Link[];
  readonly loss: LossOp;
  /** Ops that it takes. */
  readonly taken: number;
}

/** The layers' forward ops from `at` on, up to their loss. */
function findForward(ops: readonly Op[], at: number) {
  const links: { dense: DenseOp; activation: ActivationOp | undefined }[] = [];
  let next = at;
  let input = ops[at]?.buffers.x;
  while (ops[next]?.kind === 'dense' && ops[next]!.buffers.x === input) {
    const dense = ops[next++] as DenseOp;
    const follows = ops[next]?.kind === 'activation' && ops[next]!.buffers.x === dense.buffers.y;
    const activation = follows ? (ops[next++] as ActivationOp) : undefined;
    links.push({ dense, activation });
    input = (activation ?? dense).buffers.y;
  }
  const loss = ops[next];
  const ends = links.length > 0 && loss?.kind === 'loss' && loss.buffers.z === input && !links.at(-1)!.activation;
  return ends ? { links, loss: loss as LossOp, next: next + 1 } : undefined;
}

/** The chain that begins with the op at `at`; undefined where the ops are of another kind. */
export function findChain(ops: readonly Op[], at: number): Chain | undefined {
  const forward = findForward(ops, at);
  if (!forward) return undefined;
  const links: Link[] = [];
  let { next } = forward;
  let dy = forward.loss.buffers.dz;
  for (let i = forward.links.length - 1; i >= 0; i--) {
    const weightGradient = ops[next++];
    if (weightGradient?.kind !== 'dense-weight-gradient' || weightGradient.buffers.dy !== dy) return undefined;
    const link = { ...forward.links[i]!, weightGradient: weightGradient as DenseWeightGradientOp };
    const back = ops[next]?.kind === 'dense-input-gradient' && ops[next]!.buffers.dy === dy ? ops[next] : undefined;
    // Below the first layer there is nothing, and above it there is always something.
    if (i > 0 !== (back !== undefined)) return undefined;
    if (!back) {
      links.unshift(link);
      continue;
    }
    next++;
    const activates = ops[next]?.kind === 'activation-gradient' && ops[next]!.buffers.dy === back.buffers.dx;
    if (activates !== (forward.links[i - 1]!.activation !== undefined)) return undefined;
    const activationGradient = activates ? (ops[next++] as ActivationGradientOp) : undefined;
    dy = (activationGradient ?? back).buffers.dx;
    links.unshift({ ...link, inputGradient: back as DenseInputGradientOp, activationGradient });
  }
  return { links, loss: forward.loss, taken: next - at };
}

/** The ranges that hold a chain's matrices. */
function matricesOf({ links, loss }: Chain): (BufferRange | undefined)[] {
  return [
    ...links.flatMap(({ dense, activation }) => [
      (activation ?? dense).buffers.y,
      activation?.shape.keep ? dense.buffers.y : undefined,
    ]),
    loss.buffers.dz,
    ...links.map(({ inputGradient, activationGradient }) => (activationGradient ?? inputGradient)?.buffers.dx),
  ].filter((each) => each !== undefined);
}

const tensorsOf = ({ links }: Chain): BufferRange[] =>
  links.flatMap(({ dense }) => [dense.buffers['weight-0'], dense.buffers.bias]).filter((each) => each !== undefined);

/** Forward and back: a layer of the caller's may go back another way. */
const sameActivation = ({ links }: Chain): boolean => {
  const [first, ...others] = links.flatMap(({ activation, activationGradient }) =>
    [activation, activationGradient].flatMap((each) => (each ? [each.shape] : [])),
  );
  return others.every(({ activation, alpha }) => activation === first!.activation && alpha === first!.alpha);
};

/** Whether its kernel can do it: tensors whole, in one buffer, and matrices that may lie together. */
export function chainFits(chain: Chain, device: GPUDevice, mostLinks: number) {
  const { links } = chain;
  const matrices = matricesOf(chain);
  const bytes = matrices.reduce((sum, each) => sum + (each?.size ?? 0) + 256, 0);
  const [first, ...others] = tensorsOf(chain);
  return (
    links.length <= mostLinks &&
    links.every(({ dense }) => dense.shape.pieces.length === 1) &&
    others.every(({ buffer }) => buffer === first!.buffer) &&
    sameActivation(chain) &&
    matrices.every(isLater) &&
    bytes <= Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize)
  );
}

/** Where a chain's kernel finds everything: one buffer for its matrices, one binding for its parameters. */
export interface ChainMemory {
  readonly scratch: BufferRange;
  /** First element, behind the matrices, of the samples that the rows are. */
  readonly batchAt: number;
  readonly params: BufferRange;
}

/** Puts the matrices of a chain together, and finds what its parameters span. */
export function placeChain(chain: Chain): ChainMemory {
  const { rows } = chain.links[0]!.dense.shape;
  const { replicas } = chain.loss;
  const { range, more } = together('matrices', matricesOf(chain) as LaterRange[], 4 * rows * replicas);
  const tensors = tensorsOf(chain);
  const offset = Math.min(...tensors.map((each) => each.offset));
  const end = Math.max(...tensors.map((each) => each.offset + each.size));
  return {
    scratch: range,
    batchAt: more / 4,
    params: { buffer: tensors[0]!.buffer, offset, size: end - offset },
  };
}

const NONE = 0xffff_ffff;
/** Kinds of a stage, as the kernel has them. */
const KIND = { first: 1, backward: 2, last: 4 } as const;

type Stage = Readonly<Record<string, number>>;

/** The stages of a chain: every layer forward, then all but the first back. */
function stagesOf(chain: Chain, { params }: ChainMemory): Stage[] {
  const element = (of: BufferRange | undefined, base = 0) => (of ? (of.offset - base) / 4 : NONE);
  const last = chain.links.length - 1;
  const forward = chain.links.map(({ dense, activation }, i): Stage => {
    const { inputs, outputs } = dense.shape;
    const before = chain.links[i - 1];
    return {
      kind: (i === 0 ? KIND.first : 0) + (i === last ? KIND.last : 0),
      ...{ inputs, outputs, step_in: outputs, step_out: 1 },
      weight_at: element(dense.buffers['weight-0'], params.offset),
      bias_at: element(dense.buffers.bias, params.offset),
      from_at: before ? element((before.activation ?? before.dense).buffers.y) : 0,
      from_stride: rowStride(inputs),
      to_at: element((activation ?? dense).buffers.y),
      to_stride: rowStride(outputs),
      keep_at: activation?.shape.keep ? element(dense.buffers.y) : NONE,
      saved_at: NONE,
      activated: activation ? 1 : 0,
    };
  });
  const backward = chain.links.flatMap(({ dense, inputGradient, activationGradient, weightGradient }): Stage[] => {
    if (!inputGradient) return [];
    const { inputs, outputs } = dense.shape;
    return [
      {
        kind: KIND.backward,
        ...{ inputs: outputs, outputs: inputs, step_in: 1, step_out: outputs },
        weight_at: element(dense.buffers['weight-0'], params.offset),
        bias_at: NONE,
        from_at: element(weightGradient.buffers.dy),
        from_stride: rowStride(outputs),
        to_at: element((activationGradient ?? inputGradient).buffers.dx),
        to_stride: rowStride(inputs),
        keep_at: NONE,
        saved_at: element(activationGradient?.buffers.saved),
        activated: activationGradient ? 1 : 0,
      },
    ];
  });
  return [...forward, ...backward.reverse()];
}

/** Words of structs, one after another, by the layout of a shader. */
export function packStructs(shader: Shader, name: string, rows: readonly Readonly<Record<string, number>>[]) {
  const { size, fields } = shader.structs[name]!;
  const words = new Uint32Array((rows.length * size) / 4);
  for (const [i, row] of rows.entries())
    for (const [field, { offset }] of Object.entries(fields)) words[(i * size + offset) / 4] = row[field] ?? 0;
  return words;
}

/** The clock's step, where the chain's kernel takes it along. */
export interface ChainClock {
  readonly groups: number;
  readonly ring: number;
  readonly buffers: Readonly<Record<'clock' | 'ring' | 'hyper', BufferRange>>;
}

/** The pass of a chain. @param perGroup rows that a workgroup has */
export function chainPass(
  label: string,
  shader: Shader,
  perGroup: number,
  chain: Chain,
  memory: ChainMemory,
  clock?: ChainClock,
): PassSpec {
  const { links, loss } = chain;
  const { dense } = links[0]!;
  const { rows, decoding, pieces } = dense.shape;
  const activation = links.find((each) => each.activation)?.activation?.shape ?? { activation: 'identity' as const };
  const stages = stagesOf(chain, memory);
  const { targets, batch, stream, result, ...more } = loss.buffers;
  // What a loss does without (weights) its kernel may not even bind.
  const own = Object.fromEntries(
    Object.entries(more).filter(([name, given]) => given !== undefined && name !== 'z' && name !== 'dz'),
  );
  return {
    label,
    shader,
    constants: {
      ...activationConstants(activation),
      ...inputConstants({ decoding }),
      ADVANCE: clock !== undefined,
      SINGLE: loss.replicas === 1,
      ...loss.shape.constants,
    },
    shape: {
      ...{ stages: stages.length, one: 1, param_stride: pieces[0]!.stride },
      batch_at: memory.batchAt,
      z_at: loss.buffers.z!.offset / 4,
      dz_at: loss.buffers.dz!.offset / 4,
      ...{ groups: clock?.groups ?? 0, ring: clock?.ring ?? 1 },
      ...{ rows, n: loss.shape.outputs, z_stride: rowStride(loss.shape.outputs), ...loss.shape.shape },
    },
    tables: { table: packStructs(shader, 'Stage', stages) },
    buffers: {
      param: memory.params,
      data: dense.buffers.x,
      ...{ batch, targets, stream, scratch: memory.scratch, result },
      ...clock?.buffers,
      ...own,
    },
    groups: Math.ceil(rows / perGroup),
    replicas: loss.replicas,
  };
}
