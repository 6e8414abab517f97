import type { Dataset } from '../data/dataset.js';
import { type Fingerprint, fingerprint } from '../data/fingerprint.js';
import { DownhillError, show, suggest } from '../gpu/errors.js';
import { checkFlag, checkOptions } from '../gpu/fields.js';
import type { Model } from '../nn/model.js';
import { modelToJson } from '../nn/model-json.js';
import type { Json } from '../space/stateful.js';
import { writeTensor } from '../space/vectors.js';
import { applySnapshot, otherForms } from './apply.js';
import { counterTest, type Snapshot } from './checkpoint.js';
import { damaged, decodeFile, deviceValues, encodeFile, mismatch, type SavedFile } from './checkpoint-file.js';
import type { Imported, ImportOptions, Restored } from './checkpoint-types.js';
import { describeData, readData, type SavedData } from './data-json.js';
import type { SafeTensor } from './dtypes.js';
import type { Program } from './program.js';

/* A trainer into a file and back. */

/** What a trainer is of: stands in its files. */
interface Described {
  readonly model: Model;
  readonly data: Dataset;
  readonly validation?: { readonly data: Dataset } | undefined;
}

/** What a checkpoint says beside the parts: how the steps were computed. */
interface SavedState {
  readonly parts: Readonly<Record<string, Json>>;
  readonly plan: Readonly<Record<string, string>>;
  /** Of the data of each use: none of a source, nor in files of before there were any. */
  readonly fingerprints?: Partial<Readonly<Record<DataUse, Fingerprint>>>;
}

/** What data sets are for, as messages say it. */
const USES = { data: 'trained', validation: 'validated' } as const;
type DataUse = keyof typeof USES;

function fingerprintsOf({ data, validation }: Described): NonNullable<SavedState['fingerprints']> {
  const [own, held] = [data, validation?.data].map((each) => each && fingerprint(each));
  return { ...(own && { data: own }), ...(held && { validation: held }) };
}

const asJson = (value: unknown) => value as Json;

/** The bytes of a checkpoint, or of the network alone. */
export function encodeSnapshot(
  { step, tensors, parts, plan }: Snapshot,
  described: Described,
  state: boolean,
): Uint8Array<ArrayBuffer> {
  const saved = () => ({ parts, plan, fingerprints: fingerprintsOf(described) }) satisfies SavedState;
  return encodeFile(step, tensors, {
    model: asJson(modelToJson(described.model)),
    data: asJson(describeData(described.data)),
    ...(state && { state: asJson(saved()) }),
  });
}

/** What a trainer's model is, but for how its weights began. */
const formOf = (json: Json) => {
  const { input, layers, loss } = (json ?? {}) as Readonly<Record<string, Json>>;
  return JSON.stringify({ input, layers, loss });
};

/** What must be alike in the data, for the same numbers to come out. */
const scalingOf = ({ features, scaling, targets }: SavedData) => JSON.stringify({ features, scaling, targets });

/** A checkpoint's file, taken apart, of this model and data. @throws DownhillError CHECKPOINT-* */
export function openCheckpoint(bytes: Uint8Array, described: Described): SavedFile & { readonly saved: SavedState } {
  const { model, data } = described;
  const file = decodeFile(bytes);
  const weights = 'Import its weights: trainer.importWeights(bytes).';
  if (file.foreign) throw mismatch('Another program wrote the file: it has no training to go on from.', weights);
  const { parts, plan, fingerprints } = (file.state ?? {}) as unknown as Partial<SavedState>;
  if (typeof parts !== 'object' || parts === null || typeof plan !== 'object' || plan === null)
    throw mismatch('The file holds a model, but no training to go on from.', weights);
  for (const [pass, form] of Object.entries(plan))
    if (typeof form !== 'string') throw damaged(`the form ${show(form)} of the pass ${show(pass)}`);
  const [theirs, ours] = [file.model, asJson(modelToJson(model))].map(formOf);
  if (theirs !== ours) {
    throw mismatch(
      `The file is of the model ${shorten(theirs!)}, this trainer's is ${shorten(ours!)}.`,
      'Make the trainer with the model of the file: readModel(bytes).model.',
    );
  }
  const [theirData, ourData] = [readData(file.data), describeData(data)].map(scalingOf);
  if (theirData !== ourData) {
    throw mismatch(
      `The file was trained on data ${shorten(theirData!)}, this trainer's is ${shorten(ourData!)}.`,
      'Make the trainer with the same data, scaled alike.',
    );
  }
  checkFingerprints(fingerprints ?? {}, fingerprintsOf(described));
  return { ...file, saved: { parts, plan } };
}

/** Data of the same form may be other data. @throws DownhillError CHECKPOINT-MISMATCH */
function checkFingerprints(theirs: NonNullable<SavedState['fingerprints']>, ours: typeof theirs): void {
  for (const use of Object.keys(USES) as DataUse[]) {
    const [saved, own] = [theirs[use], ours[use]];
    if (!saved || !own || (saved.samples === own.samples && saved.crc32 === own.crc32)) continue;
    throw mismatch(
      `The file was ${USES[use]} on other data: ${show(saved.samples)} samples with the checksum ${show(saved.crc32)}, ` +
        `this trainer has ${own.samples} with ${show(own.crc32)}${use === 'data' ? '' : ` as its ${use}`}.`,
      `Resume with the data it was ${USES[use]} on, or import its weights: trainer.importWeights(bytes).`,
    );
  }
}

const shorten = (text: string) => (text.length > 400 ? `${text.slice(0, 400)} …` : text);

/** Goes on from a checkpoint that was opened. Everything is checked before anything changes. */
export function restoreProgram(
  program: Program,
  { step, tensors, saved, version }: ReturnType<typeof openCheckpoint>,
): Restored {
  applySnapshot(program, { step, tensors, parts: saved.parts });
  return { step: program.scheduler.step, version, otherForms: otherForms(program, saved.plan) };
}

/** Sets the network's tensors to those of a file, in queue order. Everything is checked before anything changes. */
export function importTensors(program: Program, bytes: Uint8Array, options: ImportOptions = {}): Imported {
  checkOptions('importWeights', options, ['prefix', 'map', 'strict']);
  const strict = checkFlag('importWeights: strict', options.strict ?? true);
  const file = decodeFile(bytes);
  const tensors = file.foreign ?? file.tensors;
  const nameIn = namer(options);
  const own = program.network.flatMap(({ space, vector }) =>
    space.tensors.map(({ name, shape }) => ({ space, vector, name, shape, saved: nameIn(name) })),
  );
  const taken = new Set(own.map(({ saved }) => saved));
  // Beside a network, a file of ours may have the state of its training.
  const unused = file.foreign ? [...tensors.keys()].filter((name) => !taken.has(name)) : [];
  const missing = own.filter(({ saved }) => !tensors.has(saved));
  if (strict && missing.length > 0)
    throw missingTensor(
      missing[0]!.saved,
      own.map(({ name }) => name),
      tensors,
    );
  if (strict && unused.length > 0) {
    throw mismatch(
      `The file has ${unused.slice(0, 8).map(show).join(', ')}, which the model has not.`,
      'Use the model that the file is of, or pass strict: false to leave them out.',
    );
  }
  const found = own.filter(({ saved }) => tensors.has(saved));
  if (found.length === 0)
    throw missingTensor(
      own[0]!.saved,
      own.map(({ name }) => name),
      tensors,
    );
  const isCounter = counterTest(program);
  const values = found.map(({ space, vector, saved, name, shape }) =>
    deviceValues(tensors, saved, shape, isCounter({ space, vector }, name) ? 'u32' : 'f32'),
  );
  for (const [i, { space, vector, name }] of found.entries())
    writeTensor(program.device, space, vector, name, values[i]!);
  return { tensors: found.map(({ name }) => name), missing: missing.map(({ name }) => name), unused };
}

function namer({ prefix = '', map = {} }: ImportOptions): (name: string) => string {
  if (typeof prefix !== 'string' || (typeof map !== 'function' && (typeof map !== 'object' || map === null))) {
    throw new DownhillError(
      'OPTION-TYPE',
      `importWeights: prefix must be a text and map an object or a function, got ${show(prefix)}, ${show(map)}.`,
      "Pass for example { prefix: 'net.' }.",
    );
  }
  if (typeof map === 'function') return (name) => prefix + map(name);
  return (name) => prefix + (Object.hasOwn(map, name) ? map[name]! : name);
}

/** Says what the file has instead, and which option makes it fit. */
function missingTensor(name: string, own: readonly string[], tensors: ReadonlyMap<string, SafeTensor>): DownhillError {
  const names = [...tensors.keys()];
  const [first] = own;
  const prefixes = names.filter((each) => each.endsWith(`.${first}`)).map((each) => each.slice(0, -first!.length));
  const prefix = prefixes.find((each) => own.every((mine) => tensors.has(each + mine)));
  return mismatch(
    `The file has no tensor ${show(name)}; it has ${names.slice(0, 12).map(show).join(', ')}${names.length > 12 ? ' …' : ''}.`,
    prefix !== undefined
      ? `Pass { prefix: ${show(prefix)} }.`
      : `${suggest(name, names)} Say which is which with map: { ${show(first)}: ${show(names[0] ?? '')} }.`,
  );
}
