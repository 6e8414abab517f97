import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { idx } from '../../src/data/idx.js';
import { arrays, source, split, standardize, statistics, unitRange } from '../../src/data/index.js';
import { rowsOf } from '../../src/data/source.js';
import { DownhillError } from '../../src/gpu/errors.js';
import { idxFolder, idxSource } from '../../src/node/index.js';
import { scratch, writeIdx } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);
mkdirSync(folder.path('idx'));
writeIdx(folder.path('idx'), 'train', 60);

const read = (indices: Uint32Array) => ({
  x: Float32Array.from({ length: 2 * indices.length }, (_, i) => indices[i >> 1]! + (i & 1) / 2),
  y: Float32Array.from(indices),
});
const ramp = source({ samples: 100, features: 2, read });

async function failure(run: () => unknown): Promise<DownhillError> {
  const error = await Promise.resolve()
    .then(run)
    .then(
      () => undefined,
      (reason) => reason,
    );
  expect(error).toBeInstanceOf(DownhillError);
  return error;
}

describe('source', () => {
  it('is a data set whose samples are elsewhere', async () => {
    expect(ramp).toMatchObject({
      samples: 100,
      features: 2,
      scale: 1,
      shift: 0,
      targets: { kind: 'values', width: 1 },
    });
    expect(ramp.x).toHaveLength(0);
    const { x, targets, samples } = await rowsOf(ramp, Uint32Array.of(7, 7, 3));
    expect([samples, [...x]]).toEqual([3, [7, 7.5, 7, 7.5, 3, 3.5]]);
    expect(targets).toMatchObject({ values: Float32Array.of(7, 7, 3) });
    expect(source({ samples: 1, features: 1, classes: 3, type: 'uint8', read })).toMatchObject({ scale: 1 / 255 });
  });

  it('splits, and takes the statistics of others', async () => {
    const [train, test] = split(ramp, 80);
    expect([train.samples, test.samples]).toEqual([80, 20]);
    expect((await rowsOf(test, Uint32Array.of(0, 19))).targets).toMatchObject({ values: Float32Array.of(80, 99) });
    const part = arrays({
      x: [
        [0, 1],
        [2, 3],
      ],
      y: [0, 1],
    });
    expect(standardize(train, statistics(part))).toMatchObject({ samples: 80, scale: [1, 1], shift: [-1, -2] });
    for (const work of [() => statistics(ramp), () => standardize(ramp), () => unitRange(ramp)])
      expect(await failure(work)).toMatchObject({ code: 'OPTION-TYPE' });
  });

  it('checks what it is given: as many rows as asked for, labels that are classes, finite targets', async () => {
    const ofTwo = (y: unknown, options: object = {}) =>
      source({ samples: 9, features: 1, read: () => ({ x: new Float32Array(2), y }) as never, ...options });
    const given = (y: unknown, options?: object) => failure(() => rowsOf(ofTwo(y, options), Uint32Array.of(7, 4)));
    expect(await given(new Float32Array(3))).toMatchObject({ code: 'DATA-MISMATCH' });
    expect(await given([1, 2])).toMatchObject({ code: 'DATA-MISMATCH' });
    expect(await given(undefined)).toMatchObject({ code: 'DATA-MISMATCH' });
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const error = await given(Float32Array.of(1, value));
      expect(error).toMatchObject({
        code: 'DATA-LABEL',
        message: expect.stringContaining(`sample 4 the target ${value}`),
      });
    }
    expect(await given(Uint8Array.of(1, 3), { classes: 3 })).toMatchObject({ code: 'DATA-LABEL' });
    const probability = (y: Float32Array) => rowsOf(ofTwo(y), Uint32Array.of(7, 4), [0, 1]);
    expect(probability(Float32Array.of(0, 1))).toMatchObject({ samples: 2 });
    const beyond = await failure(() => probability(Float32Array.of(0, 1.5)));
    expect(beyond).toMatchObject({ code: 'DATA-LABEL', message: expect.stringContaining('from 0 to 1') });
  });

  it('checks its options', async () => {
    const bad = (options: object) => failure(() => source({ samples: 1, features: 1, read, ...options }));
    expect(await bad({ samples: 0 })).toMatchObject({ code: 'OPTION-RANGE' });
    expect(await bad({ type: 'int8' })).toMatchObject({ code: 'OPTION-RANGE' });
    expect(await bad({ read: 3 })).toMatchObject({ code: 'OPTION-TYPE' });
    expect(await bad({ classes: 3, outputs: 1 })).toMatchObject({ code: 'OPTION-RANGE' });
    expect(await bad({ scale: [1, 2] })).toMatchObject({ code: 'OPTION-TYPE' });
    expect(await bad({ sample: 1 })).toMatchObject({ code: 'OPTION-UNKNOWN' });
  });
});

describe('idxSource', () => {
  const path = (kind: string) => folder.path('idx', `train-${kind}-idx${kind === 'images' ? 3 : 1}-ubyte`);
  const files = { images: path('images'), labels: path('labels'), classes: 4 };

  it('reads from disk what idx has in memory', async () => {
    const { close, ...data } = await idxSource(files);
    const whole = await idx({ ...(await idxFolder(folder.path('idx'))), classes: 4 });
    expect(data).toMatchObject({ samples: 60, features: 16, image: [4, 4], scale: whole.scale });
    const indices = Uint32Array.of(59, 3, 4, 5, 3, 0, 17, 18);
    const [ours, theirs] = [await rowsOf(data, indices), await rowsOf(whole, indices)];
    expect(ours.x).toEqual(theirs.x);
    expect([...(ours.targets as { labels: Uint8Array }).labels]).toEqual([
      ...(theirs.targets as { labels: Uint8Array }).labels,
    ]);
    close();
    expect(await failure(() => rowsOf(data, indices))).toMatchObject({ code: 'DATA-NOT-FOUND' });
  });

  it('refuses other files', async () => {
    const zipped = folder.path('zipped');
    writeFileSync(zipped, gzipSync('x'));
    const short = folder.path('short');
    writeFileSync(short, Uint8Array.of(0, 0, 8, 3, 0, 0));
    const bad = (options: object) => failure(() => idxSource({ ...files, ...options }));
    expect(await bad({ images: folder.path('none') })).toMatchObject({ code: 'DATA-NOT-FOUND' });
    expect(await bad({ labels: folder.path('none') })).toMatchObject({ code: 'DATA-NOT-FOUND' });
    expect(await bad({ images: zipped })).toMatchObject({
      code: 'DATA-FORMAT',
      message: expect.stringContaining('gzipped'),
    });
    expect(await bad({ images: short })).toMatchObject({ code: 'DATA-FORMAT' });
    expect(await bad({ labels: files.images, images: files.labels })).toMatchObject({ code: 'DATA-MISMATCH' });
    expect(await bad({ classes: 3 })).toMatchObject({ code: 'DATA-LABEL' });
  });
});
