import { type BufferRange, type BufferSet, range, readRanges } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import type { Op } from '../kernels/op.js';
import { PACKED_BLOCK, type PackedBlock, packedForms, packedTable, updatePacked } from '../kernels/packed.js';
import { pcgHash } from '../kernels/random.js';
import { type PackedShaders, packedShaders } from '../shaders/packed.gen.js';
import { elementsOf, type Part, type Space } from '../space/space.js';
import type { NamedRange } from '../space/stateful.js';
import { encodeConstant } from './encodings.js';
import type { StateEncoding } from './gradient.js';
import type { Group } from './group.js';
import type { PackedWords } from './optimizer-types.js';
import { touches, unite } from './ranges.js';
import { allSlots, type RuleRow, slotFlags } from './rule.js';
import { groupIndex } from './segments.js';
import { type BoundSource, bind, spanName } from './source.js';
import type { Packed, StepParts, Updater } from './updater.js';

/*
 * State in fewer bytes: `state: 'bf16'`, 'f16' or '8bit'. Loaded only where it is asked for.
 *
 * A tensor's state lies in blocks of 256 elements from its first one on, the last one padded, wherever its parameters are; so
 * a saved state fits any memory. What a slot's words are: shaders/optim/encode.wgsl.
 */

/** Apart from the random numbers of data, batches and dropout. */
const STREAM = 0x5145;
/** Blocks for which a second dispatch is worth its while. */
const FEW = 16;

interface Slot {
  readonly name: string;
  readonly encoding: Exclude<StateEncoding, 'f32'>;
  readonly positive: boolean;
  /** By span: [replicas, blocks, 256] values. */
  readonly words: readonly BufferRange[];
  /** Place of its scale in a block's scales. */
  readonly scale: number | undefined;
}

/** A block, and which part of a tensor it is of. */
interface Placed {
  readonly part: Part;
  /** Among all blocks of all tensors. */
  readonly number: number;
  /** First element in the span. */
  readonly at: number;
  readonly elements: number;
}

const bytesOf = (encoding: Slot['encoding']) => (encoding === '8bit' ? 1 : 2);

/** How each slot of a rule is kept where small state is asked for. @throws DownhillError OPTION-RANGE */
function encodingsOf({ name, encodings = {}, shader }: RuleRow, slots: readonly string[], asked: StateEncoding) {
  const missing = slots.find((slot) => !Object.hasOwn(encodings, slot));
  if (missing !== undefined || !Object.hasOwn(packedShaders, shader.name)) {
    throw new DownhillError(
      'OPTION-RANGE',
      `state is ${show(asked)}, but ${missing === undefined ? `${name} has no kernels for it` : `${name} needs ${missing} in f32`}.`,
      "Leave state out: 'f32'.",
    );
  }
  return (slot: string): Slot['encoding'] =>
    asked === '8bit' && encodings[slot]!.endsWith('-16') ? 'bf16' : (asked as Slot['encoding']);
}

/** The function that a rule's kernel is about. */
const ruleIn = (code: string) => /\nfn rule\([\s\S]*?\n\}\n/.exec(code)?.[0];

/**
 * Loads what keeps the state of a rule small.
 *
 * @param slots that may be needed
 * @throws DownhillError OPTION-RANGE for a rule that cannot
 */
export async function loadPacked(
  row: RuleRow,
  slots: readonly string[],
  asked: StateEncoding,
  seeds: readonly number[],
): Promise<(buffers: BufferSet, space: Space, groups: readonly Group[]) => Packed> {
  const encoding = encodingsOf(row, slots, asked);
  const shaders = await packedShaders[row.shader.name]![asked === '8bit' ? 8 : 16]();
  if (ruleIn(shaders.walk.code) !== ruleIn(row.shader.code)) {
    throw new DownhillError(
      'OPTION-RANGE',
      `state is ${show(asked)}, but the kernel of ${row.name} is not the one that is known as ${row.shader.name}.`,
      "Leave state out: 'f32'.",
    );
  }
  return (buffers, space, groups) =>
    new PackedState(buffers, { row, space, groups, slots, asked, encoding, shaders, seeds });
}

interface PackedOptions {
  readonly row: RuleRow;
  readonly space: Space;
  readonly groups: readonly Group[];
  readonly slots: readonly string[];
  readonly asked: StateEncoding;
  readonly encoding: (slot: string) => Slot['encoding'];
  readonly shaders: PackedShaders;
  readonly seeds: readonly number[];
}

class PackedState implements Packed {
  readonly forms = packedForms;
  readonly encodings: Readonly<Record<string, StateEncoding>>;
  readonly bytesPerElement: number;
  readonly bytes: number;
  readonly #buffers: BufferSet;
  readonly #options: PackedOptions;
  readonly #slots: readonly Slot[];
  /** By span: [replicas, blocks, scaled slots of the kernel]. */
  readonly #scales: readonly (BufferRange | undefined)[];
  /** By span. */
  readonly #blocks: readonly (readonly Placed[])[];
  /** Scales of a block: those of slots that are off have room, too. */
  readonly #perBlock: number;

  constructor(buffers: BufferSet, options: PackedOptions) {
    const { row, space, groups, slots, encoding } = options;
    this.#buffers = buffers;
    this.#options = options;
    const firstOf = firstBlocks(space);
    const frozen = new Set(groups.filter((group) => group.frozen).flatMap(({ tensors }) => tensors));
    this.#blocks = space.spans.map(({ parts }) =>
      parts.filter(({ tensor }) => !frozen.has(tensor)).flatMap((part) => blocksOf(part, firstOf)),
    );
    const known = allSlots(row.shader).filter((slot) => Object.hasOwn(row.encodings!, slot));
    const scaled = known.filter((slot) => options.asked !== 'bf16' && encoding(slot) !== 'bf16');
    this.#perBlock = scaled.length;
    const make = (name: string, i: number, each: number) => {
      const bytes = each * space.replicas * this.#blocks[i]!.length;
      return range(buffers.storage(`${name}-${i}`, bytes), 0, bytes);
    };
    this.#slots = slots.map((name) => ({
      name,
      encoding: encoding(name),
      positive: row.encodings![name]!.startsWith('positive'),
      words: space.spans.map((_, i) => make(name, i, PACKED_BLOCK * bytesOf(encoding(name)))),
      scale: scaled.includes(name) ? scaled.indexOf(name) : undefined,
    }));
    this.#scales = space.spans.map((_, i) => (scaled.length > 0 ? make('scales', i, 4 * scaled.length) : undefined));
    this.encodings = Object.fromEntries(this.#slots.map((slot) => [slot.name, slot.encoding]));
    const perBlock = this.#slots.reduce(
      (sum, slot) => sum + PACKED_BLOCK * bytesOf(slot.encoding) + (slot.scale === undefined ? 0 : 4),
      0,
    );
    this.bytesPerElement = perBlock / PACKED_BLOCK;
    this.bytes = [...this.#slots.flatMap(({ words }) => words), ...this.#scales].reduce(
      (sum, each) => sum + (each?.size ?? 0),
      0,
    );
    this.#fill();
  }

  /** State starts at 0, which all words are, unless the rule says otherwise. */
  #fill(): void {
    const { row, groups } = this.#options;
    for (const slot of this.#slots) {
      for (const { tensors, rules } of groups) {
        for (const [replica, { hyper }] of rules.entries()) {
          const value = row.initial?.(slot.name, hyper) ?? 0;
          if (value !== 0) this.#fillTensors(slot, tensors, replica, value);
        }
      }
    }
  }

  #fillTensors(slot: Slot, tensors: readonly string[], replica: number, value: number): void {
    const { queue } = this.#buffers.device;
    const { word, scale } = encodeConstant(slot.encoding, value, slot.positive);
    for (const [i, blocks] of this.#blocks.entries()) {
      for (const { part, first, count } of runsOf(blocks)) {
        if (!tensors.includes(part.tensor)) continue;
        const own = replica * blocks.length + first;
        const size = PACKED_BLOCK * bytesOf(slot.encoding);
        queue.writeBuffer(slot.words[i]!.buffer, own * size, new Uint32Array((count * size) / 4).fill(word));
        if (slot.scale === undefined) continue;
        for (let b = 0; b < count; b++) {
          const at = 4 * ((own + b) * this.#perBlock + slot.scale);
          queue.writeBuffer(this.#scales[i]!.buffer, at, new Float32Array([scale]));
        }
      }
    }
  }

  /** The words of a slot, and the scales of all, part by part of each tensor: they fit any memory. */
  ranges(replica?: number): NamedRange[] {
    const { space } = this.#options;
    const replicas = replica === undefined ? [...Array(space.replicas).keys()] : [replica];
    return replicas.flatMap((r) => {
      const suffix = replica === undefined && space.replicas > 1 ? `@${r}` : '';
      return this.#blocks.flatMap((blocks, i) =>
        runsOf(blocks).flatMap(({ part, first, count }) => {
          const name = nameOf(space, part) + suffix;
          const own = r * blocks.length + first;
          const piece = (slot: string, { buffer }: BufferRange, bytes: number): NamedRange => ({
            name: `${slot}.${name}`,
            buffer,
            offset: own * bytes,
            size: count * bytes,
          });
          const words = this.#slots.map((slot) =>
            piece(slot.name, slot.words[i]!, PACKED_BLOCK * bytesOf(slot.encoding)),
          );
          const scales = this.#scales[i];
          return scales ? [...words, piece('scale', scales, 4 * this.#perBlock)] : words;
        }),
      );
    });
  }

  async read(replica: number): Promise<PackedWords> {
    const ranges = this.ranges(replica);
    const { device, label } = this.#buffers;
    const copies = await readRanges(device, label, ranges);
    const words = ranges.map(({ name }, i): [string, Uint32Array] => [name, new Uint32Array(copies[i]!)]);
    return { encoding: this.#options.asked, words: Object.fromEntries(words) };
  }

  check(given: PackedWords | undefined): void {
    const { asked } = this.#options;
    if (given?.encoding !== asked)
      throw mismatch(`is kept in ${given ? show(given.encoding) : "'f32'"}, here in ${show(asked)}`);
    const ranges = this.ranges(0);
    const names = Object.keys(Object(given.words));
    if (names.length !== ranges.length)
      throw mismatch(`has the words of ${names.length} pieces, here are ${ranges.length}`);
    for (const { name, size } of ranges) {
      const words: unknown = Object.hasOwn(given.words, name) ? given.words[name] : undefined;
      if (!(words instanceof Uint32Array) || words.byteLength !== size)
        throw mismatch(`needs ${size / 4} words as ${show(name)}, a Uint32Array`);
    }
  }

  load({ words }: PackedWords, replica: number): void {
    for (const { name, buffer, offset } of this.ranges(replica)) {
      // A copy: the words may lie in shared memory, which WebGPU does not take.
      this.#buffers.device.queue.writeBuffer(buffer, offset, new Uint32Array(words[name]!));
    }
  }

  /** The update of a source's tensors: what vec4s fit, and the rest. */
  update(updater: Updater, { hyper, tables }: StepParts, from: BoundSource): Op[] {
    const { span: i } = from;
    const unit = from.unitOf(from.parts[0]!.tensor);
    const { space, row, shaders, slots, asked } = this.#options;
    const blocks = this.#blocks[i]!;
    if (blocks.length === 0) return [];
    const { param, grad, shared } = bindingsOf(updater, from);
    const mine = new Set(from.parts.map(({ tensor }) => tensor));
    const rowOf = groupIndex(this.#options.groups);
    const placed = blocks.map(
      ({ part, number, at, elements }): PackedBlock => ({
        number,
        param: param.first + at,
        grad: grad.first + at,
        // Those of other sources are of nobody here.
        elements: mine.has(part.tensor) ? elements : 0,
        row: rowOf(part.tensor),
      }),
    );
    // A padded span's last vec4 may reach into its padding.
    const fits = (block: PackedBlock) =>
      block.elements > 0 &&
      !shared &&
      block.param % 4 === 0 &&
      block.grad % 4 === 0 &&
      (space.padded || block.elements % 4 === 0);
    const whole = placed.filter(fits).length;
    const all = placed.filter(({ elements }) => elements > 0).length;
    if (all === 0) return [];
    const vectors = whole >= FEW || whole === all;
    const inVectors = (block: PackedBlock) => vectors && fits(block);
    const keys = this.#options.seeds.map((seed) => pcgHash(seed, STREAM, 0));
    const buffers = {
      ...{ hyper, param: param.range, grad: shared ? undefined : grad.range },
      ...Object.fromEntries(this.#slots.map(({ name, words }) => [name, words[i]!])),
      scales: this.#scales[i],
    };
    const constants = {
      ...slotFlags(row, slots),
      ...(asked === '8bit' ? {} : { F16: asked === 'f16' }),
      ...{ FIXED: unit !== undefined, ZERO: from.zero },
    };
    const op = (
      kind: 'update-packed' | 'update-packed-range',
      takes: (block: PackedBlock) => boolean,
      name: string,
    ) => {
      const own = placed.map((block) => (takes(block) ? block : { ...block, param: 0, grad: 0, elements: 0 }));
      const words = packedTable(own, keys, unit ?? 1, kind === 'update-packed');
      return updatePacked({
        kind,
        label: `${spanName(updater.options, 'update', from)}${name}`,
        shape: {
          shaders,
          blocks: blocks.length,
          constants: kind === 'update-packed' ? constants : { ...constants, SHARED: shared },
        },
        buffers: { ...buffers, table: range(tables.upload(`blocks-${i}${name}`, words)) },
        replicas: space.replicas,
      });
    };
    const rest = placed.some((block) => block.elements > 0 && !inVectors(block));
    return [
      ...(vectors ? [op('update-packed', inVectors, '')] : []),
      ...(rest ? [op('update-packed-range', (block) => !inVectors(block), vectors ? '-rest' : '')] : []),
    ];
  }
}

const mismatch = (what: string) =>
  new DownhillError('STATE-MISMATCH', `The state ${what}.`, 'Load a state of the same rule, tensors and encoding.');

/** Where parameters and gradients are bound: one binding where two would share bytes. */
function bindingsOf({ buffers, options }: Updater, grad: BoundSource) {
  const param = bind(buffers.device, options.param.ranges[grad.span]!);
  const shared = grad.range.buffer === param.range.buffer && touches(grad.range, param.range);
  if (!shared) return { param, grad, shared };
  const union = unite(param.range, grad.range);
  const shift = ({ range: own, first }: Pick<BoundSource, 'range' | 'first'>) =>
    first + (own.offset - union.offset) / 4;
  return { param: { range: union, first: shift(param) }, grad: { range: union, first: shift(grad) }, shared };
}

/** The number of each tensor's first block. */
function firstBlocks({ tensors }: Space): (tensor: string) => number {
  let next = 0;
  const first = new Map<string, number>();
  for (const tensor of tensors) {
    first.set(tensor.name, next);
    // A tensor that is cut where a limit asks has a block more for each cut, at most as many as it has.
    next += 2 * Math.ceil(elementsOf(tensor) / PACKED_BLOCK);
  }
  return (tensor) => first.get(tensor)!;
}

function blocksOf(part: Part, firstOf: (tensor: string) => number): Placed[] {
  return Array.from({ length: Math.ceil(part.elements / PACKED_BLOCK) }, (_, b) => ({
    part,
    number: firstOf(part.tensor) + Math.ceil(part.start / PACKED_BLOCK) + b,
    at: part.at + b * PACKED_BLOCK,
    elements: Math.min(PACKED_BLOCK, part.elements - b * PACKED_BLOCK),
  }));
}

/** Neighbouring blocks of one part. */
function runsOf(blocks: readonly Placed[]): { part: Part; first: number; count: number }[] {
  const runs: { part: Part; first: number; count: number }[] = [];
  for (const [first, { part }] of blocks.entries()) {
    const last = runs.at(-1);
    if (last?.part === part) last.count++;
    else runs.push({ part, first, count: 1 });
  }
  return runs;
}

/** Of a tensor that is cut, with where the part begins. */
const nameOf = (space: Space, { tensor, start }: Part) =>
  space.partsOf(tensor).length > 1 ? `${tensor}[${start}:]` : tensor;
