import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { Keeper } from './book.js';
import { type KeptRun, recordOf, runOf } from './record.js';
import type { Run } from './run.js';

/* Runs in the browser's own store (IndexedDB), so that they are there again after a reload. Where it refuses or is full, runs
 * stay in memory, and that is said once. */

interface Schema extends DBSchema {
  runs: { key: string; value: KeptRun };
}

/** A run that goes on is written this often, one that has ended at once. */
const GOING_MS = 10_000;
const ENDED_MS = 0;

export class RunStore implements Keeper {
  readonly #waiting = new Map<Run, ReturnType<typeof setTimeout>>();
  #told = false;

  private constructor(
    private readonly database: IDBPDatabase<Schema>,
    private readonly refused: (why: unknown) => void,
  ) {
    // A page that is left writes what waits; a browser lets begun writes end.
    addEventListener('pagehide', () => {
      for (const run of [...this.#waiting.keys()]) void this.#write(run);
    });
  }

  /** @param refused told once, when something cannot be kept */
  static async open(refused: (why: unknown) => void): Promise<{ store: RunStore; runs: Run[] } | undefined> {
    try {
      const database = await openDB<Schema>('downhill', 1, {
        upgrade: (fresh) => void fresh.createObjectStore('runs', { keyPath: 'id' }),
        // Another tab has a newer page: it must not wait for this one.
        blocking: (_now, _later, event) => (event.target as IDBDatabase).close(),
      });
      const records = await database.getAll('runs');
      const runs = records.map(runOf).filter((run) => run !== undefined);
      runs.sort((a, b) => (a.started < b.started ? -1 : 1));
      return { store: new RunStore(database, refused), runs };
    } catch (error) {
      refused(error);
      return undefined;
    }
  }

  save(run: Run): void {
    const timer = this.#waiting.get(run);
    if (timer !== undefined && run.going) return;
    clearTimeout(timer);
    this.#waiting.set(
      run,
      setTimeout(() => void this.#write(run), run.going ? GOING_MS : ENDED_MS),
    );
  }

  remove(run: Run): void {
    this.#forget(run);
    this.database.delete('runs', run.id).catch((error: unknown) => this.#refuse(error));
  }

  async #write(run: Run): Promise<void> {
    this.#forget(run);
    try {
      await this.database.put('runs', recordOf(run));
    } catch (error) {
      this.#refuse(error);
    }
  }

  #forget(run: Run): void {
    clearTimeout(this.#waiting.get(run));
    this.#waiting.delete(run);
  }

  #refuse(error: unknown): void {
    if (!this.#told) this.refused(error);
    this.#told = true;
  }
}
