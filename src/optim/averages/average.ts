import { DownhillError, show } from '../../gpu/errors.js';
import { checkField, checkNumber, checkOptions, type Fields } from '../../gpu/fields.js';
import type { AverageWeights } from '../../kernels/average.js';

/*
 * What an average of the weights is: one row per average, from which everything that reads averages is derived. An
 * average is its row with its settings: plain data.
 */

export type AverageSettings = Readonly<Record<string, number | boolean>>;

/** One kind of average. */
export interface AverageRow<S extends AverageSettings = AverageSettings> {
  readonly name: string;
  readonly title: string;
  readonly formula: string;
  readonly paper: string;
  /** Its options. None is a schedule. */
  readonly fields: Fields;
  /** What its kernel computes with, in float64. */
  weights(settings: S): AverageWeights;
}

/** Made by `ema()`, `swa()`; plain data. */
export interface Average {
  readonly row: AverageRow;
  readonly settings: AverageSettings;
}

/** The average of a row with these options. @throws DownhillError OPTION-* */
export function averageOf<S extends AverageSettings>(row: AverageRow<S>, options: unknown = {}): Average {
  checkOptions(row.name, options, Object.keys(row.fields));
  const given = options as AverageSettings;
  const settings = Object.fromEntries(
    Object.entries(row.fields).map(([key, field]) => {
      const [where, value] = [`${row.name}: ${key}`, given[key] ?? field.default];
      // A number stays one: no schedule.
      if (field.kind === 'number') return [key, checkNumber(where, value, field)];
      return [key, checkField(where, field, value, 'OPTION') as number | boolean];
    }),
  );
  return Object.freeze({ row: row as AverageRow, settings: Object.freeze(settings) });
}

/** An average that came from outside: checked again. @throws DownhillError OPTION-* */
export function checkAverage(where: string, average: unknown): Average {
  const row = (average as Average | undefined)?.row;
  if (typeof average !== 'object' || typeof row?.weights !== 'function' || typeof row.fields !== 'object') {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} must be an average, got ${show(average)}.`,
      typeof average === 'function' ? 'Call it: ema() is an average, ema makes one.' : 'Pass ema({ decay: 0.999 }).',
    );
  }
  return averageOf(row, (average as Average).settings ?? {});
}
