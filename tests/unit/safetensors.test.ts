import { crc32 as zipCrc } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/data/crc32.js';
import { DTYPES, type Dtype, type SafeTensor, toFloats, toIntegers } from '../../src/train/dtypes.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/train/safetensors.js';
import { floatTensor, integerTensor } from '../../src/train/saved-tensor.js';

const text = (value: string) => new TextEncoder().encode(value);
const corruptAt = (words: string | RegExp) =>
  expect.objectContaining({
    name: 'DownhillError',
    code: 'CHECKPOINT-CORRUPT',
    message: expect.stringMatching(words),
    fix: expect.stringMatching(/\S/),
  });
/** A file with this header, as anybody might write it. */
function fileOf(header: string | Uint8Array, payload: Uint8Array | number = 0, length?: bigint): Uint8Array {
  const bytes = typeof header === 'string' ? text(header) : header;
  const data = typeof payload === 'number' ? new Uint8Array(payload) : payload;
  const file = new Uint8Array(8 + bytes.length + data.length);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(bytes.length), true);
  file.set(bytes, 8);
  file.set(data, 8 + bytes.length);
  return file;
}
const some = (): Uint8Array =>
  encodeSafetensors(
    new Map<string, SafeTensor>([
      ['0.weight', floatTensor([2, 3], Float32Array.of(1, -2, 3.5, 1e-40, Number.POSITIVE_INFINITY, 6))],
      ['1.num_batches_tracked', integerTensor([], [12])],
      ['mask', { dtype: 'BOOL', shape: [3], bytes: Uint8Array.of(1, 0, 1) }],
    ]),
    { format: 'pt', note: 'größer ≥ "quoted"' },
  );

describe('the format', () => {
  it('is what others write and read', () => {
    // By hand, from the format's description: a header with spaces behind it, the tensors in another order than the data.
    const header =
      '{"b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},"__metadata__":{"format":"pt"},"a":{"shape":[],"data_offsets":[0,4],"dtype":"F32"}}  ';
    const { tensors, metadata } = decodeSafetensors(fileOf(header, Uint8Array.of(0, 0, 128, 63, 0, 60, 0, 192)));
    expect([...tensors.keys()]).toEqual(['a', 'b']);
    expect([...metadata]).toEqual([['format', 'pt']]);
    expect(tensors.get('a')).toMatchObject({ dtype: 'F32', shape: [] });
    expect(toFloats('a', tensors.get('a')!)).toEqual(Float32Array.of(1));
    expect(toFloats('b', tensors.get('b')!)).toEqual(Float32Array.of(1, -2));
  });

  it('aligns the header and every tensor, and does not depend on the order of what it is given', () => {
    const file = some();
    const { tensors, metadata } = decodeSafetensors(file);
    const header = Number(new DataView(file.buffer).getBigUint64(0, true));
    expect(header % 8).toBe(0);
    for (const { dtype, bytes } of tensors.values())
      expect((bytes.byteOffset - file.byteOffset) % DTYPES[dtype]).toBe(0);
    const reversed = new Map([...tensors].reverse());
    expect(encodeSafetensors(reversed, Object.fromEntries([...metadata].reverse()))).toEqual(file);
    expect(Object.fromEntries(metadata)).toEqual({ format: 'pt', note: 'größer ≥ "quoted"' });
    expect(toIntegers('n', tensors.get('1.num_batches_tracked')!)).toEqual([12]);
    // The JSON is what others parse.
    const parsed = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + header)));
    expect(parsed.__metadata__.downhill_crc32).toMatch(/^downhill crc32 [\da-f]{8}$/);
    expect(parsed['0.weight']).toEqual({ dtype: 'F32', shape: [2, 3], data_offsets: [8, 32] });
  });

  it('gives back any tensors, and only the same ones the same bytes', () => {
    const name = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }).filter((each) => {
      try {
        encodeSafetensors(new Map([[each, floatTensor([], Float32Array.of(1))]]));
        return true;
      } catch {
        return false;
      }
    });
    const tensor = fc
      .record({
        dtype: fc.constantFrom(...(Object.keys(DTYPES) as Dtype[])),
        shape: fc.array(fc.nat(4), { maxLength: 3 }),
      })
      .chain(({ dtype, shape }) => {
        const length = DTYPES[dtype] * shape.reduce((product, size) => product * size, 1);
        return fc
          .uint8Array({ minLength: length, maxLength: length })
          .map((bytes): SafeTensor => ({ dtype, shape, bytes }));
      });
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 6 }), (list) => {
        const { tensors } = decodeSafetensors(encodeSafetensors(new Map(list)));
        expect(tensors.size).toBe(list.length);
        for (const [key, { dtype, shape, bytes }] of list) {
          const back = tensors.get(key)!;
          expect({ dtype: back.dtype, shape: [...back.shape], bytes: [...back.bytes] }).toEqual({
            dtype,
            shape,
            bytes: [...bytes],
          });
        }
      }),
      { numRuns: 200 },
    );
  });

  it('refuses to write what cannot be read', () => {
    const one = floatTensor([1], Float32Array.of(1));
    for (const name of ['', '__proto__', 'toString', 'constructor', 'a\0b', 'a\nb', '__metadata__'])
      expect(() => encodeSafetensors(new Map([[name, one]])), name).toThrow(/OPTION-RANGE/);
    expect(() => encodeSafetensors(new Map([['a', { ...one, shape: [2] }]]))).toThrow(/SHAPE-MISMATCH/);
    expect(() => decodeSafetensors([] as unknown as Uint8Array)).toThrow(/OPTION-TYPE/);
  });

  it.each<[string, unknown, unknown, RegExp]>([
    ['an object for a Map', { a: floatTensor([1], Float32Array.of(1)) }, {}, /Map of tensors/],
    ['nothing', undefined, {}, /Map of tensors/],
    ['a tensor that is none', new Map([['a', null]]), {}, /"a" must be/],
    ['an unknown dtype', new Map([['a', { dtype: 'F8_X', shape: [1], bytes: new Uint8Array(1) }]]), {}, /"a" must be/],
    ['a number for a text', new Map(), { step: 1 }, /1 for "step"/],
  ])('refuses to write %s', (_, tensors, metadata, message) => {
    const write = () => encodeSafetensors(tensors as Map<string, SafeTensor>, metadata as Record<string, string>);
    expect(write).toThrow(expect.objectContaining({ code: 'OPTION-TYPE', message: expect.stringMatching(message) }));
  });
});

/** A header of one tensor with other parts. */
const one = (parts: string) => `{"a":{${parts}}}`;
const GOOD = '"dtype":"F32","shape":[2],"data_offsets":[0,8]';

describe('a damaged file', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(0), /ends after 0 bytes/],
    ['7 bytes', new Uint8Array(7), /ends after 7 bytes/],
    ['a header longer than the file', fileOf('{}', 0, 3n), /3 bytes long, but the file has 10, at byte 0/],
    ['a header of 2^63 bytes', fileOf('{}', 0, 2n ** 63n), /9223372036854775808 bytes/],
    ['a header of 100,000,001 bytes', fileOf('{}', 0, 100_000_001n), /100000000 are the most/],
    ['no UTF-8', fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), /UTF-8, at byte 8/],
    ['a byte order mark', fileOf('\ufeff{}'), /begin with \{, at byte 8/],
    ['no JSON', fileOf('hello'), /begin with \{/],
    ['a list', fileOf('[]'), /begin with \{/],
    ['a space first', fileOf(' {}'), /begin with \{/],
    ['nothing', fileOf(''), /begin with \{/],
    ['an open object', fileOf('{'), /must be a text, at byte 9/],
    ['something behind the object', fileOf('{} x'), /follows the end of its object, at byte 11/],
    ['a comma too many', fileOf(`{"a":{${GOOD}},}`, 8), /must be a text/],
    ['a depth of 100,000', fileOf(`{"a":${'['.repeat(1e5)}`), /"\{" is missing, at byte 13/],
    ['a nested shape', fileOf(one(`"dtype":"F32","shape":${'['.repeat(1e5)}2`)), /whole numbers/],
    ['a name twice', fileOf(`{"ä":{${GOOD}},"ä":{${GOOD}}}`, 8), /"ä" stands twice in the header, at byte 63/],
    ['a name twice, written otherwise', fileOf(`{"a":{${GOOD}},"\\u0061":{${GOOD}}}`, 8), /"a" stands twice/],
    ['a key twice', fileOf(one(`${GOOD},"dtype":"F32"`), 8), /"dtype" stands twice in tensor "a"/],
    ['metadata twice', fileOf('{"__metadata__":{},"__metadata__":{}}'), /stands twice/],
    ['metadata that is no text', fileOf('{"__metadata__":{"a":1}}'), /must be a text/],
    ['an unknown key', fileOf(one(`${GOOD},"stride":[1]`), 8), /has "stride"/],
    ['no dtype', fileOf(one('"shape":[2],"data_offsets":[0,8]'), 8), /needs dtype/],
    ['an unknown dtype', fileOf(one(GOOD.replace('F32', 'F8_X')), 8), /unknown dtype "F8_X"/],
    ['a dtype that objects have', fileOf(one(GOOD.replace('F32', 'toString')), 8), /unknown dtype "toString"/],
    ['a size of -1', fileOf(one(GOOD.replace('[2]', '[-1]')), 8), /not "-1"/],
    ['a size of 1.5', fileOf(one(GOOD.replace('[2]', '[1.5]')), 8), /not "1.5"/],
    ['a size of 2e0', fileOf(one(GOOD.replace('[2]', '[2e0]')), 8), /not "2e0"/],
    ['a size of 02', fileOf(one(GOOD.replace('[2]', '[02]')), 8), /not "02"/],
    ['a size beyond 2^53', fileOf(one(GOOD.replace('[2]', '[9007199254740993]')), 8), /whole numbers/],
    ['a product beyond 2^53', fileOf(one(GOOD.replace('[2]', '[4294967296,4294967296]')), 8), /more than 2\^53 bytes/],
    ['begin after end', fileOf(one(GOOD.replace('[0,8]', '[8,0]')), 8), /from 8 to 0/],
    ['three offsets', fileOf(one(GOOD.replace('[0,8]', '[0,8,8]')), 8), /no stretch/],
    ['an end beyond the file', fileOf(one(GOOD), 7), /ends beyond the 7 bytes/],
    ['another size than shape × dtype', fileOf(one(GOOD.replace('[2]', '[3]')), 8), /takes 12 bytes, but has 8/],
    ['an overlap', fileOf(`{"a":{${GOOD}},"b":{${GOOD.replace('[0,8]', '[4,12]')}}}`, 12), /"b".*overlaps.*at byte/],
    ['a hole', fileOf(`{"a":{${GOOD}},"b":{${GOOD.replace('[0,8]', '[12,20]')}}}`, 20), /"b".*hole of 4 bytes/],
    ['a hole at the start', fileOf(one(GOOD.replace('[0,8]', '[4,12]')), 12), /hole of 4 bytes/],
    ['trailing bytes', fileOf(one(GOOD), 9), /1 bytes follow the last tensor, at byte/],
    ['trailing bytes and no tensor', fileOf('{}', 1), /1 bytes follow/],
    ['the name __proto__', fileOf(`{"__proto__":{${GOOD}}}`, 8), /"__proto__" cannot be/],
    ['the name toString', fileOf(`{"toString":{${GOOD}}}`, 8), /"toString" cannot be/],
    ['a NUL in a name', fileOf(`{"a\\u0000b":{${GOOD}}}`, 8), /cannot be the name/],
    ['a raw NUL in a name', fileOf(`{"a\0b":{${GOOD}}}`, 8), /no JSON text/],
    ['an escape that is none', fileOf(`{"a\\x":{${GOOD}}}`, 8), /no JSON text/],
    ['a text without an end', fileOf('{"a\\"'), /must be a text/],
  ])('%s is refused, with its place', (_, file, words) => {
    expect(() => decodeSafetensors(file)).toThrow(corruptAt(words));
  });

  it('every single bit of a file of ours counts', () => {
    const file = some();
    for (let bit = 0; bit < 8 * file.length; bit++) {
      file[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeSafetensors(file), `bit ${bit}`).toThrow(corruptAt(/./));
      file[bit >> 3]! ^= 1 << (bit & 7);
    }
    expect(decodeSafetensors(file).tensors.size).toBe(3);
  });

  it('10,000 flips in a large payload are found, and 1,000 lengths at which it is cut off', () => {
    const values = Float32Array.from({ length: 5000 }, (_, i) => Math.sin(i));
    const file = encodeSafetensors(new Map([['0.weight', floatTensor([50, 100], values)]]));
    const first = file.length - 4 * values.length;
    let found = 0;
    for (let i = 0; i < 10_000; i++) {
      const bit = (Math.imul(i, 2654435761) >>> 0) % (32 * values.length);
      file[first + (bit >> 3)]! ^= 1 << (bit & 7);
      try {
        decodeSafetensors(file);
      } catch (error) {
        if ((error as { code?: string }).code === 'CHECKPOINT-CORRUPT') found++;
      }
      file[first + (bit >> 3)]! ^= 1 << (bit & 7);
    }
    expect(found).toBe(10_000);
    for (let i = 0; i < 1000; i++) {
      const length = Math.floor((i * file.length) / 1000);
      expect(() => decodeSafetensors(file.subarray(0, length))).toThrow(corruptAt(/./));
    }
  });

  it('any bytes are read or refused, never with another error', () => {
    const pieces = ['{', '}', '"', ':', ',', '[', ']', '\\', ' ', '0', '9', '-', '.', 'e', '"a"', '"dtype"', '"F32"'];
    const more = [
      '"shape"',
      '"data_offsets"',
      '__metadata__',
      '"__metadata__":{',
      '"x":{',
      'null',
      'true',
      'ü',
      '\u0000',
    ];
    const header = fc.oneof(
      fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 40 }).map((list) => text(`{${list.join('')}`)),
      fc.uint8Array({ maxLength: 60 }),
    );
    fc.assert(
      fc.property(header, fc.nat(20), (bytes, payload) => {
        try {
          decodeSafetensors(fileOf(bytes, payload));
        } catch (error) {
          expect(error).toEqual(corruptAt(/./));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('long headers take no long time', () => {
    const start = performance.now();
    for (const filling of [
      ' '.repeat(4e6),
      `"${'\\"'.repeat(2e6)}`,
      `"a":{"shape":[${'9'.repeat(4e6)}`,
      '"a":{},'.repeat(1e5),
    ])
      expect(() => decodeSafetensors(fileOf(`{${filling}`))).toThrow(corruptAt(/./));
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

it('the checksum is that of gzip', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7919) >> 3);
  for (const length of [0, 1, 7, 8, 9, 1000]) {
    const part = bytes.subarray(0, length);
    expect(crc32(part)).toBe(zipCrc(part));
    expect(crc32(part.subarray(length >> 1), crc32(part.subarray(0, length >> 1)))).toBe(crc32(part));
  }
  expect(crc32(text('123456789'))).toBe(0xcbf43926);
});

describe('values', () => {
  const of = (dtype: Dtype, view: ArrayBufferView): SafeTensor => ({
    dtype,
    shape: [],
    bytes: new Uint8Array(view.buffer, view.byteOffset, view.byteLength),
  });

  it('every float16 and bfloat16 becomes the float32 of the same value', () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const half = toFloats('a', of('F16', bits));
    const brain = toFloats('a', of('BF16', bits));
    for (let i = 0; i < 65536; i++) {
      const [sign, exponent, fraction] = [i >> 15 ? -1 : 1, (i >> 10) & 31, i & 1023];
      const value =
        exponent === 31
          ? fraction
            ? Number.NaN
            : Number.POSITIVE_INFINITY
          : exponent === 0
            ? fraction / 2 ** 24
            : (1 + fraction / 2 ** 10) * 2 ** (exponent - 15);
      expect(Object.is(half[i], sign * value)).toBe(true);
      const view = new DataView(new ArrayBuffer(4));
      view.setUint16(0, i);
      expect(Object.is(brain[i], view.getFloat32(0))).toBe(true);
    }
  });

  it("are those of the file in a Buffer of Node's, too, whose slice is no copy", () => {
    const file = Buffer.concat([Buffer.from([1, 2, 3]), some()]).subarray(3);
    const { tensors } = decodeSafetensors(file);
    expect(toFloats('0.weight', tensors.get('0.weight')!).subarray(0, 3)).toEqual(Float32Array.of(1, -2, 3.5));
    expect(toIntegers('1.num_batches_tracked', tensors.get('1.num_batches_tracked')!)).toEqual([12]);
  });

  it('float64 is rounded; integers are no weights', () => {
    expect(toFloats('a', of('F64', Float64Array.of(0.1, 1e-50)))).toEqual(Float32Array.of(0.1, 0));
    expect(() => toFloats('a', of('I32', Int32Array.of(1)))).toThrow(/CHECKPOINT-MISMATCH/);
    expect(() => toIntegers('a', of('I64', BigInt64Array.of(2n ** 60n)))).toThrow(/beyond 2\^53/);
  });
});
