/**
 * Data sets of CSV files: `csv` for those with targets, `csvSamples` for samples to predict. Papa Parse is built in.
 *
 * @module downhill/csv
 */
export { type CsvDataset, type CsvOptions, type CsvSource, csv, csvSamples, type Missing } from './data/csv.js';
export type { ColumnEncoding, TableEncoding } from './data/dataset.js';
