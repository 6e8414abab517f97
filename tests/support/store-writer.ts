/**
 * A process that saves checkpoints until it is killed: node store-writer.js FOLDER FIRST-STEP BYTES [LAST-STEP]. It says on
 * stdout what came of each, after it came. tests/support/store-kills.ts builds and starts it.
 */
import { createHash } from 'node:crypto';
import { folderStore } from '../../src/node/folder-store.js';

/** A checkpoint's bytes, all made of its step: eight for the step, noise, 32 of SHA-256. */
export function bytesOf(step: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (step * 2654435761 + 1) >>> 0;
  for (let i = 2; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state;
  }
  const bytes = Buffer.from(words.buffer, 0, length);
  bytes.writeDoubleLE(step, 0);
  bytes.set(createHash('sha256').update(bytes.subarray(0, -32)).digest(), length - 32);
  return bytes;
}

/** Throws where a byte is another. @returns the step they are of */
export function verify(bytes: Uint8Array): number {
  const hash = createHash('sha256').update(bytes.subarray(0, -32)).digest();
  if (bytes.length < 40 || !hash.equals(bytes.subarray(-32))) throw new Error('the checksum is another');
  return Buffer.from(bytes.buffer, bytes.byteOffset).readDoubleLE(0);
}

if (import.meta.filename === process.argv[1]) {
  const [folder = '', first = '0', length = '0', last = 'Infinity'] = process.argv.slice(2);
  const store = await folderStore(folder, { verify });
  const found = await store.latest();
  process.stdout.write(`open ${found?.step ?? 'nothing'}\n`);
  for (let step = Number(first); step <= Number(last); step++) {
    const { saved, problem } = await store.save(bytesOf(step, Number(length)), { step });
    process.stdout.write(`${saved ? 'saved' : `failed ${problem?.code ?? 'as before'}`} ${step}\n`);
  }
  await store.close();
}
