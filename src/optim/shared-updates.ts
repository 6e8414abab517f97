import { ALIGNMENT, type BufferRange, type BufferSet, range, roundUp } from '../gpu/buffers.js';
import { CLOCK_BYTES, type Clock } from '../kernels/advance.js';
import { clocks, clocksForms } from '../kernels/clocks.js';
import type { Form, Op } from '../kernels/op.js';
import { makeSpace, type PlacedVector, type Space, type Vector } from '../space/space.js';
import type { Copies, Json, NamedRange } from '../space/stateful.js';
import type { Group } from './group.js';
import type { Ahead, Minimizer, MinimizerMemory } from './minimizer.js';
import type { Rule, RuleRow } from './rule.js';
import type { Rates } from './scalars.js';
import { Updater, type UpdaterOptions } from './updater.js';

/*
 * Several rules for one objective: each updates some replicas, a run of them along the replica axis. Their gradients come from the
 * same dispatches; each rule has an updater of its own, on its slice of parameters and gradients. Loaded where there are several.
 */

/** A rule's replicas, as many as a group has rules. They follow those of the share before. */
export interface RuleShare {
  readonly row: RuleRow;
  readonly groups: readonly Group[];
}

/** An updater, and the replicas it is for. */
export interface ReplicaUpdater {
  readonly updater: Updater;
  /** Its first replica among all. */
  readonly first: number;
}

/** Replicas of a space, from one on. */
function subspace({ padded, tensors, spans }: Space, replicas: number): Space {
  return makeSpace({ replicas, padded, tensors, spans });
}

/** The same replicas of a vector. Spans are multiples of 64 elements, so these begin where bindings may. */
const slice = ({ spans }: Space, { name, ranges }: Vector, first: number, replicas: number): Vector => ({
  name,
  ranges: ranges.map(({ buffer, offset }, span) => {
    const bytes = 4 * spans[span]!.elements;
    return { buffer, offset: offset + first * bytes, size: replicas * bytes };
  }),
});

/** All of them as one. */
export class SharedUpdates implements Minimizer<Rule> {
  readonly key = 'optimizer';
  readonly replicas: number;
  readonly clock: BufferRange;
  readonly scalars: Ahead<Rule>;
  readonly gradient: Vector;
  readonly updaters: readonly ReplicaUpdater[];
  readonly ops: readonly Op[];
  /** After a validation, which may have halted some. */
  readonly judged: readonly Op[];
  readonly forms: readonly Form[];

  /** @param options of all replicas; rows, groups and seeds are the shares' own */
  constructor(
    readonly buffers: BufferSet,
    options: UpdaterOptions,
    shares: readonly RuleShare[],
  ) {
    const { label, space, param, grad, seeds } = options;
    this.replicas = space.replicas;
    this.gradient = grad;
    const sizes = shares.map(({ groups }) => groups[0]!.rules.length);
    const at = sizes.map((_, i) =>
      sizes.slice(0, i).reduce((sum, size) => sum + roundUp(CLOCK_BYTES * size, ALIGNMENT), 0),
    );
    const own = range(buffers.storage('clocks', at.at(-1)! + CLOCK_BYTES * sizes.at(-1)!));
    this.clock = range(buffers.storage('clock', CLOCK_BYTES * this.replicas), 0, CLOCK_BYTES * this.replicas);
    const place = new Uint32Array(this.replicas);
    let first = 0;
    this.updaters = shares.map(({ row, groups }, i) => {
      const size = sizes[i]!;
      const updater = new Updater(buffers, {
        ...options,
        ...{ label: `${label}/${row.name}`, row, groups },
        space: subspace(space, size),
        param: slice(space, param, first, size),
        grad: slice(space, grad, first, size),
        clock: { buffer: own.buffer, offset: at[i]!, size: CLOCK_BYTES * size },
        ...(seeds && { seeds: seeds.slice(first, first + size) }),
      });
      for (let replica = 0; replica < size; replica++) place[first + replica] = at[i]! / CLOCK_BYTES + replica;
      const made = { updater, first };
      first += size;
      return made;
    });
    const operands = { place: range(buffers.upload('clock-places', place)), own, all: this.clock };
    const op = (name: string, back: boolean) => clocks(`${label}/${name}`, { count: this.replicas, back }, operands);
    this.ops = [...this.updaters.flatMap(({ updater }) => updater.ops), op('clocks', false)];
    this.judged = [op('clocks-back', true)];
    this.forms = [...clocksForms, ...this.updaters.flatMap(({ updater }) => updater.packed?.forms ?? [])];
    this.scalars = new SharedScalars(this.updaters);
    this.follow();
  }

  get copies(): readonly Vector[] {
    return []; // each of a slice: `follow` has them
  }

  /** What starts as the parameters becomes them. */
  follow(): void {
    const encoder = this.buffers.device.createCommandEncoder({ label: `downhill:${this.buffers.label}/follow` });
    for (const { updater } of this.updaters) {
      for (const copy of updater.copies) {
        for (const [i, { buffer, offset, size }] of updater.options.param.ranges.entries())
          encoder.copyBufferToBuffer(buffer, offset, copy.ranges[i]!.buffer, copy.ranges[i]!.offset, size);
      }
    }
    this.buffers.device.queue.submit([encoder.finish()]);
  }

  set(options: unknown, names?: unknown): void {
    for (const { updater } of this.updaters) updater.set(options, names);
  }

  memory(): MinimizerMemory {
    const own = this.updaters.map(({ updater }) => updater.memory());
    return {
      encodings: Object.assign({}, ...own.map(({ encodings }) => encodings)),
      gradients: own.reduce((sum, { gradients }) => sum + gradients, 0),
      state: own.reduce((sum, { state }) => sum + state, 0),
    };
  }

  vectors(): readonly PlacedVector[] {
    return this.updaters.flatMap(({ updater }) => updater.vectors());
  }

  ranges(): readonly NamedRange[] {
    return [
      { name: 'clock', ...this.clock },
      ...this.updaters.flatMap(({ updater }) =>
        updater.ranges().map((each) => ({ ...each, name: named(updater, each) })),
      ),
    ];
  }

  host(copies: Copies): Json {
    return this.updaters.map(({ updater }) => updater.host(copiesOf(updater, copies)));
  }

  load(host: Json, copies: Copies): void {
    for (const [i, { updater }] of this.updaters.entries())
      updater.load((host as readonly Json[])[i]!, copiesOf(updater, copies));
  }
}

const named = ({ options }: Updater, { name }: NamedRange) => `${options.row.name}.${name}`;

const copiesOf = (updater: Updater, copies: Copies): Copies =>
  new Map(updater.ranges().map((each) => [each.name, copies.get(named(updater, each))!]));

/** The records of several rings, by replica of all: as many for each as the rule with most groups has. */
class SharedScalars implements Ahead<Rule> {
  readonly #updaters: readonly ReplicaUpdater[];

  constructor(updaters: readonly ReplicaUpdater[]) {
    this.#updaters = updaters;
  }

  get issued(): number {
    return Math.max(...this.#updaters.map(({ updater }) => updater.scalars.issued));
  }

  get rules(): readonly Rule[] {
    const most = Math.max(...this.#updaters.map(({ updater }) => updater.groups.length));
    return Array.from({ length: most }, (_, group) =>
      this.#updaters.flatMap(({ updater: { scalars, groups, replicas } }) => {
        const at = Math.min(group, groups.length - 1) * replicas;
        return scalars.rules.slice(at, at + replicas);
      }),
    ).flat();
  }

  /** As many as all rings have records for. */
  issue(attempts: number, bounded = false): number {
    const ready = this.#updaters.reduce((most, { updater }) => {
      return most === 0 ? 0 : Math.min(most, updater.scalars.ready(most, bounded));
    }, attempts);
    if (ready > 0) for (const { updater } of this.#updaters) updater.scalars.issue(ready, bounded);
    return ready;
  }

  rates(): Rates {
    const rings = this.#updaters.flatMap(({ updater, first }) => {
      const rates = updater.scalars.rates();
      return Array.from({ length: updater.replicas }, () => ({ rates, first }));
    });
    return (replica, count) => rings[replica]!.rates(replica - rings[replica]!.first, count);
  }

  see(clocks: readonly Clock[]): void {
    for (const { updater, first } of this.#updaters) updater.scalars.see(clocks.slice(first, first + updater.replicas));
  }

  change(rules: readonly Rule[]): void {
    const all = rules.length / this.#replicas;
    for (const { updater, first } of this.#updaters) {
      const { groups, replicas, scalars } = updater;
      const own = groups.flatMap((_, group) => {
        const at = Math.min(group, all - 1) * this.#replicas + first;
        return rules.slice(at, at + replicas);
      });
      scalars.change(own);
    }
  }

  get #replicas(): number {
    return this.#updaters.reduce((sum, { updater }) => sum + updater.replicas, 0);
  }
}
