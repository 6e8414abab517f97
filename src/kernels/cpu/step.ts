import type { PassSpec } from '../../gpu/passes.js';
import { traitsOf } from '../../gpu/traits.js';
import { denseGradient4Shader } from '../../shaders/nn/dense_gradient_4.gen.js';
import { denseGradient8Shader } from '../../shaders/nn/dense_gradient_8.gen.js';
import type { Shader } from '../../shaders/shader.js';
import { accountPass } from '../account.js';
import { carried, loadCarried } from '../carried.js';
import { gradientPlace } from '../dense.js';
import { type Following, findFollowing } from '../following.js';
import { inputConstants } from '../matrix.js';
import type { Form, Op } from '../op.js';
import { ARENA_BLOCK, type UpdateOp } from '../update.js';
import { type Chain, type ChainMemory, chainFits, chainPass, findChain, placeChain } from './chain.js';
import { elementIn, MOST_LAYERS, many, tileLayer, tilePasses } from './gradient.js';

/*
 * A training step in two dispatches, for CPU adapters: one takes blocks of rows through the whole network and back, the other
 * has the weight gradients, with the update inside, and the end of the step. Where the gradient must be seen whole before the
 * update (clipping by the norm, micro-steps, a penalty), the second one stores it, and what follows is as ever.
 */

/** How many lanes, and rows to a lane. */
interface Variant {
  readonly lanes: 4 | 8;
  readonly rows: number;
}

const gradientShaders = { 8: denseGradient8Shader, 4: denseGradient4Shader } as const;
/** A loss that weighs has a kernel with two bindings more. */
const chainName = ({ lanes, rows }: Variant, { shape }: Chain['loss']) =>
  `${shape.constants.WEIGHTED ? 'weighted-' : ''}chain-${lanes}x${rows}`;

const storageOf = ({ bindings }: Shader) => bindings.filter(({ type }) => type !== 'uniform').length;

/** What a device lacks for the kernels of a variant, where a chain has one. */
function lacks(ops: readonly Op[], at: number, device: GPUDevice, variant: Variant): string | undefined {
  const { subgroup, storageBuffers } = traitsOf(device);
  if (subgroup !== variant.lanes) return `subgroups of ${variant.lanes} lanes`;
  const kernel = usableChain(ops, at, device, variant)?.kernel;
  return kernel && storageOf(kernel) > storageBuffers ? `${storageOf(kernel)} storage buffers in a kernel` : undefined;
}

/** A chain whose kernel is loaded, and has room for it. */
function usableChain(ops: readonly Op[], at: number, device: GPUDevice, variant: Variant) {
  const chain = findChain(ops, at);
  const kernel = chain && carried(chain.loss.shape.shader, chainName(variant, chain.loss));
  if (!kernel) return undefined;
  return chainFits(chain, device, MOST_LAYERS) ? { chain, kernel } : undefined;
}

/** The kernel with the rule inside: with the end of the step, where it and its buffers fit. */
function updateKernel({ update, account }: Following, lanes: 4 | 8, device: GPUDevice) {
  const most = traitsOf(device).storageBuffers;
  const fitting = (name: string) => {
    const kernel = carried(update.shape.shader, `${name}-${lanes}`);
    return kernel && storageOf(kernel) <= most ? kernel : undefined;
  };
  const ending = account && fitting('ending');
  const kernel = ending ?? fitting('gradient');
  return kernel && { kernel, ends: ending !== undefined };
}

/** Tiles of a chain's layers, in bindings of their own or all in the scratch. */
const chainLayers = (
  chain: Chain,
  memory: ChainMemory,
  grads: { readonly offset: number },
  rowOf: (element: number) => number = () => 0,
) =>
  chain.links.map(({ dense, weightGradient }) => {
    const { buffers } = weightGradient;
    const base = { ...memory.scratch, offset: grads.offset };
    const [weightAt, biasAt] = [elementIn(buffers['weight-0'], base), elementIn(buffers.bias, base)];
    return tileLayer(
      weightGradient,
      {
        xAt: dense.shape.decoding ? 0 : elementIn(buffers.x, memory.scratch),
        dyAt: elementIn(buffers.dy, memory.scratch),
        weightAt,
        biasAt,
      },
      { weight: rowOf(weightAt), bias: rowOf(biasAt) },
    );
  });

const gradientsOf = ({ links }: Chain) => links.map(({ weightGradient }) => weightGradient);

const inputOf = ({ links: [first] }: Chain) => first!.dense;

/** A chain whose first layer reads a matrix that is not its own has it in a binding that the tiles do not know. */
const readsData = (chain: Chain) => inputOf(chain).shape.decoding !== undefined;

/** The whole step. */
function stepForm(variant: Variant): Form {
  const find = (ops: readonly Op[], at: number, device: GPUDevice) => {
    const usable = usableChain(ops, at, device, variant);
    if (!usable || !readsData(usable.chain)) return undefined;
    const following = findFollowing(ops, at + usable.chain.taken, gradientsOf(usable.chain));
    const kernel = following && updateKernel(following, variant.lanes, device);
    return kernel && { ...usable, following, update: kernel };
  };
  return {
    name: `step/rows-${variant.lanes}x${variant.rows}`,
    async load(ops) {
      await loadChain(ops, variant);
      const names = [`ending-${variant.lanes}`, `gradient-${variant.lanes}`];
      const updates = ops.filter((op): op is UpdateOp => op.kind === 'update');
      await Promise.all(updates.flatMap(({ shape }) => names.map((name) => loadCarried(shape.shader, name))));
    },
    match(ops, at, device) {
      const found = find(ops, at, device);
      return found ? found.chain.taken + 2 + (found.following.account ? 1 : 0) : 0;
    },
    suits: (ops, at, device) => suits(ops, at, device, variant),
    needs: (ops, at, device) => lacks(ops, at, device, variant),
    puts: true,
    lower(ops, device) {
      const { chain, kernel, following, update } = find(ops, 0, device)!;
      const { advance, account } = following;
      const memory = placeChain(chain);
      const plan = chain.loss.label.slice(0, chain.loss.label.indexOf('/'));
      const clock = {
        ...{ groups: advance.shape.groups, ring: advance.shape.ring },
        buffers: pick(advance, ['clock', 'ring', 'hyper']),
      };
      return [
        chainPass(`${plan}/rows`, kernel, variant.lanes * variant.rows, chain, memory, clock),
        ...updatePasses(`${plan}/weight-gradients+update`, chain, memory, following, update, variant.lanes),
        ...(account && !update.ends ? [accountPass(account)] : []),
      ];
    },
  };
}

function updatePasses(
  label: string,
  chain: Chain,
  memory: ChainMemory,
  { update, account }: Following,
  { kernel, ends }: { readonly kernel: Shader; readonly ends: boolean },
  lanes: 4 | 8,
): PassSpec[] {
  const { rows, decoding } = inputOf(chain).shape;
  const { grad, group_of, param, ...state } = update.buffers;
  const groups = update.shape.groups!;
  const layers = chainLayers(chain, memory, grad!, (element) => groups[element / ARENA_BLOCK]!);
  const { batch, stream, clock, result, losses } = account?.buffers ?? {};
  const end = ends ? accountPass(account!) : undefined;
  const { SAMPLING, STREAMED } = end?.constants ?? {};
  return tilePasses({
    label,
    shader: kernel,
    lanes,
    layers,
    rows,
    replicas: update.replicas,
    constants: {
      ...update.shape.constants,
      ...inputConstants({ decoding }),
      MANY: many(rows),
      ...(ends && { SAMPLING: SAMPLING!, STREAMED: STREAMED! }),
    },
    ...(ends && { shape: { ...end!.shape, batch_at: memory.batchAt } }),
    buffers: {
      data: inputOf(chain).buffers.x,
      grads: many(rows) ? grad : undefined,
      param,
      ...state,
      ...(ends
        ? { scratch: memory.scratch, next_batch: batch, stream, clock, result, losses }
        : { x: memory.scratch, dy: memory.scratch, batch: inputOf(chain).buffers.batch }),
    },
  });
}

/** The gradients of a whole network, stored. */
function gradientForm(variant: Variant): Form {
  return {
    name: `gradient/rows-${variant.lanes}x${variant.rows}`,
    load: (ops) => loadChain(ops, variant),
    match(ops, at, device) {
      const usable = usableChain(ops, at, device, variant);
      return usable && readsData(usable.chain) ? usable.chain.taken : 0;
    },
    suits: (ops, at, device) => suits(ops, at, device, variant),
    needs: (ops, at, device) => lacks(ops, at, device, variant),
    puts: true,
    lower(ops, device) {
      const { chain, kernel } = usableChain(ops, 0, device, variant)!;
      const memory = placeChain(chain);
      const plan = chain.loss.label.slice(0, chain.loss.label.indexOf('/'));
      const { rows, decoding } = inputOf(chain).shape;
      const grads = chain.links.map(
        ({ weightGradient: { buffers } }) => gradientPlace(buffers['weight-0']!, buffers.bias).grads,
      );
      const offset = Math.min(...grads.map((each) => each.offset));
      const end = Math.max(...grads.map((each) => each.offset + each.size));
      return [
        chainPass(`${plan}/rows`, kernel, variant.lanes * variant.rows, chain, memory),
        ...tilePasses({
          label: `${plan}/weight-gradients`,
          shader: gradientShaders[variant.lanes],
          lanes: variant.lanes,
          layers: chainLayers(chain, memory, { offset }),
          rows,
          replicas: chain.loss.replicas,
          constants: { ...inputConstants({ decoding }), MANY: many(rows) },
          buffers: {
            data: inputOf(chain).buffers.x,
            batch: inputOf(chain).buffers.batch,
            ...{ x: memory.scratch, dy: memory.scratch },
            grads: { buffer: grads[0]!.buffer, offset, size: end - offset },
          },
        }),
      ];
    },
  };
}

async function loadChain(ops: readonly Op[], variant: Variant): Promise<void> {
  const losses = ops.filter((op) => op.kind === 'loss') as Chain['loss'][];
  await Promise.all(losses.map((loss) => loadCarried(loss.shape.shader, chainName(variant, loss))));
}

/** Threads of the machine, as far as a page may know: a CPU adapter has as many. */
const threads = () => globalThis.navigator?.hardwareConcurrency ?? 2;

/** Elements of the largest weight of a chain. */
const largest = (ops: readonly Op[], at: number): number =>
  Math.max(...(findChain(ops, at)?.links.map(({ dense: { shape } }) => shape.inputs * shape.outputs) ?? []));

/**
 * With 4 lanes the chain has too little to do for each value it spreads: lecture's net on SwiftShader, ms of CPU time by rows and by
 * the stationary forms of its layers: batch 64 43.8 and 28.8, Adam 46.3 and 29.9, 16 31.0 and 17.0, 1 22 and 15. What a dispatch costs
 * decides for small nets alone (XOR's: 0.54 and 0.71).
 */
const SMALL = 2 ** 14;
/** So large a layer is worth its own dispatches where blocks of rows would leave threads idle: layer-wise forms split its columns. */
const LARGE = 2 ** 18;

/**
 * A workgroup with more rows reads the weights less often, one with fewer leaves no thread idle: on lavapipe a block of weights
 * takes 100 ns to load and 19 ns to multiply with the rows of each lane.
 */
function suits(ops: readonly Op[], at: number, device: GPUDevice, { lanes, rows: mine }: Variant): boolean {
  const { cpu, subgroup } = traitsOf(device);
  // Without subgroups the plan's notes tell of one of them.
  if (!cpu || (subgroup || 8) !== lanes) return false;
  const { rows } = (ops[at] as Chain['links'][number]['dense']).shape;
  const weights = largest(ops, at);
  if (lanes === 4 && weights > SMALL) return false;
  const cost = (each: number) => Math.ceil(Math.ceil(rows / (lanes * each)) / threads()) * (100 + 19 * each);
  const best = VARIANTS.filter((each) => each.lanes === lanes).sort((a, b) => cost(a.rows) - cost(b.rows))[0]!;
  if (weights > LARGE && Math.ceil(rows / (lanes * best.rows)) < threads()) return false;
  return best.rows === mine;
}

const pick = <K extends string>({ buffers }: Op, names: readonly K[]) =>
  Object.fromEntries(names.map((name) => [name, buffers[name]!])) as Record<K, NonNullable<Op['buffers'][string]>>;

const VARIANTS: readonly Variant[] = [
  { lanes: 8, rows: 4 },
  { lanes: 8, rows: 1 },
  { lanes: 4, rows: 4 },
];

export const stepForms: readonly Form[] = [...VARIANTS.map(stepForm), ...VARIANTS.map(gradientForm)];
