/**
 * Checkpoints of a training, one file each, the newest few kept: what a folder on a disk and a browser's own file system
 * have in common. Bytes go in and the same bytes come out; what they mean is the caller's.
 */
import { DownhillError, show } from '../gpu/errors.js';
import { checkFlag, checkInteger, checkOptions } from '../gpu/fields.js';
import { decodeSafetensors } from '../train/safetensors.js';

/** Options of a store. */
export interface StoreOptions {
  /** How many checkpoints stay; older ones are removed after each save. Default 3, at least 1. */
  readonly keep?: number;
  /** Looks only: takes no lock, so another may write meanwhile, and `save` and `clear` are refused. Default false. */
  readonly readOnly?: boolean;
  /** Throws where `bytes` are damaged. Default: reads them as safetensors, with the checksum that ours have. */
  readonly verify?: (bytes: Uint8Array) => unknown;
}

/** A checkpoint that is there. */
export interface StoredCheckpoint {
  readonly step: number;
  /** Its file: 'step-000123.safetensors'. */
  readonly name: string;
}

/** A checkpoint as it was read. */
export interface FoundCheckpoint extends StoredCheckpoint {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Newer ones that are damaged and were passed over, newest first: what is wrong with each. Empty as a rule. */
  readonly damaged: readonly DamagedCheckpoint[];
}

export interface DamagedCheckpoint extends StoredCheckpoint {
  readonly problem: DownhillError;
}

/** What came of a save. */
export interface SavedCheckpoint extends StoredCheckpoint {
  /** False where the checkpoint could not be written; those from before are as they were. */
  readonly saved: boolean;
  /** Why not (STORE-FULL, STORE-UNWRITABLE): the first time only, until a save succeeds again. Tell it and go on training. */
  readonly problem?: DownhillError;
}

/** Checkpoints of one training, by step. */
export interface CheckpointStore {
  /**
   * Saves one checkpoint, whole or not at all: a process or a tab that ends in the middle leaves what was there before.
   * Saves queue up; the bytes must stay as they are until it is done. A full disk is no error but a `problem` of the result.
   *
   * @throws DownhillError OPTION-* for what cannot be saved; STORE-ORDER where a later step is there that this store did not
   *   write: it belongs to another training, and `clear` is how to say so.
   */
  save(bytes: Uint8Array, at: { readonly step: number }): Promise<SavedCheckpoint>;
  /**
   * The newest checkpoint that is whole; undefined where there is none at all. Damaged ones are passed over and named in
   * `damaged`, and go with the next save.
   *
   * @throws DownhillError CHECKPOINT-CORRUPT where there are checkpoints and all are damaged; STORE-UNREADABLE.
   */
  latest(): Promise<FoundCheckpoint | undefined>;
  /** Those that are there, newest first, unread. */
  list(): Promise<readonly StoredCheckpoint[]>;
  /** Removes all checkpoints, or those of steps after `after`: to go back on purpose, or to train anew. */
  clear(options?: { readonly after?: number }): Promise<void>;
  /** Ends what is being saved and lets others write. */
  close(): Promise<void>;
}

/** The files of one store. Names are this module's; errors are the system's. */
export interface CheckpointFiles {
  /** For messages: 'the folder runs/a'. */
  readonly where: string;
  names(): Promise<string[]>;
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Under its name only when it is whole and on the disk. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
  /** What an error of the system says in words; whether room is what lacks. */
  explain(error: unknown): { readonly why: string; readonly full: boolean };
  /** Gives the lock back. */
  release(): Promise<void>;
}

const STORE_OPTIONS = ['keep', 'readOnly', 'verify'] as const;

/** @throws DownhillError OPTION-* */
export function checkStoreOptions(where: string, options: StoreOptions) {
  checkOptions(where, options, STORE_OPTIONS);
  const { keep = 3, readOnly = false, verify = decodeSafetensors } = options;
  if (typeof verify !== 'function') {
    throw new DownhillError(
      'OPTION-TYPE',
      `verify must be a function of bytes, got ${show(verify)}.`,
      'Pass a function that throws where the bytes are damaged.',
    );
  }
  return { keep: checkInteger('keep', keep, 1), readOnly: checkFlag('readOnly', readOnly), verify };
}

const SUFFIX = '.safetensors';
/** Six digits, more where they are needed: names sort by step as long as they are of one length, and `order` always does. */
const nameOf = (step: number) => `step-${String(step).padStart(6, '0')}${SUFFIX}`;
const stepOf = (name: string): number | undefined => {
  const digits = /^step-(\d{6,16})\.safetensors$/.exec(name)?.[1];
  return digits !== undefined && nameOf(Number(digits)) === name ? Number(digits) : undefined;
};

/** Newest first. */
const order = (names: readonly string[]): StoredCheckpoint[] =>
  names
    .flatMap((name) => {
      const step = stepOf(name);
      return step === undefined ? [] : [{ step, name }];
    })
    .sort((a, b) => b.step - a.step);

/** A store over `files`, whose lock it holds unless it is `readOnly`. */
export function makeStore(
  files: CheckpointFiles,
  { keep, readOnly, verify }: ReturnType<typeof checkStoreOptions>,
): CheckpointStore {
  /** Names that were found damaged. */
  const damaged = new Set<string>();
  /** Names that were read or written here: of this training. */
  const own = new Set<string>();
  let failing = false;
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();

  /** One at a time: two saves at once would each count the other's file. */
  const queue = <T>(action: () => Promise<T>): Promise<T> => {
    if (closed) return Promise.reject(closedError(files));
    const done = last.then(action);
    last = done.catch(() => {});
    return done;
  };
  const list = async () => {
    try {
      return order(await files.names());
    } catch (error) {
      throw unreadable(files, error);
    }
  };
  const read = async ({ name }: StoredCheckpoint) => {
    const bytes = await files.read(name).catch((error) => {
      throw unreadable(files, error, name);
    });
    try {
      if (bytes.length === 0) throw new Error('it is empty.');
      verify(bytes);
    } catch (error) {
      throw corrupt(name, error);
    }
    return bytes;
  };

  async function save(bytes: Uint8Array, step: number): Promise<SavedCheckpoint> {
    const name = nameOf(step);
    const stranger = (await list()).find((each) => each.step > step && !own.has(each.name) && !damaged.has(each.name));
    if (stranger) throw orderError(files, step, stranger);
    try {
      await files.write(name, bytes);
    } catch (error) {
      const problem = failing ? undefined : unwritable(files, name, error);
      failing = true;
      return { saved: false, step, name, ...(problem && { problem }) };
    }
    failing = false;
    damaged.delete(name);
    own.add(name);
    await tidy(step);
    return { saved: true, step, name };
  }

  /** Removes what is older than the last few, what is damaged, and what a training wrote before it went back to `step`. */
  async function tidy(step: number): Promise<void> {
    const there = await files.names().then(order, () => []);
    const sound = there.filter((each) => each.step <= step && !damaged.has(each.name));
    const stay = new Set(sound.slice(0, keep).map(({ name }) => name));
    // What cannot be removed now goes another time: the checkpoint itself is safe.
    for (const { name } of there) if (!stay.has(name)) await files.remove(name).catch(() => {});
  }

  return {
    async save(bytes, at) {
      checkOptions('save', at, ['step']);
      const step = checkInteger('step', at.step, 0);
      if (!(bytes instanceof Uint8Array) || bytes.length === 0) {
        throw new DownhillError(
          'OPTION-TYPE',
          `save takes the bytes of a checkpoint, got ${show(bytes)}.`,
          'Pass await trainer.checkpoint().',
        );
      }
      if (readOnly) throw readOnlyError(files);
      return queue(() => save(bytes, step));
    },
    latest: () =>
      queue(async () => {
        const passed: DamagedCheckpoint[] = [];
        for (const each of await list()) {
          try {
            const bytes = await read(each);
            own.add(each.name);
            return { ...each, bytes, damaged: passed };
          } catch (error) {
            if ((error as DownhillError).code !== 'CHECKPOINT-CORRUPT') throw error;
            damaged.add(each.name);
            passed.push({ ...each, problem: error as DownhillError });
          }
        }
        if (passed.length > 0) throw allDamaged(files, passed);
        return undefined;
      }),
    list: () => queue(list),
    async clear(options = {}) {
      checkOptions('clear', options, ['after']);
      const after = options.after === undefined ? -1 : checkInteger('after', options.after, 0);
      if (readOnly) throw readOnlyError(files);
      await queue(async () => {
        for (const { name, step } of await list()) {
          if (step <= after) continue;
          await files.remove(name).catch((error) => {
            throw unwritable(files, name, error);
          });
        }
      });
    },
    async close() {
      if (closed) return;
      closed = true;
      await last;
      await files.release();
    },
  };
}

/** An error's own words, without code and fix where it is one of ours. */
const saidBy = (error: unknown) =>
  error instanceof DownhillError
    ? error.message.replace(` [${error.code}] ${error.fix}`, '')
    : (error as Error).message;

const corrupt = (name: string, cause: unknown) =>
  new DownhillError('CHECKPOINT-CORRUPT', `${name} is damaged: ${saidBy(cause)}`, 'Use the one before.', cause);

function allDamaged({ where }: CheckpointFiles, damaged: readonly DamagedCheckpoint[]): DownhillError {
  const names = damaged.map(({ name }) => name).join(', ');
  const cause = damaged[0]!.problem;
  return new DownhillError(
    'CHECKPOINT-CORRUPT',
    `All checkpoints in ${where} are damaged (${names}). ${saidBy(cause)}`,
    'Train anew, or put back a copy of a checkpoint.',
    cause,
  );
}

function unwritable(files: CheckpointFiles, name: string, cause: unknown): DownhillError {
  const { why, full } = files.explain(cause);
  return new DownhillError(
    full ? 'STORE-FULL' : 'STORE-UNWRITABLE',
    `The checkpoint ${name} is not saved in ${files.where}: ${why}. Those from before are as they were.`,
    full ? 'Make room; the next save tries again.' : 'See to it; the next save tries again.',
    cause,
  );
}

function unreadable(files: CheckpointFiles, cause: unknown, name?: string): DownhillError {
  const what = name === undefined ? files.where : `${name} in ${files.where}`;
  return new DownhillError(
    'STORE-UNREADABLE',
    `${what} cannot be read: ${files.explain(cause).why}.`,
    'See to it that it can be read.',
    cause,
  );
}

const orderError = ({ where }: CheckpointFiles, step: number, { name }: StoredCheckpoint) =>
  new DownhillError(
    'STORE-ORDER',
    `A checkpoint of step ${step} is to be saved, but ${where} has a later one of another training: ${name}.`,
    `Restore the newest first (await store.latest()), use another store, or call store.clear({ after: ${step} }).`,
  );

const readOnlyError = ({ where }: CheckpointFiles) =>
  new DownhillError('OPTION-RANGE', `The store of ${where} was opened with readOnly.`, 'Open it without.');

const closedError = ({ where }: CheckpointFiles) =>
  new DownhillError('RUN-DESTROYED', `The store of ${where} is closed.`, 'Open it again.');

/** For messages of whoever opens a store. */
export const busyError = (where: string, holder?: string, more = '') =>
  new DownhillError(
    'STORE-BUSY',
    `Another training writes its checkpoints into ${where}${holder ? ` (${holder})` : ''}.`,
    `Use another one, wait for that training to end, or open it with readOnly: true${more}.`,
  );
