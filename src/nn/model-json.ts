import { DownhillError, show, suggest } from '../gpu/errors.js';

import type { Json } from '../space/stateful.js';
import type { Layer, LayerRow, SettingFields, Settings } from './layer.js';
import { layerRows } from './layers.js';
import type { LossFunction, LossRow } from './loss.js';
import { losses } from './losses.js';
import { checkLayers, type Gain, type Init, type Model, sequential } from './model.js';

/** A layer or a loss as JSON: the name of its row, and its settings. */
export interface NamedSettings {
  readonly name: string;
  readonly settings: Json;
}

/** A model as JSON has it. */
export interface ModelJson {
  readonly input: number;
  readonly layers: readonly NamedSettings[];
  readonly loss: NamedSettings;
  readonly init: Json;
  readonly gain?: Json;
}

/** Typed arrays and frozen lists become plain ones. */
const asJson = (value: unknown): Json => {
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>);
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== 'object' || value === null) return value as Json;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, asJson(each)]));
};

const nameIt = ({ row, settings }: Layer | LossFunction): NamedSettings => ({
  name: row.name,
  settings: asJson(settings),
});

/**
 * A model as plain JSON: the same model, the same text.
 *
 * @example JSON.stringify(modelToJson(mlp({ sizes: [784, 100, 10] })))
 * @throws DownhillError OPTION-TYPE for what is no model
 */
export function modelToJson(model: Model): ModelJson {
  checkLayers('modelToJson', model);
  const { input, layers, loss, init, gain } = model;
  return {
    ...{ input, layers: layers.map(nameIt), loss: nameIt(loss), init: asJson(init) },
    ...(gain !== undefined && { gain }),
  };
}

const refuse = (code: 'CHECKPOINT-CORRUPT' | 'CHECKPOINT-VERSION', message: string, fix: string): never => {
  throw new DownhillError(code, message, fix);
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Row = { readonly name: string; readonly fields: SettingFields; readonly given?: readonly string[] };

/** The row that a file names, and the settings that it has there. */
function find<R extends Row>(where: string, rows: Readonly<Record<string, R>>, made: unknown) {
  const { name, settings } = isObject(made) ? made : {};
  if (typeof name !== 'string' || !isObject(settings)) {
    return refuse(
      'CHECKPOINT-CORRUPT',
      `${where} of the model has no name or no settings: ${show(made)}.`,
      'Use a file that downhill wrote.',
    );
  }
  if (!Object.hasOwn(rows, name)) {
    return refuse(
      'CHECKPOINT-VERSION',
      `${where} of the model is ${show(name)}, which this release does not know.`,
      `${suggest(name, Object.keys(rows))} Or read the file with the release that wrote it.`,
    );
  }
  const row = rows[name]!;
  const known = [...Object.keys(row.fields), ...(row.given ?? [])];
  const unknown = Object.keys(settings).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    return refuse(
      'CHECKPOINT-VERSION',
      `${where} of the model, ${name}, has the setting ${show(unknown)}, which this release does not know.`,
      'Read the file with the release that wrote it.',
    );
  }
  return { row, settings: settings as Settings };
}

const lossRows: Readonly<Record<string, LossRow>> = Object.fromEntries(
  Object.values(losses).map(({ row }) => [row.name, row as LossRow]),
);

/**
 * The model of a {@link modelToJson}.
 *
 * @param own layers and losses of one's own, by name, where the model has some
 * @throws DownhillError CHECKPOINT-CORRUPT where it is none; CHECKPOINT-VERSION for a layer, a loss or a setting that this
 *   release does not know; as {@link sequential} for settings that do not go together.
 */
export function modelFromJson(
  json: unknown,
  own: { readonly layers?: readonly LayerRow[]; readonly losses?: readonly LossRow[] } = {},
): Model {
  if (!isObject(json) || !Array.isArray(json.layers)) {
    return refuse('CHECKPOINT-CORRUPT', `${show(json)} is no model.`, 'Pass what modelToJson returned.');
  }
  const table = <R extends Row>(rows: Readonly<Record<string, R>>, more: readonly R[] = []) => ({
    ...rows,
    ...Object.fromEntries(more.map((row) => [row.name, row])),
  });
  const layers = table(layerRows, own.layers);
  return sequential({
    input: json.input as number,
    layers: (json.layers as unknown[]).map((layer, i): Layer => find(`layers[${i}]`, layers, layer)),
    loss: find('the loss', table(lossRows, own.losses), json.loss),
    init: json.init as Init,
    ...(json.gain !== undefined && { gain: json.gain as Gain }),
  });
}
