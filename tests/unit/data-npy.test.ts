import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeNpy, type NpyValues, parseNpy } from '../../src/data/npy-format.js';
import { DownhillError } from '../../src/gpu/errors.js';
import fixtures from '../fixtures/npy.json' with { type: 'json' };

const decode = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

/** The error of a call; fails where there is none or another kind. */
function refusal(run: () => unknown): DownhillError {
  try {
    run();
  } catch (error) {
    if (error instanceof DownhillError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A file with a header of one's own. */
function fileOf(header: string, values: number[] = [], version = [1, 0]): Uint8Array {
  const length = version[0] === 1 ? [header.length & 255, header.length >> 8] : [header.length & 255, 0, 0, 0];
  return Uint8Array.from([0x93, ...Buffer.from('NUMPY'), ...version, ...length, ...Buffer.from(header), ...values]);
}
const HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";

describe('parseNpy', () => {
  it.each(Object.entries(fixtures.files))('reads what NumPy wrote: %s', (_, { file, shape, values }) => {
    const found = parseNpy(decode(file));
    expect(found.shape).toEqual(shape);
    expect([...found.data]).toEqual(values);
    // Wherever the file lies in memory, and of a Node Buffer.
    const moved = new Uint8Array(decode(file).length + 1);
    moved.set(decode(file), 1);
    expect([...parseNpy(moved.subarray(1)).data]).toEqual(values);
    expect([...parseNpy(Buffer.from(decode(file))).data]).toEqual(values);
  });

  it.each(Object.entries(fixtures.refused))('refuses %s', (what, file) => {
    const error = refusal(() => parseNpy(decode(file), 'x.npy'));
    expect(error).toMatchObject({ code: 'DATA-FORMAT', message: expect.stringContaining(what) });
    expect(error.message).toMatch(/^x\.npy /);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /is empty \(0 bytes\)/],
    ['a web page', Uint8Array.from(Buffer.from('\ufeff <!doctype html>')), /web page/],
    ['another file', Uint8Array.of(1, 2, 3, 4), /begins with the bytes 01 02 03 04/],
    ['a beginning', fileOf(HEADER).subarray(0, 8), /ends at byte 8, inside its header/],
    ['half a header', fileOf(HEADER).subarray(0, 30), /ends at byte 30, inside its header/],
    ['format 4', fileOf(HEADER, [1, 2, 3, 4, 5, 6], [4, 0]), /format 4.0 \(byte 6\)/],
    [
      'too few values',
      fileOf(HEADER, [1, 2, 3, 4]),
      /6 bytes after a header of 70, but ends at byte 74, after 1 of 2 rows/,
    ],
    ['too many values', fileOf(HEADER, [1, 2, 3, 4, 5, 6, 7]), /goes on for 1 byte/],
    ['a huge shape', fileOf(HEADER.replace('2, 3', '999999999999999, 999999999999999')), /ends at byte 98/],
    ['a negative shape', fileOf(HEADER.replace('2, 3', '-1, 3')), /header that is none/],
    ['a fraction of a shape', fileOf(HEADER.replace('2, 3', '2.5,')), /header that is none/],
    ['a missing key', fileOf("{'descr': '|u1', 'shape': (2, 3), }", [1, 2, 3, 4, 5, 6]), /header that is none/],
    ['a key twice', fileOf("{'descr': '|u1', 'descr': '<f4', 'shape': (2, 3), }"), /descr twice/],
    ['a key of Object', fileOf("{'__proto__': '|u1', 'fortran_order': False, 'shape': (2,), }"), /header that is none/],
    ['a type of Object', fileOf(HEADER.replace('u1', 'constructor0')), /type/],
    ['a comma in a shape', fileOf(HEADER.replace('2, 3', '2,, 3')), /shape that is none/],
    ['65 dimensions', fileOf(HEADER.replace('2, 3', '1,'.repeat(65))), /shape that is none/],
    [
      'a giant header',
      Uint8Array.of(0x93, 78, 85, 77, 80, 89, 2, 0, 255, 255, 255, 127, 0),
      /header of 2,147,483,647 bytes/,
    ],
  ])('refuses %s', (_, file, message) => {
    expect(refusal(() => parseNpy(file))).toMatchObject({
      code: 'DATA-FORMAT',
      message: expect.stringMatching(message),
    });
  });

  it('refuses what are no bytes', () => {
    expect(refusal(() => parseNpy('x' as never)).code).toBe('OPTION-TYPE');
  });

  it('throws nothing but its own errors, whatever the bytes', () => {
    const files = Object.values(fixtures.files).map(({ file }) => decode(file));
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }),
        fc.nat(),
        (which, flips, cut) => {
          const file = files[which % files.length]!.slice();
          for (const [at, byte] of flips) file[at % file.length] = byte;
          const part = cut % 3 ? file : file.subarray(0, cut % file.length);
          try {
            const { shape, data } = parseNpy(part);
            expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
          } catch (error) {
            if (!(error instanceof DownhillError)) throw error;
            expect(error.code).toBe('DATA-FORMAT');
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('encodeNpy', () => {
  it.each<[NpyValues, number[]]>([
    [Float32Array.of(1.5, -2, 3, 4, 5, 6), [2, 3]],
    [Float64Array.of(0.1), []],
    [Uint8Array.of(1, 2, 3), [3]],
    [Int32Array.of(-1, 2), [1, 2, 1]],
    [new Float32Array(0), [0, 5]],
  ])('writes what parseNpy reads: %s of shape %s', (values, shape) => {
    const file = encodeNpy(values, shape);
    const read = parseNpy(file);
    expect(read.data).toEqual(values);
    expect(read.shape).toEqual(shape);
    expect((file.length - values.byteLength) % 64).toBe(0);
  });

  it('writes the bytes that NumPy writes', () => {
    const { file } = fixtures.files.uint8;
    expect(
      encodeNpy(
        Uint8Array.from({ length: 24 }, (_, i) => i),
        [2, 3, 4],
      ),
    ).toEqual(decode(file));
    expect(encodeNpy(Float32Array.of(2.5), [])).toEqual(decode(fixtures.files['a single value'].file));
  });

  it('writes any float32 exactly', () => {
    fc.assert(
      fc.property(fc.float32Array({ maxLength: 40 }), (values) => {
        expect(parseNpy(encodeNpy(values, [values.length])).data).toEqual(values);
      }),
    );
  });

  it('refuses a shape of other values, and no numbers', () => {
    expect(refusal(() => encodeNpy(new Float32Array(5), [2, 3])).code).toBe('DATA-MISMATCH');
    expect(refusal(() => encodeNpy(new Float32Array(6), [-2, -3])).code).toBe('DATA-MISMATCH');
    expect(refusal(() => encodeNpy([1] as never, [1])).code).toBe('OPTION-TYPE');
    expect(refusal(() => encodeNpy(new Float32Array(1), 1 as never)).code).toBe('OPTION-TYPE');
  });
});
