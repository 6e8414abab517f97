/**
 * What rules carry from update to update on the host (a product of momenta, the sum of squared rates), by update and record:
 * as many updates as the ring of records holds, in which steps that were issued find theirs again.
 */
export class Carries {
  /** Numbers that a rule carries; 0 of most. */
  readonly width: number;
  /** The last update whose carries are known. */
  known = 0;
  readonly #values: Float64Array;
  readonly #records: number;
  readonly #updates: number;
  /** By record, where its replica is halted: what it carried then. */
  readonly #kept = new Map<number, readonly number[]>();

  /** @param start what every rule carries to its first update */
  constructor(updates: number, records: number, start: readonly number[]) {
    this.width = start.length;
    this.#records = records;
    this.#updates = updates;
    this.#values = Float64Array.from({ length: updates * records * this.width }, (_, i) => start[i % this.width]!);
  }

  /** What a record's rule carries to an update that is not older than the ring. */
  at(record: number, count: number): readonly number[] {
    return this.#kept.get(record) ?? [...this.#in(this.#values, record, count)];
  }

  set(record: number, count: number, carry: readonly number[]): void {
    this.#in(this.#values, record, count).set(carry);
  }

  /** {@link at} as it is now, whatever is set later. */
  snapshot(): (record: number, count: number) => readonly number[] {
    const values = this.#values.slice();
    const kept = new Map(this.#kept);
    return (record, count) => kept.get(record) ?? [...this.#in(values, record, count)];
  }

  /** A record carries what it does to this update, for as long as it is not let go on. */
  keep(record: number, count: number): void {
    this.#kept.set(record, this.at(record, count));
  }

  letGo(record: number): void {
    this.#kept.delete(record);
  }

  letAllGo(): void {
    this.#kept.clear();
  }

  #in(values: Float64Array, record: number, count: number): Float64Array {
    const at = ((count % this.#updates) * this.#records + record) * this.width;
    return values.subarray(at, at + this.width);
  }
}
