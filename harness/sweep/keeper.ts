/** Where workers keep checkpoints: a folder here; a store of objects (S3 and its kin) fits behind the same four functions. */
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolder, readPlainFileSync } from '../../src/node/index.js';
import { outputError } from '../common/output.js';
import { writeWhole } from '../common/whole-file.js';

export interface Keeper {
  /** Keeps bytes under a key, whole or not at all. */
  put(key: string, bytes: Uint8Array): void | Promise<void>;
  /** Undefined where there is nothing. */
  get(key: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Keys that begin so: a path that ends with '/'. */
  list(prefix: string): readonly string[] | Promise<readonly string[]>;
  remove(key: string): void | Promise<void>;
}

/** Keys are paths in the folder. @throws DownhillError OUTPUT-UNWRITABLE where one cannot be kept */
export function folderKeeper(root: string): Keeper {
  const pathOf = (key: string) => join(root, ...key.split('/'));
  return {
    put(key, bytes) {
      try {
        makeFolder(dirname(pathOf(key)));
        writeWhole(pathOf(key), bytes);
      } catch (cause) {
        throw outputError(
          root,
          cause,
          undefined,
          'Make room there, or change --checkpoints; then start the worker again: it goes on.',
        );
      }
    },
    get: (key) => readOrNothing(() => readPlainFileSync(pathOf(key))),
    list: (prefix) => (readOrNothing(() => readdirSync(pathOf(prefix))) ?? []).map((name) => prefix + name),
    remove: (key) => rmSync(pathOf(key), { force: true }),
  };
}

function readOrNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    // Where a part of the path is a file there is nothing, either: `put` says so.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** A checkpoint of one seed of a trial: its step, and the attempt that wrote it, so that two that run at once never write one file. */
interface Place {
  readonly key: string;
  readonly step: number;
}

/** The checkpoints of one sweep: of every trial and seed the latest step is enough. */
export class Checkpoints {
  constructor(
    readonly keeper: Keeper,
    readonly sweep: string,
  ) {}

  #folder = (trial: number, seed: number): string => `${this.sweep}/${trial}-${seed}/`;

  async #places(trial: number, seed: number): Promise<Place[]> {
    const keys = await this.keeper.list(this.#folder(trial, seed));
    return keys
      .flatMap((key) => {
        const [, step] = /\/(\d+)-[\w-]+\.safetensors$/.exec(key) ?? [];
        return step === undefined ? [] : [{ key, step: Number(step) }];
      })
      .sort((a, b) => b.step - a.step);
  }

  /** The latest one that is not beyond `to`. */
  async latest(trial: number, seed: number, to: number): Promise<Uint8Array | undefined> {
    for (const { key } of (await this.#places(trial, seed)).filter(({ step }) => step <= to)) {
      const bytes = await this.keeper.get(key);
      if (bytes) return bytes;
    }
    return undefined;
  }

  /** @param attempt a word of its own for every attempt of every worker */
  async keep(trial: number, seed: number, step: number, attempt: string, bytes: Uint8Array): Promise<void> {
    const key = `${this.#folder(trial, seed)}${step}-${attempt}.safetensors`;
    await this.keeper.put(key, bytes);
    // Those before it only after it is safe.
    for (const old of await this.#places(trial, seed))
      if (old.key !== key && old.step <= step) await this.keeper.remove(old.key);
  }
}
