import { type BufferRange, BufferSet, guarded } from '../gpu/buffers.js';
import { USAGE } from '../gpu/constants.js';
import { untilLost } from '../gpu/lost.js';
import { createPasses, encodePass, type Pass, type PassSpec } from '../gpu/passes.js';
import { intervalsOf, PassTimer } from '../gpu/timing.js';
import type { AdvanceOp } from '../kernels/advance.js';
import type { Op } from '../kernels/op.js';
import { RECORD_WORDS } from '../kernels/update.js';

/** What the words of per-step scalars hold: as a rate, a decay or an epsilon good enough to move nothing far. */
const SCALAR = 1e-3;

/** Copies of what dispatches write, and the time that dispatches take on them. */
export class Stage {
  readonly #device: GPUDevice;
  readonly #copies = new Map<GPUBuffer, GPUBuffer>();
  readonly #timer: PassTimer | undefined;
  /** The clock of updates: starts anew with every batch, since rows of scalars last for so many. */
  #clock: GPUBuffer | undefined;

  /** @throws DownhillError GPU-OUT-OF-MEMORY */
  static async create(device: GPUDevice, label: string): Promise<Stage> {
    const buffers = new BufferSet(device, `${label}-tune`);
    if (!device.features.has('timestamp-query')) return new Stage(buffers, undefined);
    const made: PassTimer[] = [];
    try {
      await guarded(device, label, () => made.push(new PassTimer(device, buffers.label, 1)));
      return new Stage(buffers, made[0]);
    } catch (error) {
      made[0]?.destroy();
      throw error;
    }
  }

  private constructor(
    /** Gets what is made here. */
    readonly buffers: BufferSet,
    timer: PassTimer | undefined,
  ) {
    this.#device = buffers.device;
    this.#timer = timer;
  }

  destroy(): void {
    this.#timer?.destroy();
    this.buffers.destroy();
  }

  /** The same ops with buffers of their own in place of those that are made when a form asks for them. */
  detached(ops: readonly Op[]): Op[] {
    const own = new Map<BufferRange, BufferRange>();
    const detach = (name: string, given: BufferRange | undefined) => {
      if (!given || !('made' in given)) return given;
      // One for each: forms go by which ops share a range.
      const range = own.get(given) ?? this.buffers.later(name, given.size);
      own.set(given, range);
      return range;
    };
    return ops.map((op) => ({
      ...op,
      buffers: Object.fromEntries(Object.entries(op.buffers).map(([name, given]) => [name, detach(name, given)])),
    }));
  }

  /** Copies every buffer that one of the passes writes. Call it in an error scope. */
  copy(ops: readonly Op[], specs: readonly PassSpec[]): void {
    const encoder = this.#device.createCommandEncoder({ label: this.buffers.label });
    const copy = (buffer: GPUBuffer) => {
      const made =
        this.#copies.get(buffer) ??
        this.buffers.make('copy', buffer.size, buffer.usage | USAGE.COPY_SRC | USAGE.COPY_DST);
      if (!this.#copies.has(buffer) && buffer.usage & USAGE.COPY_SRC)
        encoder.copyBufferToBuffer(buffer, 0, made, 0, buffer.size);
      this.#copies.set(buffer, made);
      return made;
    };
    for (const { shader, buffers } of specs) {
      for (const { name, type } of shader.bindings) {
        const given = buffers[name];
        if (given && type === 'storage') copy(given.buffer);
      }
    }
    const advance = ops.find(({ kind }) => kind === 'advance') as AdvanceOp | undefined;
    if (advance) {
      this.#clock = copy(advance.buffers.clock!.buffer);
      const ring = advance.buffers.ring!;
      this.#copies.set(ring.buffer, this.buffers.upload('ring', rowsOf(advance)));
    }
    this.#device.queue.submit([encoder.finish()]);
  }

  /** Passes on the copies. */
  passes(specs: readonly PassSpec[]): Promise<Pass[]> {
    const move = (range: BufferRange | undefined) =>
      range && { ...range, buffer: this.#copies.get(range.buffer) ?? range.buffer };
    const moved = specs.map((spec) => ({
      ...spec,
      buffers: Object.fromEntries(Object.entries(spec.buffers).map(([name, range]) => [name, move(range)])),
    }));
    return createPasses(this.#device, moved, this.buffers);
  }

  /** Milliseconds of one run of `passes`, the mean over so many in a row: by the GPU's clock, where it tells. */
  async time(passes: readonly Pass[], repeats: number): Promise<number> {
    const { label } = this.buffers;
    const timer = this.#timer;
    const start = performance.now();
    await guarded(this.#device, label, () => {
      const encoder = this.#device.createCommandEncoder({ label });
      if (this.#clock) encoder.clearBuffer(this.#clock);
      const pass = encoder.beginComputePass({ label, ...(timer && { timestampWrites: timer.writes() }) });
      for (let i = 0; i < repeats; i++) for (const each of passes) encodePass(each, pass);
      pass.end();
      timer?.resolve(encoder);
      this.#device.queue.submit([encoder.finish()]);
    });
    const stamps = timer && (await timer.read());
    if (!stamps) await untilLost(this.#device, this.#device.queue.onSubmittedWorkDone());
    const wall = performance.now() - start;
    const [interval] = stamps ? intervalsOf(stamps) : [];
    return (interval && interval[1] > interval[0] ? (interval[1] - interval[0]) / 1e6 : wall) / repeats;
  }
}

/** Rows of per-step scalars, each with its number: an update that finds another number is left out. */
function rowsOf({ shape, buffers, replicas }: AdvanceOp): Uint32Array<ArrayBuffer> {
  const values = new Float32Array(buffers.ring!.buffer.size / 4).fill(SCALAR);
  const words = new Uint32Array(values.buffer);
  const records = shape.groups * replicas;
  for (let record = 0; record < shape.ring * records; record++) {
    words[record * RECORD_WORDS] = Math.floor(record / records);
    words[record * RECORD_WORDS + 1] = 0; // apply it
  }
  return words;
}
