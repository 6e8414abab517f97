import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CsvOptions, type CsvSource, csv, csvSamples, type TableEncoding } from '../../src/csv.js';
import { type Dataset, split, standardize } from '../../src/data/index.js';
import { DownhillError } from '../../src/gpu/errors.js';

const failure = (source: unknown, options: unknown) =>
  csv(source as CsvSource, options as CsvOptions).then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => {
      if (!(error instanceof DownhillError)) throw error;
      return error;
    },
  );
const text = (...lines: string[]) => lines.join('\n');
const bytesOf = (source: string) => new Uint8Array(Buffer.from(source));
const rowsOf = ({ x, features, samples }: Pick<Dataset, 'x' | 'features' | 'samples'>) =>
  Array.from({ length: samples }, (_, i) => [...x.subarray(i * features, (i + 1) * features)]);
const labelsOf = ({ targets }: Dataset) => (targets.kind === 'classes' ? [...targets.labels] : undefined);
const valuesOf = ({ targets }: Dataset) => (targets.kind === 'values' ? [...targets.values] : undefined);

const PEOPLE = text(
  'age,sex,fare,fate',
  '22,male,7.25,no',
  '38,female,71.5,yes',
  '26,female,1e1,yes',
  '35, male ,-.5,no',
);

describe('csv', () => {
  it('makes features of numbers, one-hot of text, classes of a target of text', async () => {
    const data = await csv(PEOPLE, { target: 'fate' });
    expect(data).toMatchObject({
      samples: 4,
      features: 4,
      scale: 1,
      shift: 0,
      labels: ['no', 'yes'],
      targetNames: ['fate'],
    });
    expect(data.featureNames).toEqual(['age', 'sex=female', 'sex=male', 'fare']);
    expect(rowsOf(data)).toEqual([[22, 0, 1, 7.25], [38, 1, 0, 71.5], [26, 1, 0, 10], [35, 0, 1, -0.5]]); // biome-ignore format: four rows
    expect(labelsOf(data)).toEqual([0, 1, 1, 0]);
    expect(data.encoding).toEqual({
      version: 1,
      columns: [
        { name: 'age', kind: 'number' },
        { name: 'sex', kind: 'category', categories: ['female', 'male'] },
        { name: 'fare', kind: 'number' },
      ],
      target: { kind: 'classes', name: 'fate', labels: ['no', 'yes'] },
    });
  });

  it('makes real targets of numbers, one or several, and classes of numbers when told', async () => {
    const data = await csv(PEOPLE, { target: ['fare', 'age'], ignore: ['fate'] });
    expect(data).toMatchObject({ features: 2, targetNames: ['fare', 'age'], targets: { kind: 'values', width: 2 } });
    expect(valuesOf(data)).toEqual([7.25, 22, 71.5, 38, 10, 26, -0.5, 35]);
    const classes = await csv(text('a,k', '1,10', '2,9', '3,10'), { target: 'k', targets: 'classes' });
    expect(classes.labels).toEqual(['9', '10']);
    expect(labelsOf(classes)).toEqual([1, 0, 1]);
  });

  it('takes the target by its place', async () => {
    expect((await csv(PEOPLE, { target: -1 })).targetNames).toEqual(['fate']);
    expect((await csv(PEOPLE, { target: [0, 'fare'] })).targetNames).toEqual(['age', 'fare']);
    expect((await failure(PEOPLE, { target: 4 })).message).toMatch(/csv.target names "column 4"/);
    expect((await failure(PEOPLE, { target: 1.5 })).code).toBe('OPTION-TYPE');
  });

  it('reads categories of numbers when told', async () => {
    const data = await csv(text('k,y', '3,1', '1,2', '20,3'), { target: 'y', columns: { k: 'category' } });
    expect(data.featureNames).toEqual(['k=1', 'k=3', 'k=20']);
    expect(rowsOf(data)).toEqual([[0, 1, 0], [1, 0, 0], [0, 0, 1]]); // biome-ignore format: three rows
  });

  it.each<[string, CsvSource | (() => CsvSource), CsvOptions]>([
    ['CRLF', 'a,b,y\r\n1,2,3\r\n4,5,6\r\n', {}],
    ['CR', 'a,b,y\r1,2,3\r4,5,6', {}],
    ['a byte order mark', '\ufeffa,b,y\n1,2,3\n4,5,6', {}],
    ['blank lines', '\na,b,y\n\n1,2,3\n\n4,5,6\n\n\n', {}],
    ['quotes', '"a","b","y"\n"1","2","3"\n4,5,6', {}],
    ['semicolons, found out', 'a;b;y\n1;2;3\n4;5;6', {}],
    ['tabs, found out', 'a\tb\ty\n1\t2\t3\n4\t5\t6', {}],
    ['spaces', 'a b y\n1 2 3\n4 5 6', { delimiter: ' ' }],
    ['white space', ' a , b ,y\n 1,2 ,3\n4,5,6', {}],
    ['bytes', bytesOf('a,b,y\n1,2,3\n4,5,6'), {}],
    ['bytes with a mark', bytesOf('\ufeffa,b,y\n1,2,3\n4,5,6'), {}],
    ['gzip', gzipSync('a,b,y\n1,2,3\n4,5,6'), {}],
    ['UTF-16', new Uint8Array(Buffer.from('\ufeffa,b,y\n1,2,3\n4,5,6', 'utf16le')), {}],
    ['a File', new File(['a,b,y\n1,2,3\n4,5,6'], 'x.csv'), {}],
    ['a Response', () => new Response('a,b,y\n1,2,3\n4,5,6'), {}],
  ])('reads %s', async (_, source, options) => {
    const data = await csv(typeof source === 'function' ? source() : source, { target: 'y', ...options });
    expect(rowsOf(data)).toEqual([[1, 2], [4, 5]]); // biome-ignore format: two rows
    expect(valuesOf(data)).toEqual([3, 6]);
    expect(data.featureNames).toEqual(['a', 'b']);
  });

  it('finds the delimiter of a short table with a line end behind it', async () => {
    const data = await csv('a;y\n1;2\n1.5;3\n', { target: 'y' });
    expect([data.featureNames, valuesOf(data)]).toEqual([['a'], [2, 3]]);
  });

  it('reads quoted delimiters, quotes, line ends, and other letters', async () => {
    const data = await csv('k,y\n"a, b",1\n"say ""hi""",2\n"two\nlines",3\nünï,4', { target: 'y' });
    expect(data.featureNames).toEqual(['k=a, b', 'k=say "hi"', 'k=two\nlines', 'k=ünï']);
  });

  it('reads a decimal comma and a file without a header', async () => {
    const data = await csv('1,5;2;x\n-,5;1e3;y', { header: false, decimal: ',', target: 'column 3' });
    expect(rowsOf(data)).toEqual([[1.5, 2], [-0.5, 1000]]); // biome-ignore format: two rows
    expect(data.featureNames).toEqual(['column 1', 'column 2']);
    // As many commas in every row as a table with commas between two fields has.
    expect(rowsOf(await csv('a;y\n1,5;2\n2,5;3', { target: 'y', decimal: ',' }))).toEqual([[1.5], [2.5]]);
  });

  it('fills missing values as it is told', async () => {
    const table = text('a,k,y', '1,x,1', 'NA,,2', '2,z,3', ',z,4', '6,x,5');
    const data = await csv(table, { target: 'y', missing: { a: 'mean', k: 'category' } });
    expect(data.featureNames).toEqual(['a', 'k=x', 'k=z', 'k (missing)']);
    expect(rowsOf(data)).toEqual([[1, 1, 0, 0], [3, 0, 0, 1], [2, 0, 1, 0], [3, 0, 1, 0], [6, 1, 0, 0]]); // biome-ignore format: five rows
    const columnA = async (missing: CsvOptions['missing']) =>
      rowsOf(await csv(table, { target: 'y', ignore: ['k'], missing })).map((row) => row);
    expect(await columnA('median')).toEqual([[1], [2], [2], [2], [6]]);
    expect(await columnA(-9)).toEqual([[1], [-9], [2], [-9], [6]]);
    expect(await columnA('category')).toEqual([[1, 0], [3, 1], [2, 0], [3, 1], [6, 0]]); // biome-ignore format: five rows
    const other = await csv(text('a,y', '1,1', '?,2'), { target: 'y', missing: 0, missingValues: ['?'] });
    expect(rowsOf(other)).toEqual([[1], [0]]);
  });
});

describe('an encoding', () => {
  it('makes another file the same, whatever the order of its columns', async () => {
    const train = await csv(PEOPLE, { target: 'fate', missing: { age: 'median' } });
    const encoding = JSON.parse(JSON.stringify(train.encoding)) as TableEncoding;
    expect(encoding).toEqual(train.encoding);
    const test = await csv(text('id,fate,fare,sex,age', '7,yes,3,male,', '8,yes,4,female,50'), { encoding });
    expect(rowsOf(test)).toEqual([[30.5, 0, 1, 3], [50, 1, 0, 4]]); // biome-ignore format: two rows
    expect(test).toMatchObject({ featureNames: train.featureNames, labels: train.labels, encoding: train.encoding });
    expect(labelsOf(test)).toEqual([1, 1]);
    const samples = await csvSamples(text('age,sex,fare', '1,male,2'), { encoding });
    expect(samples).toMatchObject({ samples: 1, features: 4, scale: 1, shift: 0, featureNames: train.featureNames });
    expect(rowsOf(samples)).toEqual([[1, 0, 1, 2]]);
  });

  it('stays with the data where it is split and scaled', async () => {
    const data = await csv(PEOPLE, { target: 'fate' });
    const [part] = split(data, { share: 0.5 });
    expect(standardize(part).encoding).toBe(data.encoding);
    expect(standardize(data).scale).toHaveLength(4);
  });

  it.each<[string, string, string, RegExp]>([
    [
      'an unknown category',
      text('age,sex,fare,fate', '1,male,1,no', '1,other,1,no'),
      'DATA-FORMAT',
      /"other" in row 3, column 2 \("sex"\).*knows "female", "male"/,
    ],
    ['an unknown class', text('age,sex,fare,fate', '1,male,1,maybe'), 'DATA-LABEL', /"maybe" in row 2, column 4/],
    [
      'a missing column',
      text('age,sex,fate', '1,male,no'),
      'DATA-MISMATCH',
      /lacks the column "fare"; it has "age", "sex", "fate"/,
    ],
    ['a missing target', text('age,sex,fare', '1,male,1'), 'DATA-MISMATCH', /lacks the column "fate"/],
    ['a missing number', text('age,sex,fare,fate', ',male,1,no'), 'DATA-FORMAT', /no value in row 2, column 1/],
    ['a missing category', text('age,sex,fare,fate', '1,,1,no'), 'DATA-FORMAT', /no value in row 2, column 2/],
    ['no number', text('age,sex,fare,fate', '1,male,x,no'), 'DATA-FORMAT', /"x" in row 2, column 3/],
  ])('refuses %s, with its place', async (_, source, code, message) => {
    const { encoding } = await csv(PEOPLE, { target: 'fate' });
    expect(await failure(source, { encoding })).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('must be one, and says all', async () => {
    const { encoding } = await csv(PEOPLE, { target: 'fate' });
    const broken = [null, {}, { ...encoding, version: 2 }, { ...encoding, columns: [{}] }, { ...encoding, columns: [null] }, { ...encoding, target: {} }, { ...encoding, columns: [{ name: 'a', kind: 'category' }] }]; // biome-ignore format: a list
    for (const each of broken) expect((await failure(PEOPLE, { encoding: each })).code).toBe('OPTION-TYPE');
    expect(await failure(PEOPLE, { encoding, target: 'fate' })).toMatchObject({
      code: 'OPTION-RANGE',
      fix: 'Leave out target.',
    });
    await expect(csvSamples(PEOPLE, {} as never)).rejects.toMatchObject({ code: 'OPTION-TYPE' });
  });
});

describe('bad tables', () => {
  it.each<[string, unknown, object, string, RegExp]>([
    ['an empty text', '', {}, 'DATA-FORMAT', /is empty/],
    ['an empty file', new Uint8Array(0), {}, 'DATA-FORMAT', /is empty/],
    ['white space', ' \n\n ', {}, 'DATA-FORMAT', /is empty/],
    ['empty quotes', '""\n" "\n', {}, 'DATA-FORMAT', /is empty/],
    ['a header alone', 'a,y\n', {}, 'DATA-FORMAT', /header but no rows/],
    ['a short row', 'a,b,y\n1,2,3\n1,2', {}, 'DATA-FORMAT', /2 fields in row 3, where 3 were expected as in row 1/],
    ['a long row', 'a,b,y\n\n1,2,3,4', {}, 'DATA-FORMAT', /4 fields in row 3/],
    ['a quote without an end', 'a,y\n"1,2\n3,4', {}, 'DATA-FORMAT', /quote that does not end in row 2/],
    ['a quote in the middle', 'a,y\n"1"x,2', {}, 'DATA-FORMAT', /quote that does not end at a delimiter in row 2/],
    ['a name twice', 'a,b,a,y\n1,2,3,4', {}, 'DATA-FORMAT', /columns 1 and 3 alike: "a"/],
    ['a missing value', 'a,y\n1,1\n,2', {}, 'DATA-FORMAT', /no value in row 3, column 1 \("a"\)/],
    ['a missing value by word', 'a,y\n1,1\nNaN,2', {}, 'DATA-FORMAT', /no value in row 3, column 1/],
    ['a missing target', 'a,y\n1,1\n2,', {}, 'DATA-FORMAT', /no value to predict in row 3, column 2/],
    ['a missing category', 'k,y\nx,1\n,2', { missing: 'mean' }, 'DATA-FORMAT', /no value in row 3.*'category'/],
    ['a column of nothing', 'a,b,y\n1,,1\n2,,2', {}, 'DATA-FORMAT', /no value in column 2/],
    [
      'a decimal comma',
      'a;y\n"1,5";1\n2;2',
      {},
      'DATA-FORMAT',
      /"1,5" in row 2, column 1 \("a"\).*decimal sign is '\.'.*decimal: ','/,
    ],
    ['thousands', 'a;y\n1,500;1\n2;2', {}, 'DATA-FORMAT', /"1,500" in row 2/],
    ['a decimal point for a comma', 'a;y\n1.5;1', { decimal: ',' }, 'DATA-FORMAT', /"1.5" in row 2.*decimal: '\.'/],
    ['text among numbers', 'a,y\n1,1\nmany,2\n3,3', {}, 'DATA-FORMAT', /"many" in row 3, column 1.*2 others/],
    ['hexadecimal', 'a,y\n0x10,1\n3,3', {}, 'DATA-FORMAT', /"0x10"/],
    ['infinity', 'a,y\n1,1\ninf,2', {}, 'DATA-FORMAT', /"inf"/],
    ['beyond float32', 'a,y\n1,1\n1e39,2', {}, 'DATA-FORMAT', /"1e39"/],
    ['text told to be numbers', 'a,y\nx,1', { columns: { a: 'number' } }, 'DATA-FORMAT', /"x" in row 2, column 1/],
    ['text as a regression', 'a,y\n1,x\n2,z', { targets: 'values' }, 'DATA-FORMAT', /"x" in row 2, column 2/],
    ['what float32 rounds away', 'a,y\n1700000001,1\n1700000050,2', {}, 'DATA-FORMAT', /rounds by up to.*Subtract/],
    [
      'too many categories',
      text('k,y', ...Array.from({ length: 9 }, (_, i) => `n${i},1`)),
      { maxCategories: 8 },
      'DATA-FORMAT',
      /9 categories in column 1/,
    ],
    ['one class', 'a,y\n1,x\n2,x', {}, 'DATA-FORMAT', /one class "x"/],
    ['no feature', 'y\n1\n2', {}, 'DATA-FORMAT', /no column but the target/],
    ['a web page', '<!DOCTYPE html><p>404', {}, 'DATA-FORMAT', /web page/],
    ['a web page of bytes', bytesOf('\n <html><body>Not found'), {}, 'DATA-FORMAT', /web page/],
    ['a spreadsheet', Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0), {}, 'DATA-FORMAT', /spreadsheet/],
    [
      'other bytes',
      Uint8Array.from([...bytesOf('a,y\n1,2\n'), 0xff, 0xc3, 0x28]),
      {},
      'DATA-FORMAT',
      /no UTF-8 text: line 3/,
    ],
    ['NUL', bytesOf('a,y\n1,\0'), {}, 'DATA-FORMAT', /line 2/],
    ['a truncated gzip', gzipSync('a,y\n1,2').subarray(0, 20), {}, 'DATA-FORMAT', /truncated or corrupt gzip/],
    ['a bomb', gzipSync('a'.repeat(1e6)), { maxBytes: 1e5 }, 'DATA-FORMAT', /maxBytes/],
    ['an address', 'https://example.com/x.csv', {}, 'OPTION-TYPE', /not its address/],
    ['a file name', 'data/iris.csv', {}, 'OPTION-TYPE', /not its address/],
    ['a number', 5, {}, 'OPTION-TYPE', /csv must be/],
    ['no target', 'a,b\n1,2', { target: undefined }, 'OPTION-RANGE', /what to predict.*"a", "b"/],
    ['an unknown target', 'a,price\n1,2', { target: 'Prize' }, 'OPTION-RANGE', /Did you mean 'price'/],
    ['an unknown target without a header', '1,2\n3,4', {}, 'OPTION-RANGE', /header: false/],
    ['an unknown column to ignore', 'a,y\n1,2', { ignore: ['b'] }, 'OPTION-RANGE', /csv.ignore names "b"/],
    ['a target to ignore', 'a,y\n1,2', { ignore: ['y'] }, 'OPTION-RANGE', /twice/],
    ['two targets of classes', 'a,y,z\n1,2,3', { target: ['y', 'z'], targets: 'classes' }, 'OPTION-RANGE', /2 targets/],
    ['a way to fill', 'a,y\n1,2', { missing: 'zero' }, 'OPTION-RANGE', /csv.missing/],
    ['a way to fill a column', 'a,y\n1,2', { missing: { a: Number.NaN } }, 'OPTION-RANGE', /csv.missing\["a"\]/],
    ['a long delimiter', 'a,y\n1,2', { delimiter: '::' }, 'OPTION-RANGE', /delimiter/],
    ['a kind of column', 'a,y\n1,2', { columns: { a: 'text' } }, 'OPTION-RANGE', /columns/],
    ['an unknown option', 'a,y\n1,2', { targett: 'y' }, 'OPTION-UNKNOWN', /targett/],
  ])('refuses %s', async (_, source, options, code, message) => {
    const error = await failure(source, { target: 'y', ...options });
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(error.fix.length).toBeGreaterThan(5);
  });

  it('shows names with markup, quotes and those of Object as text', async () => {
    const data = await csv('<b>a</b>,__proto__,constructor,y\n1,2,x,3\n2,4,z,5', {
      target: 'y',
      columns: { ['constructor' as string]: 'category' },
    });
    expect(data.featureNames).toEqual(['<b>a</b>', '__proto__', 'constructor=x', 'constructor=z']);
    const file = new File(['a,y\n,2'], '<img src=x onerror=alert(1)>.csv');
    expect((await failure(file, { target: 'y' })).message).toContain(
      'csv ("<img src=x onerror=alert(1)>.csv") has no value',
    );
  });

  it('throws nothing but its own errors, whatever the text or bytes', async () => {
    const cell = fc.constantFrom(
      '1',
      '2.5',
      'x',
      '',
      '"',
      '","',
      '\n',
      ',',
      ';',
      '1,5',
      'NA',
      '\ufeff',
      '"a""b"',
      'y',
      '\r',
      ' ',
      '__proto__',
    );
    const anything = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.array(cell, { maxLength: 30 }).map((cells) => `a,b,y\n${cells.join('')}`),
      fc.array(cell, { maxLength: 30 }).map((cells) => cells.join(',')),
      fc.uint8Array({ maxLength: 60 }),
    );
    const missing = fc.constantFrom<CsvOptions['missing']>('refuse', 'mean', 'category', 0);
    await fc.assert(
      fc.asyncProperty(anything, missing, async (source, way) => {
        const check = (error: unknown) => {
          if (!(error instanceof DownhillError)) throw error;
        };
        const data = await csv(source, { target: 'y', missing: way }).catch(check);
        if (!data) return;
        expect(data.x.length).toBe(data.samples * data.features);
        expect(data.x.every(Number.isFinite)).toBe(true);
        // The same file through its own encoding is the same.
        expect(await csv(source, { encoding: data.encoding })).toEqual(data);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives back what was written, however it is quoted', async () => {
    const field = fc.string({ minLength: 1, maxLength: 8 }).map((each) => `k${each.trim()}`);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(field, { minLength: 2, maxLength: 12 }), async (fields) => {
        const quote = (each: string) => `"${each.replaceAll('"', '""')}"`;
        const data = await csv(`k,y\n${fields.map((each, i) => `${quote(each)},${i}`).join('\n')}`, { target: 'y' });
        const names = rowsOf(data).map((row) => data.featureNames![row.indexOf(1)]);
        expect(names).toEqual(fields.map((each) => `k=${each.trim()}`));
      }),
      { numRuns: 300 },
    );
  });
});
